"""Event stream frames, read back by botocore."""

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from midge.wire.event_stream import event_headers, frame, message

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(st.lists(st.tuples(st.dictionaries(names, values, max_size=4), st.binary(max_size=300))), st.integers(1, 50))
def test_frames_are_read_back(sent: list[tuple[dict[str, str], bytes]], step: int) -> None:
    """However the bytes are cut, botocore finds the same headers and payloads, in order, and nothing is left over."""
    data = b"".join(message(list(headers.items()), payload) for headers, payload in sent)
    buffer = EventStreamBuffer()
    found: list[tuple[dict[str, str], bytes]] = []
    for start in range(0, len(data), step):
        buffer.add_data(data[start : start + step])
        found += [(each.headers, each.payload) for each in buffer]
    assert found == sent
    buffer.add_data(message([], b"end"))
    assert [each.payload for each in buffer] == [b"end"]


def test_an_event_is_named_and_typed() -> None:
    """The headers of an event are those that AWS's clients choose the member by."""
    buffer = EventStreamBuffer()
    buffer.add_data(frame(event_headers("PayloadChunk", "application/octet-stream"), b"\x00"))
    (found,) = buffer
    assert found.headers == {
        ":event-type": "PayloadChunk", ":content-type": "application/octet-stream", ":message-type": "event",
    }  # fmt: skip
    assert found.payload == b"\x00"


@given(st.binary(min_size=1, max_size=50), st.data())
def test_damage_is_noticed(payload: bytes, data: st.DataObject) -> None:
    """A byte of the payload that changes on the way breaks the checksum."""
    whole = bytearray(message([("a", "b")], payload))
    place = data.draw(st.integers(len(whole) - 4 - len(payload), len(whole) - 5))
    whole[place] ^= 1
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(whole))
    with pytest.raises(ChecksumMismatch):
        list(buffer)


@pytest.mark.parametrize(("name", "value"), [("", "v"), ("n" * 256, "v"), ("ü" * 128, "v"), ("n", "v" * 65_536)])
def test_headers_have_bounds(name: str, value: str) -> None:
    """A header that does not fit a frame is refused."""
    with pytest.raises(ValueError, match="too long"):
        message([(name, value)], b"")
