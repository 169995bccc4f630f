"""The blocks of a log file, how names become files, and the order of merged events."""

from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midge.log_store.blocks import (
    FOOTER_BYTES,
    BlockTimes,
    Head,
    decode_footer,
    decode_head,
    decode_lines,
    encode_event,
    encode_footer,
    encode_head,
    is_whole,
    last_footer_end,
    pieces,
)
from midge.log_store.merging import merge
from midge.log_store.places import current_name, encode_name, full_name, stream_key

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
TIMES = st.integers(0, 10**13 - 1)


@given(events=st.lists(st.tuples(TIMES, TEXT), min_size=1, max_size=8))
def test_events_come_back(events: list[tuple[int, str]]) -> None:
    """Whatever a message holds, it is one line of its block, and comes back."""
    lines = b"".join(encode_event(moment, message) for moment, message in events)
    assert lines.count(b"\n") == len(events)
    assert not any(line.startswith(b"#") for line in lines.split(b"\n"))
    assert [(line.timestamp, line.message) for line in decode_lines(lines)] == events


@given(lines=st.binary(max_size=200), first=TIMES, last=TIMES, count=st.integers(0, 10**9))
def test_a_footer_comes_back(lines: bytes, first: int, last: int, count: int) -> None:
    """A footer has a fixed width and says all that it was made from."""
    data = encode_footer(lines, (first, last), (7, 9), count, 5)
    assert len(data) == FOOTER_BYTES
    footer = decode_footer(data)
    assert footer is not None
    assert footer[:7] == (5, first, last, 7, 9, len(lines), count)
    assert is_whole(lines, footer.checksum)
    assert not is_whole(lines + b"x", footer.checksum)


@given(rest=st.binary(max_size=150))
@example(rest=b"")
@example(rest=encode_footer(b"", (1, 1), (1, 1), 1, 1)[:-1])
def test_the_last_footer_is_found_before_what_was_cut_short(rest: bytes) -> None:
    """Behind the last whole footer anything may stand that is no footer itself."""
    footer = encode_footer(b"{}\n", (1, 2), (1, 2), 1, 3)
    data = b"{}\n" + footer + rest
    assert last_footer_end(data) >= 3 + FOOTER_BYTES
    assert last_footer_end(b"{}\n" + rest[:FOOTER_BYTES]) <= 3 + FOOTER_BYTES


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b'{"stream":"s","created_ms":1}', b"[]\n", b"\xff\n"])
def test_what_is_no_head_is_none(line: bytes) -> None:
    """Half a head, or anything else, is not taken for one."""
    assert decode_head(line) is None


@given(name=st.text(min_size=1, max_size=512), base=st.integers(0, 10**12))
def test_a_name_becomes_a_file_of_its_own(name: str, base: int) -> None:
    """Any name of a stream gives file names that are short, stay in their directory, and belong together."""
    encoded = encode_name(name)
    assert len(full_name(name, base).encode()) <= 255
    assert not {"/", "\0", "@"} & set(encoded)
    assert encoded not in {"", ".", ".."}
    assert stream_key(current_name(name)) == stream_key(full_name(name, base)) == encoded


@given(names=st.sets(st.text(min_size=1, max_size=300), min_size=2, max_size=6))
def test_names_do_not_meet(names: set[str]) -> None:
    """Different names have different files."""
    assert len({encode_name(name) for name in names}) == len(names)


def test_long_names_that_differ_at_their_end_do_not_meet() -> None:
    """A name too long for a file keeps its beginning and gets a digest."""
    assert encode_name("x" * 511 + "a") != encode_name("x" * 511 + "b")
    assert encode_name("x" * 512).startswith("x" * 100)


@given(head=st.builds(Head, stream=TEXT, created_ms=TIMES, base=st.integers(0), by_platform=st.booleans()))
def test_a_head_comes_back(head: Head) -> None:
    """The first line of a file says the stream's whole name, its age and where in it the file begins."""
    assert decode_head(encode_head(head)) == head


@given(text=TEXT, size=st.integers(4, 30))
def test_pieces_end_between_characters(text: str, size: int) -> None:
    """A message too long for one event is cut into pieces that are text each, and nothing is lost."""
    found = list(pieces(text.encode(), size))
    assert all(len(piece) <= size for piece in found)
    assert "".join(piece.decode() for piece in found) == text


class Event(NamedTuple):
    """An event for merging."""

    time: int
    number: int

    @property
    def key(self) -> tuple[int, int]:
        """Its place."""
        return self.time, self.number


@given(
    sources=st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), min_size=1), max_size=6),
    descending=st.booleans(),
)
def test_merging_is_sorting(sources: list[list[tuple[int, int]]], descending: bool) -> None:
    """Sorted sources come out as one sorted list, in either direction."""
    events = [sorted((Event(*pair) for pair in source), key=lambda e: e.key, reverse=descending) for source in sources]
    merged = merge(((source[0].time, source.__iter__) for source in events), descending=descending)
    every = [event for source in events for event in source]
    assert list(merged) == sorted(every, key=lambda e: e.key, reverse=descending)


def test_a_source_is_opened_when_its_turn_has_come() -> None:
    """Who takes a few events of many sources opens only those that hold them."""
    opened: list[int] = []

    def source(start: int) -> list[Event]:
        opened.append(start)
        return [Event(start, 0), Event(start + 1, 0)]

    merged = merge((start, lambda start=start: source(start)) for start in range(0, 100, 10))
    assert [next(merged).time for _ in range(3)] == [0, 1, 10]
    assert opened == [0, 10]


def test_times_are_gathered() -> None:
    """The range of a block is that of all its events."""
    times = BlockTimes()
    times.add(5, 9)
    times.add(3, 3, 2)
    assert (times.first, times.last, times.count) == (3, 9, 3)
