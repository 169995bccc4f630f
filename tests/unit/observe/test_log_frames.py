"""Framed log messages: found wherever the bytes are cut, one event each, with their level."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midge.log_store.blocks import BlockTimes
from midge.observe.log_frames import Frame, FrameSplitter, unframed
from midge.observe.log_levels import printed
from midge.observe.log_records import InvocationEnd, LogStyle, Output
from midge.observe.log_render import StreamRenderer

ID = b"8476a536-e9f4-41e8-9739-2dfe598c3fcd"
NOW = 1_800_000_000.0
TEXT, JSON, DEBUG, WARN, ERROR = 0xA55A0003, 0xA55A0002, 0xA55A000A, 0xA55A0012, 0xA55A0016


def frame(message: bytes, kind: int = TEXT, time_us: int = 5) -> bytes:
    return kind.to_bytes(4, "big") + len(message).to_bytes(4, "big") + time_us.to_bytes(8, "big") + message


def events(style: LogStyle, *outputs: bytes, event_bytes: int = 1_000) -> list[tuple[int, str]]:
    """Timestamp and message of the events of some output, and of the invocation's end."""
    renderer, lines = StreamRenderer(style, event_bytes), list[bytes]()
    for output in outputs:
        renderer.render(Output(NOW, output), lines, BlockTimes())
    renderer.render(InvocationEnd(NOW, ID, 1.0), lines, BlockTimes())
    found: list[dict[str, Any]] = [json.loads(line) for line in b"".join(lines).splitlines()]
    return [(event["timestamp"], event["message"]) for event in found]


def said(style: LogStyle, *outputs: bytes) -> list[str]:
    """What of the function's own is in its log."""
    return [text for _, text in events(style, *outputs) if "RequestId" not in text and "platform." not in text]


PLAIN = LogStyle(version="1", memory_size_mb=128)
PARTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).map(str.encode),
        st.builds(Frame, st.binary(min_size=1, max_size=20), st.integers(0, 6), st.integers(0, 2**63)),
    ),
    max_size=6,
)


@given(parts=PARTS, data=st.data())
def test_frames_are_found_wherever_the_bytes_are_cut(parts: list[bytes | Frame], data: st.DataObject) -> None:
    """Messages and what is printed between them come out as they went in, however a pipe cuts them."""
    whole = b"".join(
        part if isinstance(part, bytes) else frame(part.message, 0xA55A0003 + (part.level << 2), part.time_us)
        for part in parts
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    splitter = FrameSplitter(1_000)
    found: list[bytes | Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found += splitter.feed(whole[start:end])
    waiting = splitter.flush()
    assert waiting in (b"", b"\xa5"), "only what may begin a frame waits for more"
    assert [part for part in found if isinstance(part, Frame)] == [part for part in parts if isinstance(part, Frame)]
    assert b"".join(p for p in found if isinstance(p, bytes)) + waiting == b"".join(
        p for p in parts if isinstance(p, bytes)
    )


@given(data=st.binary(max_size=400), size=st.integers(1, 30))
@example(data=b"\xa5\x5a\x00\x03\xff\xff\xff\xff" + b"x" * 100, size=10)
@example(data=b"\xa5\x5a\x00\x03\x00\x00\x00\x00" + b"\0" * 8 + b"text", size=10)
def test_any_bytes_are_survived(data: bytes, size: int) -> None:
    """Whatever a function writes, nothing but frames' heads is lost, and no more than one message's size waits."""
    splitter = FrameSplitter(size)
    parts = [part for byte in data for part in splitter.feed(bytes([byte]))]
    waiting = splitter.flush()
    assert len(waiting) <= max(size, 16)
    kept = sum(len(part) if isinstance(part, bytes) else len(part.message) for part in parts) + len(waiting)
    assert len(data) - 16 * data.count(b"\xa5\x5a\x00") <= kept <= len(data)


def test_a_message_of_many_lines_is_one_event() -> None:
    """What the client framed stays together; what was printed is an event a line, in the order of writing."""
    output = b"before\n" + frame(b"[ERROR] trouble\n  at a\n  at b\n") + b"after\n"
    assert said(PLAIN, output) == ["before\n", "[ERROR] trouble\n  at a\n  at b\n", "after\n"]


def test_a_message_has_its_own_time() -> None:
    """A frame's time is the event's, unless it cannot be true; and no event is older than the one before it."""
    second = 1_000_000
    output = (
        frame(b"a", time_us=int(NOW - 9) * second)
        + frame(b"b", time_us=int(NOW - 10) * second)
        + frame(b"c", time_us=int(NOW - 8) * second)
        + frame(b"d", time_us=int(NOW + 60) * second)
        + frame(b"e", time_us=0)
    )
    now = int(NOW * 1000)
    assert events(PLAIN, output)[:5] == [
        (now - 9_000, "a"), (now - 9_000, "b"), (now - 8_000, "c"), (now, "d"), (now, "e"),
    ]  # fmt: skip


def test_what_an_extension_writes_is_not_looked_through() -> None:
    """An extension that writes while a message is under way does not become a part of it."""
    renderer, lines, times = StreamRenderer(PLAIN, 1_000), list[bytes](), BlockTimes()
    message = frame(b"a message\n")
    for output in (Output(NOW, message[:20]), Output(NOW, b"beside\n", framed=False), Output(NOW, message[20:])):
        renderer.render(output, lines, times)
    assert [json.loads(line)["message"] for line in b"".join(lines).splitlines()] == ["beside\n", "a message\n"]


def test_an_unfinished_message_is_written_at_the_end() -> None:
    """A function that dies in the middle of a message leaves what there is of it."""
    assert said(PLAIN, frame(b"half of it")[:-3]) == ["half of"]


def test_a_long_message_becomes_several_events() -> None:
    """A message above the size of an event is cut, as a line is."""
    found = [text for _, text in events(PLAIN, frame(b"x" * 25), event_bytes=10)]
    assert found[:3] == ["x" * 10, "x" * 10, "x" * 5]


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("TRACE", ["debug", "none", "warn", "error"]),
        ("DEBUG", ["debug", "none", "warn", "error"]),
        ("INFO", ["none", "warn", "error"]),
        ("WARN", ["warn", "error"]),
        ("ERROR", ["error"]),
        ("FATAL", []),
    ],
)
def test_the_application_level_leaves_messages_out(level: str, kept: list[str]) -> None:
    """In the JSON format, messages below the level are not kept; one without a level is INFO."""
    style = LogStyle(version="1", memory_size_mb=128, json_format=True, application_level=level)
    output = frame(b"debug", DEBUG) + frame(b"none", JSON) + frame(b"warn", WARN) + frame(b"error", ERROR)
    assert said(style, output) == kept


