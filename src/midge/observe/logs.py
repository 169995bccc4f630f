"""The writer of all logs: the hot path hands over small records, a thread makes them durable in the background.

Order holds per stream. Memory is bounded: output above the limit is dropped, counted, and the stream says so; where
even records of invocations pile up, they are dropped too. Nothing here waits for the disk except ``flush``/``close``.
An invocation without output that went well becomes text at once, in one formatting: text made later in the thread
would hold the interpreter against the event loop. All other text is the thread's work.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import structlog

from midge.clock import Clock, Timer
from midge.log_store.blocks import BlockTimes
from midge.log_store.files import LogFiles
from midge.model.limits import Limits
from midge.model.logs import LogGroup, LogGroupId
from midge.observe.log_records import InvocationEnd, InvocationStart, LogStyle, Note, Output, Record
from midge.observe.log_render import Plain, StreamRenderer, plain_template, render_plain

_RECORD_BYTES = 512
"""What a record without output counts for."""
_SYNC_SECONDS = 1.0
_PIECE = 200
"""Records rendered between two writes: at each the event loop gets the interpreter back."""
_FRESH_SECONDS = 0.05
"""An invocation that took longer has its memory read at its end; a shorter one takes the last flush's figure."""


Result = TypeVar("Result")


class Appended(NamedTuple):
    """Events that have just been written to a log group that has subscription filters."""

    group: LogGroupId
    settings: LogGroup
    stream: str
    address: int
    """Of the first event: its position in its stream; those of the others count on from it."""
    lines: bytes


class LogStream:
    """One environment's log stream. Made by ``LogWriter.open``."""

    __slots__ = (
        "_ended", "_last", "_started", "_template", "_writer", "dropped_bytes", "group", "memory_bytes", "memory_peak_bytes", "name",
        "pending", "renderer", "style",
    )  # fmt: skip

    def __init__(self, writer: "LogWriter", group: LogGroupId, name: str, style: LogStyle, event_bytes: int) -> None:
        self._writer = writer
        self.group = group
        self.name = name
        self.style = style
        self.renderer = StreamRenderer(style, event_bytes)
        self.memory_peak_bytes: Callable[[], int | None] | None = None
        """Reads the figure for REPORT; called in the writer's thread as well."""
        self.memory_bytes: int | None = None
        self.pending: list[Record | Plain] = []
        self.dropped_bytes = 0
        self._template = plain_template(style)
        self._started: InvocationStart | None = None
        self._last: tuple[Plain, InvocationStart, InvocationEnd] | None = None
        """The invocation that ended last, in one piece, as long as nothing came after its answer."""
        self._ended: InvocationEnd | None = None
        """Its end, once it is a record of its own."""

    def start(self, time: float, request_id: bytes) -> None:
        """An invocation begins. Its line is written with its first output, or at its end."""
        self._started = InvocationStart(time, request_id)
        self._last = self._ended = None

    def end(self, end: InvocationEnd) -> None:
        """The invocation that began last has ended."""
        start, self._started = self._started, None
        if end.memory_bytes is None:
            if end.duration_seconds > _FRESH_SECONDS or end.starts_environment or self.memory_bytes is None:
                self.measure()
            end.memory_bytes = self.memory_bytes
        if start is not None and self._template is not None and not end.starts_environment and not end.by_platform:
            text = render_plain(self._template, start.time, end)
            self._last, self._ended = (text, start, end), None
            self._writer.add(self, text)
            return
        self._last, self._ended = None, end
        if start is not None:
            self._writer.add(self, start)
        self._writer.add(self, end)

    def add(self, record: Record) -> None:
        """Hand over a record of another kind."""
        if self._started is not None:
            self._writer.add(self, self._started)
            self._started = None
        self._writer.add(self, record)

    def output(self, time: float, data: bytes, *, framed: bool = True) -> None:
        """Hand over output of the function, or of an extension, which frames nothing."""
        if not self._writer.room(self, len(data)):
            return
        if self._started is None and self._precedes_end(time, data, framed):
            return
        self.add(Output(time, data, framed))

    def _precedes_end(self, time: float, data: bytes, framed: bool) -> bool:
        """Put what was read after the answer, but written before it, ahead of the END line, if that is still here."""
        if self._last is not None:
            text, start, end = self._last
            self._last = None
            place = _find(self.pending, text)
            if place is None:
                return False
            self.pending[place : place + 1] = [start, end]
            self._ended = end
        if self._ended is None:
            return False
        place = _find(self.pending, self._ended)
        if place is None:
            self._ended = None
            return False
        self.pending.insert(place, Output(min(time, self._ended.time), data, framed))
        self._writer.weigh_record()
        return True

    def measure(self) -> None:
        """Read the memory's peak."""
        if self.memory_peak_bytes is not None:
            self.memory_bytes = self.memory_peak_bytes()


def _find(pending: list[Record | Plain], record: Record | Plain) -> int | None:
    """Where it stands; from the end, as it was added last or nearly so."""
    return next((place for place in range(len(pending) - 1, -1, -1) if pending[place] is record), None)


