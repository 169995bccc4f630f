"""One environment's deadline: a timer that is not moved with every invocation, only checked when it goes off.

An invocation's deadline is hardly ever before that of the one before; to set a timer anew for each would cost more than
one that goes off too early.
"""

from collections.abc import Callable

from midge.clock import Clock, Timer


class Deadline:
    """Calls ``on_time`` when ``at`` (monotonic seconds) has come, as long as it is armed."""

    __slots__ = ("_clock", "_on_time", "at", "timer")

    def __init__(self, clock: Clock, at: float, on_time: Callable[[], None]) -> None:
        self._clock = clock
        self._on_time = on_time
        self.at = at
        self.timer: Timer | None = None
        """Of the next check; None while it is not armed."""

    def arm(self, now: float) -> None:
        """Check when ``at`` has come."""
        self.disarm()
        self.timer = self._clock.call_later(max(0.0, self.at - now), self._check)

    def disarm(self) -> None:
        """Check no more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _check(self) -> None:
        self.timer = None
        now = self._clock.monotonic()
        if now < self.at:
            self.arm(now)
        else:
            self._on_time()