def test_the_text_format_keeps_every_level() -> None:
    """Levels are for the JSON format alone."""
    style = LogStyle(version="1", memory_size_mb=128, application_level="FATAL")
    assert said(style, frame(b"debug", DEBUG), b"line\n") == ["debug", "line\n"]


TIME = '"timestamp":"2027-01-15T08:00:00.000Z"'


@pytest.mark.parametrize(
    ("line", "level", "moment"),
    [
        ("plain text", 3, None),
        ("{", 3, None),
        ("[1]", 3, None),
        ("{} trailing", 3, None),
        ('{"level":"debug",TIME}', 2, 1_800_000_000_000),
        ('{"level":"DEBUG","time":"2027-01-15T08:00:00Z"}', 2, 1_800_000_000_000),
        ('{"level":"Fatal","@timestamp":"2027-01-15T09:00:00+01:00"}', 6, 1_800_000_000_000),
        ('  {"level":"error",TIME}\n', 5, 1_800_000_000_000),
        ('{"level":"loud",TIME}', 3, 1_800_000_000_000),
        ('{"level":7,TIME}', 3, 1_800_000_000_000),
        ("{TIME}", 3, 1_800_000_000_000),
        ('{"level":"error"}', 3, None),
        ('{"level":"error","timestamp":"yesterday"}', 3, None),
        ('{"level":"error","timestamp":"2027-01-15"}', 3, None),
        ('{"level":"error","timestamp":1800000000}', 3, None),
        ('{"level":"error","timestamp":"2027-01-15T08:00:00"}', 3, None),
        ('{"a":' * 2_000 + "1" + "}" * 2_000, 3, None),
    ],
)
def test_a_printed_line_may_say_its_level_and_time(line: str, level: int, moment: int | None) -> None:
    """A JSON object with a known level and a time of RFC 3339 has that level; everything else is INFO."""
    assert printed(line.replace("TIME", TIME).encode()) == (level, moment)


def test_printed_lines_are_left_out_by_level() -> None:
    """In the JSON format a printed line is INFO unless it says otherwise, and goes when the level is above."""
    style = LogStyle(version="1", memory_size_mb=128, json_format=True, application_level="ERROR")
    line = '{"level":"error","m":1,TIME}\n'
    line = line.replace("TIME", TIME)
    assert said(style, b"plain\n", line.encode()) == [line]


def test_the_end_of_a_log_has_no_frames() -> None:
    """LogResult shows messages as text, each ending its line, also where the beginning was cut off."""
    assert unframed(b"a\n" + frame(b"b\nc") + b"d\n" + frame(b"e\n") + b"f") == b"a\nb\nc\nd\ne\nf"
    assert unframed(frame(b"half of it")[:-3]) == b"half of"
    assert unframed(b"") == b""