class LogWriter:
    """Owns the pending records, the flush timer and the writing thread. All methods are for the event loop's thread."""

    def __init__(self, files: LogFiles, clock: Clock, limits: Limits) -> None:
        self._files = files
        self._clock = clock
        self._limits = limits
        self._log = structlog.get_logger("midge.logs")
        self._executor = ThreadPoolExecutor(1, "log-writer")
        self._dirty: list[LogStream] = []
        self._pending_bytes = 0
        self._writing: asyncio.Future[list[Appended]] | None = None
        self._begun = self._ended = 0
        """How many batches have been handed to the thread, and how many it has written."""
        self._writing_bytes = 0
        self._timer: Timer | None = None
        self._synced_at = clock.monotonic()
        self._unsynced = False
        self._dropped_streams: set[LogStream] = set()
        self.dropped_bytes = 0
        self.dropped_records = 0
        self.on_appended: Callable[[list[Appended]], None] = _ignore
        """Hears of what has been written for somebody who subscribed."""

    def open(self, group: LogGroupId, name: str, style: LogStyle) -> LogStream:
        """A stream that appends to ``name`` in ``group``."""
        return LogStream(self, group, name, style, self._limits.log_event_bytes)

    @property
    def waiting_bytes(self) -> int:
        """What is held in memory."""
        return self._pending_bytes + self._writing_bytes

    def add(self, stream: LogStream, record: Record | Plain) -> None:
        """For streams: put a record into the stream's pending list, unless there is no room left at all."""
        if self._pending_bytes + self._writing_bytes > 2 * self._limits.pending_log_bytes:
            self.dropped_records += 1
            return
        self.weigh_record()
        pending = stream.pending
        if not pending:
            self._dirty.append(stream)
        pending.append(record)
        if self._timer is None:
            self._timer = self._clock.call_later(self._limits.log_flush_seconds, self._flush_due)

    def weigh_record(self) -> None:
        """For streams: count a record that was put into a pending list."""
        self._pending_bytes += _RECORD_BYTES

    def room(self, stream: LogStream, size: int) -> bool:
        """For streams: may so much output be kept? If not, it is counted as dropped."""
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
        self._note_drops()
        sync = self._unsynced and now - self._synced_at >= _SYNC_SECONDS
        dirty, self._dirty = self._dirty, []
        if not dirty and not sync:
            if self._unsynced:
                self._timer = self._clock.call_later(_SYNC_SECONDS, self._flush_due)
            return
        batch: list[tuple[LogStream, list[Record | Plain]]] = []
        for stream in dirty:
            batch.append((stream, stream.pending))
            stream.pending = []
        self._writing_bytes, self._pending_bytes = self._pending_bytes, 0
        self._unsynced = bool(batch) or not sync
        if sync:
            self._synced_at = now
        self._begun += 1
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._executor, self._write, batch, sync)
        self._writing.add_done_callback(self._written)

    def _written(self, future: asyncio.Future[list[Appended]]) -> None:
        self._writing = None
        self._writing_bytes = 0
        self._ended += 1
        if not future.cancelled():
            if (error := future.exception()) is not None:
                self._log.error("function log could not be written", error=str(error))
            elif appended := future.result():
                self.on_appended(appended)
        if self._timer is None and (self._dirty or self._unsynced):
            self._timer = self._clock.call_later(self._limits.log_flush_seconds, self._flush_due)

    def _note_drops(self) -> None:
        dropped, self._dropped_streams = self._dropped_streams, set()
        for stream in dropped:
            size, stream.dropped_bytes = stream.dropped_bytes, 0
            stream.add(Note(self._clock.now(), f"midge: {size} bytes of output were dropped here\n"))
            self._log.warning("function output dropped", group=stream.group.name, stream=stream.name, bytes=size)

    def _write(self, batch: list[tuple[LogStream, list[Record | Plain]]], sync: bool) -> list[Appended]:
        """In the thread. What was appended before is synced first, so that no file is synced while it is hot.

        A stream that cannot be written does not keep the others from it; then the first one's OSError is raised.
        """
        if sync:
            self._files.sync()
        appended: list[Appended] = []
        failure: OSError | None = None
        for stream, records in batch:
            stream.measure()
            try:
                for start in range(0, len(records), _PIECE):
                    self._write_piece(stream, records[start : start + _PIECE], appended)
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return appended

    def _write_piece(self, stream: LogStream, records: list[Record | Plain], appended: list[Appended]) -> None:
        events: list[bytes] = []
        times = BlockTimes()
        stream.renderer.render_all(records, events, times)
        if events:
            appended += self._append(stream.group, stream.name, b"".join(events), times)

    def _append(self, group: LogGroupId, stream: str, lines: bytes, times: BlockTimes) -> list[Appended]:
        settings, address = self._files.append(group, stream, lines, times, int(self._clock.now() * 1000))
        return [Appended(group, settings, stream, address, lines)] if settings.subscriptions else []

    async def append(self, group: LogGroupId, stream: str, lines: bytes, times: BlockTimes) -> None:
        """Add events that did not come from a function; they are on disk when this returns. Raises OSError."""

        def work(files: LogFiles) -> list[Appended]:
            appended = self._append(group, stream, lines, times)
            files.sync()
            return appended

        if appended := await self.perform(work):
            self.on_appended(appended)

    async def perform(self, work: Callable[[LogFiles], Result]) -> Result:
        """Run ``work`` on the files, in the thread that they belong to, behind what has been handed to it so far."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._files)

    async def flush(self) -> None:
        """Return when everything handed over so far can be read back. Raises OSError."""
        last = self._begun + (1 if self._dirty or self._dropped_streams else 0)
        while self._ended < last:
            if self._writing is None:
                self._start_writing()
            writing = self._writing
            assert writing is not None
            # Not "await writing": if it is done already that does not yield, and _written never gets its turn.
            await asyncio.wait([writing])
            writing.result()

    async def close(self) -> None:
        """Write and sync what is left, and stop the thread. Raises OSError."""
        try:
            await self.flush()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await asyncio.get_running_loop().run_in_executor(self._executor, self._files.close)
            self._executor.shutdown()


def _ignore(appended: list[Appended]) -> None:
    del appended
