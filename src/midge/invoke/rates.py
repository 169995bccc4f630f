"""A rate as a bucket of tokens that refills continuously. Pure arithmetic: whoever asks says what time it is.

AWS describes its scaling rate so: what is not used does not add up beyond one period's worth.
Source: https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
"""

import math

_ONE = 1.0 - 1e-9
"""Adding up fractions of seconds may come out this much short."""


class TokenBucket:
    """Holds ``capacity`` tokens at most, full at first, and gains as many in ``period_seconds``; 0 sets no limit."""

    __slots__ = ("_at", "_level", "_most", "_per_second")

    def __init__(self, capacity: int, period_seconds: float) -> None:
        limited = capacity > 0 and period_seconds > 0
        self._most = self._level = float(capacity) if limited else math.inf
        self._per_second = capacity / period_seconds if limited else 0.0
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take one at ``now``, in monotonic seconds; False if there is none."""
        level = self._level
        if now > self._at:
            level += (now - self._at) * self._per_second
            if level > self._most:  # noqa: PLR1730 - min() takes as long as all the rest, for every invocation
                level = self._most
            self._at = now
        if level < _ONE:
            self._level = level
            return False
        self._level = level - 1.0
        return True

    def give_back(self) -> None:
        """What was just taken was not used."""
        self._level += 1.0

    def has_one(self, now: float) -> bool:
        """Whether one could be taken."""
        if not self.take(now):
            return False
        self._level += 1.0
        return True

    def spend(self, now: float) -> None:
        """Take one, also where none is left: then as much less is there later."""
        if not self.take(now):
            self._level -= 1.0

    def wait_seconds(self, now: float) -> float:
        """How long until there is one."""
        return 0.0 if self.has_one(now) else (1.0 - self._level) / self._per_second
