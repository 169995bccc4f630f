"""The events of one function: which are in memory, which are on disk, how many are invoked at once.

Every function has a lane of its own, so that one that is flooded, throttled or slow holds up nobody else's events. Few
of its events are in memory; the others wait in the queue. Knows nothing of what an attempt is: it begins them, and is
told how each ended.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from midge.clock import Clock, Timer
from midge.events.retry import delay_seconds
from midge.model.functions import FunctionId
from midge.model.limits import Limits
from midge.queue.port import AsyncEvent, EventQueue
from midge.store.errors import StoreError

_log = structlog.get_logger("midge.events")

_GROWTH_SECONDS = 0.1
_SLOW_SHARE = 0.5
"""Of the places of a lane: where fewer attempts than these end in a tenth of a second, more places would help."""


class Lane:
    """See the module. ``attempt`` begins one attempt and later calls ``ended`` or ``throttled``."""

    def __init__(
        self,
        function: FunctionId,
        queue: EventQueue,
        clock: Clock,
        limits: Limits,
        start: Callable[[Coroutine[Any, Any, None]], object],
        attempt: Callable[["Lane", AsyncEvent], None],
        is_expired: Callable[[AsyncEvent], bool],
    ) -> None:
        self.function = function
        self._queue = queue
        self._clock = clock
        self._limits = limits
        self._start = start
        self._attempt = attempt
        self._is_expired = is_expired
        self._ready: deque[AsyncEvent] = deque()
        self._on_disk = False
        """There may be events in the queue that are due."""
        self._taking = False
        self._wake: Timer | None = None
        self._wake_seconds = 0.0
        self.coming = 0
        """Events that are being written and will be added."""
        self.in_flight = 0
        self._places = self._step = limits.async_concurrency_at_first
        self._growth: Timer | None = None
        self._ended_lately = 0
        self._delays = 0
        """In a row, for want of concurrency; what has been begun ends the wait as well as time does."""
        self._held_up: Timer | None = None

    @property
    def has_room(self) -> bool:
        """Whether a new event may go to memory at once; else it has its turn on disk."""
        return not self._on_disk and len(self._ready) + self.coming < self._limits.async_events_in_memory

    @property
    def working(self) -> int:
        """What goes on at this moment: attempts, events that are being written, a look at the disk."""
        return self.in_flight + self.coming + self._taking

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do and nothing to wait for."""
        timers = (self._wake, self._held_up)
        busy = self._ready or self._on_disk or self._taking or self.in_flight or self.coming
        return not busy and all(timer is None for timer in timers)

    def add(self, event: AsyncEvent) -> None:
        """An event that this server holds."""
        self._ready.append(event)
        self.pump()

    def more_on_disk(self) -> None:
        """An event that is due, and that nobody holds, has been put into the queue."""
        self._on_disk = True
        self.pump()

    def wake_at(self, due_seconds: float) -> None:
        """One is in the queue that is due at that wall time."""
        if self._wake is not None:
            if self._wake_seconds <= due_seconds:
                return
            self._wake.cancel()
        self._wake_seconds = due_seconds
        self._wake = self._clock.call_later(max(0.0, due_seconds - self._clock.now()), self._due)

    def _due(self) -> None:
        self._wake = None
        self.more_on_disk()

    def close(self) -> None:
        """Begin nothing more. What it holds is anybody's after the next start."""
        self._ready.clear()
        self._on_disk = False
        for timer in (self._wake, self._growth, self._held_up):
            if timer is not None:
                timer.cancel()

    # attempts

    def pump(self) -> None:
        """Begin what can be begun, and have more brought from disk when memory runs out of it."""
        while self._ready and self._may_begin():
            event = self._ready.popleft()
            self.in_flight += 1
            self._attempt(self, event)
        if self._on_disk and not self._taking and len(self._ready) <= self._limits.async_events_in_memory // 4:
            self._taking = True
            self._start(self._take())
        if self._ready and self._growth is None and self._held_up is None:
            self._growth = self._clock.call_later(_GROWTH_SECONDS, self._grow)

    def _may_begin(self) -> bool:
        if self._held_up is not None:
            return self._is_expired(self._ready[0])  # which takes no place of the function's
        return self.in_flight < self._places

    async def _take(self) -> None:
        limits = self._limits
        try:
            taken = await self._queue.take(
                self.function, self._clock.now(), limits.async_events_in_memory, limits.async_bytes_in_memory
            )
            if not taken:
                self._on_disk = False
                due = await self._queue.next_due(self.function)
                if due is not None:
                    self.wake_at(due)
            self._ready.extend(taken)
        except StoreError as error:
            _log.error("the queue of events cannot be read", function=self.function.arn, error=str(error))
            self._on_disk = False
            self.wake_at(self._clock.now() + limits.async_delay_base_seconds)
        finally:
            self._taking = False
        self.pump()

    def ended(self, *, ran: bool) -> None:
        """An attempt has ended; ``ran``: the function did, so that there was concurrency for it."""
        self.in_flight -= 1
        self._ended_lately += 1
        if ran:
            self._delays = 0
            if self._held_up is not None:
                self._held_up.cancel()
                self._held_up = None
        self.pump()

    def throttled(self, event: AsyncEvent) -> None:
        """``event`` found no place; it keeps its turn. No more than now run are begun until one has ended, or a while."""
        self.in_flight -= 1
        self._ready.appendleft(event)
        self._places = max(1, self.in_flight)
        self._step = 1
        if self._held_up is None:
            pause = delay_seconds(self._delays, self._limits)
            self._delays += 1
            self._held_up = self._clock.call_later(pause, self._try_again)

    def _try_again(self) -> None:
        self._held_up = None
        self.pump()

    def _grow(self) -> None:
        self._growth = None
        slow = self._ended_lately < self._places * _SLOW_SHARE
        self._ended_lately = 0
        if self._ready and slow and self._held_up is None:
            self._places = min(self._limits.async_concurrency, self._places + self._step)
            self._step = min(self._limits.async_concurrency_at_first, self._step * 2)
        elif not self._ready:
            self._places = self._limits.async_concurrency_at_first
        self.pump()
