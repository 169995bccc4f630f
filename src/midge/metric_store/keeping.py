"""Makes the minutes of a ``MinuteRecorder`` durable, and keeps the store in order."""

import asyncio

import structlog

from midge.clock import Clock, pause
from midge.metric_store.files import MetricStore
from midge.model.limits import Limits
from midge.model.metrics import Series, Statistics
from midge.model.usage import Metered, Usage
from midge.observe.minutes import MinuteRecorder, Minutes
from midge.store.errors import StoreError
from midge.tasks import TaskOwner

_log = structlog.get_logger("midge.metrics")


class MinuteKeeper:
    """``start`` it; ``close`` writes what has been collected so far. What cannot be written is tried again, up to a limit."""

    def __init__(self, recorder: MinuteRecorder, store: MetricStore, clock: Clock, limits: Limits) -> None:
        self._recorder = recorder
        self._store = store
        self._clock = clock
        self._limits = limits
        self._tasks = TaskOwner(self._failed)
        self._writing = asyncio.Lock()
        self._due = False
        self._pending: dict[tuple[Series, int], Statistics] = {}
        self._usage: dict[Metered, Usage] = {}
        """By the hour and by what there are functions: it needs no limit of its own."""
        self.dropped = 0
        """Minutes of series that were lost, because the disk failed or there was no room for their series."""

    def start(self) -> None:
        """From now on write whenever a minute is over."""
        self._recorder.on_over = self._write_later
        self._tasks.start(self._tidy())

    async def close(self) -> None:
        """Write what there is, and nothing more."""
        self._recorder.close()
        self._recorder.on_over = None
        await self._tasks.close()
        await self._try_to_flush()

    async def flush(self) -> None:
        """Have everything on disk that has been counted so far. Raises StoreError."""
        async with self._writing:
            self._gather(self._recorder.take())
            for metered, amounts in self._recorder.take_usage().items():
                self._usage.setdefault(metered, Usage()).add(amounts)
            pending, self._pending = self._pending, {}
            usage, self._usage = self._usage, {}
            if not pending and not usage:
                return
            try:
                left_out = await self._store.add(pending, usage)
            except BaseException:
                self._pending, self._usage = pending, usage
                raise
        if left_out:
            self._drop(left_out, "there are too many metrics")

    def _gather(self, minutes: Minutes) -> None:
        for key, values in minutes.items():
            known = self._pending.get(key)
            if known is not None:
                known.merge(values)
            elif len(self._pending) < self._limits.metric_pending:
                self._pending[key] = values
            else:
                self._drop(1, "the disk fails")

    def _drop(self, count: int, reason: str) -> None:
        if not self.dropped:
            _log.error("metrics were not kept", reason=reason)
        self.dropped += count

    def _write_later(self) -> None:
        """One attempt waits at most, however many minutes pass on a clock that is turned: it takes all that there is."""
        if not self._due:
            self._due = True
            self._tasks.start(self._write_due())

    async def _write_due(self) -> None:
        async with self._writing:
            self._due = False
        await self._try_to_flush()

    async def _try_to_flush(self) -> None:
        try:
            await self.flush()
        except StoreError as error:
            _log.error("metrics could not be written", reason=str(error))

    async def _tidy(self) -> None:
        while True:
            try:
                await self._store.tidy(self._clock.now())
            except StoreError as error:
                _log.error("old metrics could not be joined or deleted", reason=str(error))
            await pause(self._clock, self._limits.metric_tidy_seconds)

    @staticmethod
    def _failed(error: BaseException) -> None:
        _log.error("background_task_failed", exc_info=error)
