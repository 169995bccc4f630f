"""One open log file: what is appended to it, and what is left of it after a crash. Blocking."""

import os
from pathlib import Path

from midge.log_store.blocks import (
    FOOTER_BYTES,
    LATEST_MS,
    BlockTimes,
    Head,
    decode_footer,
    decode_head,
    encode_footer,
    encode_head,
    last_footer_end,
)

HEAD_BYTES = 4 * 1024
"""More than any head has: names have at most 512 characters, of at most six bytes."""
_SEARCHED_BYTES = 64 * 1024


class Segment:
    """A file that is being appended to. Made by ``open_segment``. Methods raise OSError."""

    __slots__ = ("_descriptor", "_newest", "_oldest", "head", "path", "size")

    def __init__(self, path: Path, descriptor: int, head: Head, size: int, range_ms: tuple[int, int] | None) -> None:
        self.path = path
        self.head = head
        self.size = size
        self._descriptor = descriptor
        self._oldest, self._newest = range_ms or (LATEST_MS, 0)

    @property
    def holds_events(self) -> bool:
        """Whether anything has been appended."""
        return self._newest >= self._oldest

    def append(self, lines: bytes, times: BlockTimes, now_ms: int) -> int:
        """Add a block; returns its address in the stream. A write that fails leaves nothing behind."""
        oldest, newest = min(self._oldest, times.first), max(self._newest, times.last)
        footer = encode_footer(lines, (times.first, times.last), (oldest, newest), times.count, now_ms)
        view = memoryview(lines + footer)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        address = self.head.base + self.size
        self.size += len(lines) + len(footer)
        self._oldest, self._newest = oldest, newest
        return address

    def sync(self) -> None:
        """Return when what was appended is on disk."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Sync and close."""
        try:
            os.fdatasync(self._descriptor)
        finally:
            os.close(self._descriptor)


def open_segment(path: Path, head: Head) -> Segment:
    """Open a file for appending, or make it with ``head``. What a crash left behind the last footer is cut off."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        beginning = os.pread(descriptor, HEAD_BYTES, 0)
        line = beginning[: beginning.find(b"\n") + 1]
        found = decode_head(line)
        if found is None:
            line = encode_head(head)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, line)
            return Segment(path, descriptor, head, len(line), None)
        size = os.fstat(descriptor).st_size
        end = whole_size(descriptor, size, len(line))
        if end < size:
            os.ftruncate(descriptor, end)
        if end == len(line):
            return Segment(path, descriptor, found, end, None)
        footer = decode_footer(os.pread(descriptor, FOOTER_BYTES, end - FOOTER_BYTES))
        assert footer is not None
        return Segment(path, descriptor, found, end, (footer.oldest, footer.newest))
    except BaseException:
        os.close(descriptor)
        raise


def whole_size(descriptor: int, size: int, head_bytes: int) -> int:
    """How much of a file of ``size`` bytes is whole: up to its last footer, or only its head."""
    if size - FOOTER_BYTES >= head_bytes and decode_footer(os.pread(descriptor, FOOTER_BYTES, size - FOOTER_BYTES)):
        return size
    end = size
    while end > head_bytes:
        start = max(head_bytes - 1, end - _SEARCHED_BYTES)
        found = last_footer_end(os.pread(descriptor, end - start, start))
        if found >= 0:
            return start + found
        if start == head_bytes - 1:
            break
        end = start + FOOTER_BYTES  # a footer may lie across the border
    return head_bytes
