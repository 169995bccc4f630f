"""Takes a runtime client's framed log messages out of what an environment writes. Pure, but for what is not whole yet.

AWS's runtime clients, told of a descriptor by ``_LAMBDA_TELEMETRY_LOG_FD``, write each log message as a frame: four
bytes of type, four of length, eight of time (microseconds since 1970), the message; big-endian. The type's lowest two
bits are the format (2 JSON, 3 text), those above them the level. midge gives them the descriptor of standard output,
so that messages and printed lines stay in order: no text in UTF-8 begins like a frame. A frame that lies about its
length, or is never finished, only hurts its own function's log; what waits is bounded.
Source: the comments of ``FramedTelemetryLogSink`` in AWS's runtime interface clients (awslambdaric/bootstrap.py)
"""

import msgspec

_MAGIC = b"\xa5\x5a\x00"
_HEAD_BYTES = 16


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message. ``level``: 0 none, 1 TRACE, 2 DEBUG, 3 INFO, 4 WARN, 5 ERROR, 6 FATAL."""

    message: bytes
    level: int
    time_us: int
    continued: bool = False
    """The next frame goes on where this one ends: the message was too long for one."""


class FrameSplitter:
    """One stream of bytes, split into frames and what stands between them."""

    __slots__ = ("_buffer", "_level", "_remaining", "_size_bytes", "_time_us")

    def __init__(self, size_bytes: int) -> None:
        """A message longer than ``size_bytes`` becomes several frames."""
        self._size_bytes = size_bytes
        self._buffer = b""
        self._remaining = 0
        self._level = 0
        self._time_us = 0

    def feed(self, data: bytes) -> list[bytes | Frame]:
        """What is whole now, in order."""
        if not self._buffer and not self._remaining and b"\xa5" not in data:
            return [data] if data else []
        found: list[bytes | Frame] = []
        data = self._buffer + data
        self._buffer = b""
        while data:
            data = self._message(data, found) if self._remaining else self._between(data, found)
        return found

    def flush(self) -> bytes:
        """What will not become whole any more, as it was written."""
        rest, self._buffer, self._remaining = self._buffer, b"", 0
        return rest

    def _message(self, data: bytes, found: list[bytes | Frame]) -> bytes:
        size = min(self._remaining, self._size_bytes)
        if len(data) < size:
            self._buffer = data
            return b""
        self._remaining -= size
        found.append(Frame(data[:size], self._level, self._time_us, self._remaining > 0))
        return data[size:]

    def _between(self, data: bytes, found: list[bytes | Frame]) -> bytes:
        start = data.find(_MAGIC)
        if start < 0:
            start = len(data) - next(size for size in (2, 1, 0) if data.endswith(_MAGIC[:size]))
        if start:
            found.append(data[:start])
        rest = data[start:]
        if len(rest) < _HEAD_BYTES:
            self._buffer = rest
            return b""
        self._level = min(rest[3] >> 2, 6)
        self._remaining = int.from_bytes(rest[4:8], "big")
        self._time_us = int.from_bytes(rest[8:16], "big")
        return rest[_HEAD_BYTES:]

    def text(self, data: bytes) -> bytes:
        """What is whole now as a reader of the log sees it: messages without their frames, each ending a line."""
        return b"".join(part if isinstance(part, bytes) else _line(part) for part in self.feed(data))


def _line(frame: Frame) -> bytes:
    ended = frame.continued or frame.message.endswith(b"\n")
    return frame.message if ended else frame.message + b"\n"


def unframed(data: bytes) -> bytes:
    """All of ``data`` as a reader of the log sees it, also what is not whole."""
    splitter = FrameSplitter(len(data) or 1)
    return splitter.text(data) + splitter.flush()
