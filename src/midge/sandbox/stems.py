"""A few environments per runtime, half started and waiting for a function.

Whoever needs one gets the first that is ready; while somebody waits, preparing for those who wait goes before
refilling, and refilling starts only after a pause and goes one by one, so that it does not take the processor from the
cold starts that caused it. How many are kept follows what was last asked for at once, for a while: who has seen one burst is ready for
the next. Knows nothing of how an environment is prepared.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from midge.clock import Clock, Timer

T = TypeVar("T")
_log = structlog.get_logger(__name__)

_NEXT_PAUSE_SECONDS = 0.005
"""Between one preparation that nobody waits for and the next."""
_RETRY_SECONDS = 1.0
_BURST_SECONDS = 1.0
_REMEMBER_SECONDS = 60.0


class StemPool(Generic[T]):
    """Prepares values of ``T`` ahead of demand: at least ``least`` of them when nobody waits, and at most ``most``.

    Refilling starts when none has been taken for ``pause_seconds``.
    """

    def __init__(
        self,
        prepare: Callable[[], Awaitable[T]],
        discard: Callable[[T], None],
        clock: Clock,
        *,
        least: int,
        most: int,
        pause_seconds: float,
    ) -> None:
        self._prepare = prepare
        self._discard = discard
        self._least = least
        self._most = most
        self._pause_seconds = pause_seconds
        self._quiet_until = clock.monotonic()
        self._target = least
        self._taken = 0
        self._burst_started = clock.monotonic()
        self._clock = clock
        self._ready: deque[T] = deque()
        self._waiting: deque[asyncio.Future[T]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        """Preparations that will yet deliver: a task goes from the set only a moment after it has."""
        self._refill_timer: Timer | None = None
        self._forget_timer: Timer | None = None
        self._closed = False

    @property
    def ready(self) -> int:
        return len(self._ready)

    async def take(self) -> T:
        """The first that is or becomes ready. Raises what preparing raised, if it failed. Safe to cancel.

        Raises ConnectionError after ``close``.
        """
        if self._closed:
            raise ConnectionError("no more environments are prepared")
        self._count_demand()
        self._be_quiet()
        if self._ready:
            self._refill_later()
            return self._ready.popleft()
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._under_way < len(self._waiting):
            self._begin()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._deliver(waiter.result())
            raise

    def _be_quiet(self) -> None:
        """What has just been taken is starting now, and has the processor first."""
        self._quiet_until = self._clock.monotonic() + self._pause_seconds

    def _count_demand(self) -> None:
        """Keep as many ready as were last taken within a second; forget a burst when none has followed for a while."""
        now = self._clock.monotonic()
        since = now - self._burst_started
        if since > _BURST_SECONDS:
            self._burst_started = now
            self._taken = 0
        self._taken += 1
        if self._taken > self._target:
            self._target = min(self._taken, self._most)
            self._forget_later()

    def _forget_later(self) -> None:
        if self._forget_timer is not None:
            self._forget_timer.cancel()
        self._forget_timer = self._clock.call_later(_REMEMBER_SECONDS, self._forget_burst)

    def _forget_burst(self) -> None:
        self._forget_timer = None
        self._target = self._least
        while len(self._ready) > self._target:
            self._discard(self._ready.pop())

    def fill(self) -> None:
        """Begin to prepare up to the target, one after the other."""
        if not self._closed and not self._under_way and len(self._ready) < self._target:
            self._begin()

    def _begin(self) -> None:
        self._under_way += 1
        task = asyncio.get_running_loop().create_task(self._prepare_one())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare_one(self) -> None:
        try:
            try:
                stem = await self._prepare()
            finally:
                self._under_way -= 1
        except Exception as error:  # noqa: BLE001 (told to whoever waits; otherwise logged and tried again later)
            self._fail(error)
            return
        self._deliver(stem)
        self._refill_later()

    def _fail(self, error: Exception) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                return
        _log.error("an environment could not be prepared", error=str(error))
        self._refill_later(_RETRY_SECONDS)

    def _deliver(self, stem: T) -> None:
        if self._closed:
            self._discard(stem)
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._be_quiet()
                waiter.set_result(stem)
                return
        self._ready.append(stem)

    def _refill_later(self, delay_seconds: float = _NEXT_PAUSE_SECONDS) -> None:
        if self._refill_timer is not None:
            self._refill_timer.cancel()
        delay_seconds = max(delay_seconds, self._quiet_until - self._clock.monotonic())
        self._refill_timer = None if self._closed else self._clock.call_later(delay_seconds, self.fill)

    async def close(self) -> None:
        """Discard what is ready and stop preparing."""
        self._closed = True
        for timer in (self._refill_timer, self._forget_timer):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiter in self._waiting:
            waiter.cancel()
        while self._ready:
            self._discard(self._ready.popleft())
