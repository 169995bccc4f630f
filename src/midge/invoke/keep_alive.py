"""How long an idle execution environment is worth its memory: a rule, learnt or fixed. Pure.

AWS does not document its own. The learnt one is the histogram policy of Shahrad et al., "Serverless in the Wild",
USENIX ATC 2020: how long a function stood idle before its invocations, in bins of a minute; nearly all idle times lie
between the head and the tail of that, so an environment is ended at once, made anew shortly before the head and kept
until after the tail. Where the histogram says nothing, the fixed time holds. (The paper forecasts idle times beyond the
histogram's range by a time series; here the fixed time holds for those as well.)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from midge.model.limits import Limits

_HEAD, _TAIL = 0.05, 0.99
_MARGIN = 0.1
"""By which the environment is there earlier, and longer, than head and tail say."""
_MOST_OUTSIDE = 0.5
"""The share of idle times beyond the range from which on the rest says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """From the end of the last invocation on: for how long no environment is needed, and then for how long one is."""

    pre_warm_seconds: float = 0.0
    keep_alive_seconds: float


class KeepAlive(Protocol):
    """One function version's rule."""

    learns: bool
    """Whether it wants to be told of idle times."""

    def was_idle(self, seconds: float) -> None:
        """An invocation came after nothing had run for so long."""
        ...

    def windows(self) -> Windows:
        """What holds after the last invocation."""
        ...


class FixedTime:
    """Every function's environments are kept for the same time."""

    learns = False

    def __init__(self, seconds: float) -> None:
        self._windows = Windows(keep_alive_seconds=seconds)

    def was_idle(self, seconds: float) -> None:
        """It learns nothing."""

    def windows(self) -> Windows:
        return self._windows


class IdleTimeHistogram:
    """See the module. Recounts only when it is asked after something new."""

    learns = True

    def __init__(self, limits: Limits) -> None:
        self._bin_seconds = limits.keep_alive_bin_seconds
        self._least = limits.keep_alive_least_samples
        self._spread = limits.keep_alive_least_spread
        self._fixed = Windows(keep_alive_seconds=limits.idle_environment_seconds)
        self._counts = [0] * limits.keep_alive_bins
        self._inside = 0
        self._outside = 0
        self._squares = 0
        self._windows: Windows | None = self._fixed

    def was_idle(self, seconds: float) -> None:
        number = int(max(0.0, seconds) // self._bin_seconds)
        self._windows = None
        if number >= len(self._counts):
            self._outside += 1
            return
        count = self._counts[number]
        self._counts[number] = count + 1
        self._squares += 2 * count + 1
        self._inside += 1

    def windows(self) -> Windows:
        if self._windows is None:
            self._windows = self._learnt() if self._says_something() else self._fixed
        return self._windows

    def _says_something(self) -> bool:
        """Enough idle times, most of them in range, and not spread over it evenly: by the bins' coefficient of variation."""
        total = self._inside + self._outside
        if self._inside < self._least or self._outside > _MOST_OUTSIDE * total:
            return False
        mean = self._inside / len(self._counts)
        variance = max(0.0, self._squares / len(self._counts) - mean * mean)
        return math.sqrt(variance) >= self._spread * mean

    def _learnt(self) -> Windows:
        """The head is rounded down to its bin's beginning, the tail up to its bin's end, and both are given a margin."""
        head = self._bin_of(_HEAD) * self._bin_seconds * (1 - _MARGIN)
        tail = (self._bin_of(_TAIL) + 1) * self._bin_seconds * (1 + _MARGIN)
        return Windows(pre_warm_seconds=head, keep_alive_seconds=tail - head)

    def _bin_of(self, share: float) -> int:
        """The bin below whose end so much of all idle times in range lies."""
        wanted, seen = share * self._inside, 0
        for number, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return number
        return len(self._counts) - 1


def keep_alive_rule(name: str, limits: Limits) -> Callable[[], KeepAlive]:
    """Makes the rule of that name, ``fixed`` or ``histogram``, for one function version after another."""
    if name == "histogram":
        return lambda: IdleTimeHistogram(limits)
    return lambda: FixedTime(limits.idle_environment_seconds)


class Usage:
    """When a function version ran, and what follows from it by its rule. All times are monotonic seconds."""

    __slots__ = ("_last_end", "_pre_warmed", "_rule", "learns")

    def __init__(self, rule: KeepAlive) -> None:
        self._rule = rule
        self._last_end: float | None = None
        self._pre_warmed = True
        self.learns = rule.learns

    def begins(self, now: float) -> None:
        """An invocation comes while none is in flight."""
        if self._last_end is not None:
            self._rule.was_idle(now - self._last_end)
        self._last_end = None

    def ended(self, now: float) -> None:
        """An invocation has ended and none is in flight."""
        self._last_end = now
        self._pre_warmed = False

    def unused_since(self, now: float) -> float:
        """An environment last used before this is worth no more."""
        windows = self._rule.windows()
        if self._last_end is None or not windows.pre_warm_seconds:
            return now - windows.pre_warm_seconds - windows.keep_alive_seconds
        idle = now - self._last_end
        wanted = windows.pre_warm_seconds <= idle <= windows.pre_warm_seconds + windows.keep_alive_seconds
        return self._last_end if wanted else math.inf

    def pre_warms(self, now: float) -> bool:
        """Whether an environment is to be there now; said once after each invocation."""
        windows = self._rule.windows()
        if self._pre_warmed or self._last_end is None or not windows.pre_warm_seconds:
            return False
        idle = now - self._last_end
        if not windows.pre_warm_seconds <= idle <= windows.pre_warm_seconds + windows.keep_alive_seconds:
            return False
        self._pre_warmed = True
        return True
