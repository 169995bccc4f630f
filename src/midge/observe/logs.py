"""The function log's writer: the hot path hands over small records, a thread makes them durable in the background.

Order holds per stream. Memory is bounded: output above the limit is dropped, counted, and the stream says so; where
even records of invocations pile up, they are dropped too. Nothing here waits for the disk except ``flush``/``close``.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from midge.clock import Clock, Timer
from midge.model.limits import Limits
from midge.observe.log_files import LogDirectory
from midge.observe.log_records import InvocationEnd, LogStyle, Note, Output, Record
from midge.observe.log_render import StreamRenderer

_RECORD_BYTES = 256
"""What a record without output counts for."""
_SYNC_SECONDS = 1.0


class LogStream:
    """One environment's log stream. Made by ``LogWriter.open``."""

    __slots__ = ("_writer", "dropped_bytes", "group", "memory_peak_bytes", "name", "renderer", "style")

    def __init__(self, writer: "LogWriter", group: str, name: str, style: LogStyle, event_bytes: int) -> None:
        self._writer = writer
        self.group = group
        self.name = name
        self.style = style
        self.renderer = StreamRenderer(style, event_bytes)
        self.memory_peak_bytes: Callable[[], int | None] | None = None
        """Asked when records are flushed, for the REPORT lines that have no figure yet."""
        self.dropped_bytes = 0

    def add(self, record: Record) -> None:
        """Hand over a record."""
        self._writer.add(self, record)

    def output(self, time: float, data: bytes) -> None:
        """Hand over output of the function."""
        self._writer.add_output(self, Output(time, data))

    def late_output(self, end: InvocationEnd, time: float, data: bytes) -> None:
        """Hand over output that was read after ``end`` was added and was written before it."""
        self._writer.add_late(self, end, time, data)


class LogWriter:
    """Owns the pending records, the flush timer and the writing thread. All methods are for the event loop's thread."""

    def __init__(self, directory: LogDirectory, clock: Clock, limits: Limits) -> None:
        self._directory = directory
        self._clock = clock
        self._limits = limits
        self._log = structlog.get_logger("midge.logs")
        self._executor = ThreadPoolExecutor(1, "log-writer")
        self._pending: list[tuple[LogStream, Record]] = []
        self._pending_bytes = 0
        self._writing: asyncio.Future[None] | None = None
        self._writing_bytes = 0
        self._timer: Timer | None = None
        self._synced_at = clock.monotonic()
        self._unsynced = False
        self._dropped_streams: set[LogStream] = set()
        self.dropped_bytes = 0
        self.dropped_records = 0

    def open(self, group: str, name: str, style: LogStyle) -> LogStream:
        """A stream that appends to ``name`` in ``group``."""
        return LogStream(self, group, name, style, self._limits.log_event_bytes)

    @property
    def waiting_bytes(self) -> int:
        """What is held in memory."""
        return self._pending_bytes + self._writing_bytes

    def add(self, stream: LogStream, record: Record) -> None:
        if self._pending_bytes + self._writing_bytes > 2 * self._limits.pending_log_bytes:
            self.dropped_records += 1
            return
        self._pending_bytes += _RECORD_BYTES
        self._pending.append((stream, record))
        if self._timer is None:
            self._timer = self._clock.call_later(self._limits.log_flush_seconds, self._flush_due)

    def add_output(self, stream: LogStream, record: Output) -> None:
        if self._room(stream, len(record.data)):
            self.add(stream, record)

    def add_late(self, stream: LogStream, end: InvocationEnd, time: float, data: bytes) -> None:
        if end.sealed:
            self.add_output(stream, Output(time, data))
        elif self._room(stream, len(data)):
            end.late_output += data

    def _room(self, stream: LogStream, size: int) -> bool:
        if self._pending_bytes + self._writing_bytes + size > self._limits.pending_log_bytes:
            self.dropped_bytes += size
            stream.dropped_bytes += size
            self._dropped_streams.add(stream)
            return False
        self._pending_bytes += size
        return True

    def _flush_due(self) -> None:
        self._timer = None
        if self._writing is None:
            self._start_writing()

    def _start_writing(self) -> None:
        now = self._clock.monotonic()
        sync = self._unsynced and now - self._synced_at >= _SYNC_SECONDS
        batch, self._pending = self._pending, []
        if not batch and not sync and not self._dropped_streams:
            if self._unsynced:
                self._timer = self._clock.call_later(_SYNC_SECONDS, self._flush_due)
            return
        self._note_drops(batch)
        self._seal(batch)
        self._writing_bytes, self._pending_bytes = self._pending_bytes, 0
        self._unsynced = not sync
        if sync:
            self._synced_at = now
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._executor, self._write, batch, sync)
        self._writing.add_done_callback(self._written)

    def _written(self, future: asyncio.Future[None]) -> None:
        self._writing = None
        self._writing_bytes = 0
        if not future.cancelled() and (error := future.exception()) is not None:
            self._log.error("function log could not be written", error=str(error))
        if self._timer is None and (self._pending or self._unsynced):
            self._timer = self._clock.call_later(self._limits.log_flush_seconds, self._flush_due)

    def _note_drops(self, batch: list[tuple[LogStream, Record]]) -> None:
        for stream in self._dropped_streams:
            size, stream.dropped_bytes = stream.dropped_bytes, 0
            batch.append((stream, Note(self._clock.now(), f"midge: {size} bytes of output were dropped here\n")))
            self._log.warning("function output dropped", group=stream.group, stream=stream.name, bytes=size)
        self._dropped_streams.clear()

    @staticmethod
    def _seal(batch: list[tuple[LogStream, Record]]) -> None:
        """The thread reads the records from now on. Memory is read once per stream, not once per invocation."""
        seen: dict[LogStream, int | None] = {}
        for stream, record in batch:
            if type(record) is not InvocationEnd:
                continue
            record.sealed = True
            if record.memory_bytes is None and stream.memory_peak_bytes is not None:
                if stream not in seen:
                    seen[stream] = stream.memory_peak_bytes()
                record.memory_bytes = seen[stream]

    def _write(self, batch: list[tuple[LogStream, Record]], sync: bool) -> None:
        """In the thread."""
        events: dict[LogStream, list[bytes]] = {}
        for stream, record in batch:
            lines = events.get(stream)
            if lines is None:
                lines = events[stream] = []
            stream.renderer.render(record, lines)
        for stream, lines in events.items():
            if lines:
                self._directory.append(stream.group, stream.name, b"".join(lines))
        if sync:
            self._directory.sync()

    async def flush(self) -> None:
        """Return when everything handed over so far can be read back. Raises OSError."""
        while self._writing is not None or self._pending or self._dropped_streams:
            if self._writing is None:
                self._start_writing()
            writing = self._writing
            if writing is not None:
                await writing

    async def close(self) -> None:
        """Write and sync what is left, and stop the thread. Raises OSError."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self.flush()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await asyncio.get_running_loop().run_in_executor(self._executor, self._directory.close)
            self._executor.shutdown()
