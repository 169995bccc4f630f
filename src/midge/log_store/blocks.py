"""What a log file holds: a head, then blocks of events, each closed by a footer. Pure.

Theory. A block is what one write appended: events as JSON lines, then a footer of fixed width that says when they were
taken in, their range of time, and how long the block is. So a file is walked from its end, footer by footer, without
touching the events, and its last footer, which also carries the range of the whole file, is its summary. A JSON line
begins with ``{`` and holds no line end, so a line that begins with ``#`` is a footer; whatever stands behind the last
one is a write that was cut short. The head names the stream, because file names cannot hold every name.
"""

import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec


class StoredLine(msgspec.Struct, frozen=True, gc=False):
    """One event as it stands in a block."""

    timestamp: int
    message: str


class Head(msgspec.Struct, frozen=True):
    """The first line of a file. ``base`` is the stream's address at which the file begins."""

    stream: str
    created_ms: int
    base: int = 0
    by_platform: bool = False
    """The stream came to be by what a function wrote, not by CreateLogStream."""


class Footer(NamedTuple):
    """``first``, ``last``: times of the block's events. ``oldest``, ``newest``: of the file's, up to here. In ms."""

    ingested: int
    first: int
    last: int
    oldest: int
    newest: int
    size: int
    """Of the events, in bytes."""
    events: int
    checksum: int


class Block(NamedTuple):
    """Where in a file a block's events are."""

    first: int
    last: int
    offset: int
    size: int
    ingested: int
    checksum: int


_FOOTER = re.compile(rb"#(\d{13}) (\d{13}) (\d{13}) (\d{13}) (\d{13}) (\d{10}) (\d{10}) ([0-9a-f]{8})\n")
_TEMPLATE = b"#%013d %013d %013d %013d %013d %010d %010d %08x\n"
FOOTER_BYTES = len(_TEMPLATE % ((0,) * 8))
LATEST_MS = 10**13 - 1
"""The latest time that a footer can hold; in the year 2286."""
_encode = msgspec.json.encode
_heads = msgspec.json.Decoder(Head)
_lines = msgspec.json.Decoder(StoredLine)


def encode_event(timestamp: int, message: str) -> bytes:
    """One event as a line of a block."""
    return b'{"timestamp":%d,"message":%b}\n' % (timestamp, _encode(message))


def encode_head(head: Head) -> bytes:
    """The first line of a file."""
    return _encode(head) + b"\n"


def decode_head(line: bytes) -> Head | None:
    """None if ``line`` is no whole head."""
    if not line.endswith(b"\n"):
        return None
    try:
        return _heads.decode(line)
    except msgspec.MsgspecError:
        return None


def encode_footer(
    lines: bytes, times: tuple[int, int], file_times: tuple[int, int], count: int, ingested: int
) -> bytes:
    """What is appended behind ``lines``. ``times``: of these, ``file_times``: of the file with them."""
    return _TEMPLATE % (ingested, *times, *file_times, len(lines), count, zlib.crc32(lines))


def decode_footer(data: bytes) -> Footer | None:
    """None if ``data`` is no footer."""
    match = _FOOTER.fullmatch(data)
    if match is None:
        return None
    return Footer(*(int(text) for text in match.groups()[:7]), checksum=int(match[8], 16))


def last_footer_end(data: bytes) -> int:
    """The offset behind the last footer in ``data``; -1 if there is none."""
    end = -1
    for match in _FOOTER.finditer(data):
        if match.start() == 0 or data[match.start() - 1] == 0x0A:
            end = match.end()
    return end


def is_whole(lines: bytes, checksum: int) -> bool:
    """Whether a block's events are those that were written."""
    return zlib.crc32(lines) == checksum


def decode_lines(lines: bytes) -> list[StoredLine]:
    """The events of a block, in the order of their writing."""
    return _lines.decode_lines(lines)


class BlockTimes:
    """Gathers the range of time of the events that go into a block."""

    __slots__ = ("count", "first", "last")

    def __init__(self) -> None:
        self.first = LATEST_MS
        self.last = 0
        self.count = 0

    def add(self, first: int, last: int, count: int = 1) -> None:
        """``count`` events between two times in ms."""
        self.first = min(self.first, first)
        self.last = max(self.last, last)
        self.count += count


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    """``text`` in pieces of at most ``size`` bytes, none of which ends within a character of UTF-8."""
    start = 0
    while len(text) - start > size:
        end = start + size
        while end > start + size - 4 and text[end] & 0xC0 == 0x80:
            end -= 1
        yield text[start:end]
        start = end
    yield text[start:]
