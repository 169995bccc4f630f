"""Time as a dependency: whatever waits, times out or stamps takes a Clock, so that tests can turn it.

``now`` is wall time, ``monotonic`` is for durations and deadlines. Implementations: ``SystemClock`` on the running
event loop, ``TurnableClock`` that goes like it and can be turned on, ``VirtualClock`` that only moves by ``advance``.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Timer(Protocol):
    """A callback that has been asked for and can be called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Source of time. Seconds everywhere."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def call_later(self, delay_seconds: float, callback: Callable[..., None], *args: Any) -> Timer:
        """Run ``callback`` once, ``delay_seconds`` from now, in the event loop's thread."""
        ...


async def pause(clock: Clock, seconds: float) -> None:
    """Wait for ``seconds`` of ``clock``."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, over.set_result, None)
    try:
        await over
    finally:
        timer.cancel()


class SystemClock:
    """The machine's clock; timers belong to the running event loop."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def call_later(self, delay_seconds: float, callback: Callable[..., None], *args: Any) -> Timer:
        return asyncio.get_running_loop().call_later(delay_seconds, callback, *args)


class _VirtualTimer:
    __slots__ = ("args", "callback")

    def __init__(self, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.callback: Callable[..., None] | None = callback
        self.args = args

    def cancel(self) -> None:
        self.callback = None

    def run(self) -> None:
        """Call back, unless it was called off."""
        callback, self.callback = self.callback, None
        if callback is not None:
            callback(*self.args)


class TurnableClock:
    """The machine's clock, running ahead of it by what it has been turned.

    Turning it does not leap: what falls due on the way happens at its own time, and has happened before time goes on.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _VirtualTimer]] = []
        self._alarm: asyncio.TimerHandle | None = None

    def now(self) -> float:
        return time.time() + self._ahead

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def call_later(self, delay_seconds: float, callback: Callable[..., None], *args: Any) -> Timer:
        timer = _VirtualTimer(callback, args)
        heapq.heappush(self._timers, (self.monotonic() + max(delay_seconds, 0.0), next(self._order), timer))
        self._set_alarm()
        return timer

    async def advance(self, seconds: float, settled: Callable[[], Awaitable[None]]) -> None:
        """Turn it on by ``seconds``, from one thing that falls due to the next; ``settled`` waits for what follows."""
        left = seconds
        while True:
            await settled()
            due = self._next_due()
            step = left if due is None else min(left, max(0.0, due - self.monotonic()))
            self._ahead += step
            left -= step
            self._fire()
            if left <= 0:
                await settled()
                return

    def _next_due(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _fire(self) -> None:
        while (due := self._next_due()) is not None and due <= self.monotonic():
            heapq.heappop(self._timers)[2].run()
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due = self._next_due()
        if due is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, due - self.monotonic()), self._fire)


class VirtualClock:
    """Time that stands still until ``advance`` moves it; due timers run in order, each at its own time."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _VirtualTimer]] = []

    def now(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def call_later(self, delay_seconds: float, callback: Callable[..., None], *args: Any) -> Timer:
        timer = _VirtualTimer(callback, args)
        heapq.heappush(self._timers, (self._elapsed + max(delay_seconds, 0.0), next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds``, running what falls due on the way."""
        end = self._elapsed + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self._elapsed = max(self._elapsed, due)
            timer.run()
        self._elapsed = end

    def due_in(self) -> float | None:
        """Seconds until the next callback; None if nobody has asked for one."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self._elapsed) if self._timers else None
