"""Metrics as CloudWatch names them: what a series is, and what is kept of the values of one minute. Pure.

Of the values a summary is kept, and how they are spread: buckets that each reach from one value to another 2 % above
it. A percentile of them is within 1 % of the true one.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log

import msgspec

MINUTE_SECONDS = 60
NAMESPACE = "AWS/Lambda"
RELATIVE_ERROR = 0.01
"""Of a percentile, at most."""
_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GROWTH = math.log(_GROWTH)
_ZERO = -1_000_000
"""The bucket of what is zero, or too small to tell from it."""
_SMALLEST = 1e-12

Dimensions = tuple[tuple[str, str], ...]
"""Names and values, in order of the names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What values belong together."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions = ()
    unit: str = "None"


class Statistics:
    """The values of a period. ``buckets`` is None where how they are spread cannot be known."""

    __slots__ = ("buckets", "count", "maximum", "minimum", "total")

    def __init__(
        self,
        count: float = 0.0,
        total: float = 0.0,
        minimum: float = math.inf,
        maximum: float = -math.inf,
        buckets: dict[int, float] | None = None,
    ) -> None:
        self.count = count
        self.total = total
        self.minimum = minimum
        self.maximum = maximum
        self.buckets: dict[int, float] | None = {} if buckets is None and not count else buckets

    @property
    def average(self) -> float:
        return self.total / self.count

    def add(self, value: float, times: float = 1.0) -> None:
        """Count a value, as often as it was seen."""
        self.count += times
        self.total += value * times
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)
        if self.buckets is not None:
            if value < 0:
                self.buckets = None
            else:
                place = bucket_of(value)
                self.buckets[place] = self.buckets.get(place, 0.0) + times

    def merge(self, other: "Statistics") -> None:
        """Count all that ``other`` has counted."""
        self.count += other.count
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if self.buckets is None or other.buckets is None:
            self.buckets = None
            return
        for place, times in other.buckets.items():
            self.buckets[place] = self.buckets.get(place, 0.0) + times

    def percentile(self, percent: float) -> float | None:
        """The value below which so many percent of the values are, within ``RELATIVE_ERROR``; None if it is not known."""
        if self.minimum == self.maximum:
            return self.minimum
        if self.buckets is None:
            return None
        wanted = self.count * percent / 100
        seen = 0.0
        for place in sorted(self.buckets):
            seen += self.buckets[place]
            if seen >= wanted and seen > 0:
                return min(max(value_of(place), self.minimum), self.maximum)
        return self.maximum

    def encode_buckets(self) -> bytes | None:
        """The spread as it is stored."""
        if self.buckets is None:
            return None
        if self.minimum == self.maximum:
            return b""
        return msgspec.msgpack.encode([part for pair in sorted(self.buckets.items()) for part in pair])


def stored(count: float, total: float, minimum: float, maximum: float, buckets: bytes | None) -> Statistics:
    """What was stored."""
    if buckets is None:
        spread = None
    elif not buckets:
        spread = {bucket_of(minimum): count}
    else:
        flat = msgspec.msgpack.decode(buckets, type=list[float])
        spread = {int(place): times for place, times in zip(flat[::2], flat[1::2], strict=True)}
    return Statistics(count, total, minimum, maximum, spread)


def bucket_of(value: float) -> int:
    """The number of the bucket that a value, not negative, falls into."""
    return _ZERO if value < _SMALLEST else math.ceil(math.log(value) / _LOG_GROWTH)


def value_of(place: int) -> float:
    """What stands for the values of a bucket."""
    return 0.0 if place == _ZERO else 2 * _GROWTH**place / (_GROWTH + 1)


def summed(parts: Iterable[Statistics]) -> Statistics:
    """All of them together."""
    whole = Statistics()
    for part in parts:
        whole.merge(part)
    return whole


def statistics_of(values: list[float]) -> Statistics:
    """What ``Statistics`` makes of values that are not negative, all at once: it is done for every invocation."""
    if not values:
        return Statistics()
    buckets = Counter([_ZERO if value < _SMALLEST else ceil(log(value) / _LOG_GROWTH) for value in values])
    spread = {place: float(times) for place, times in buckets.items()}
    return Statistics(float(len(values)), sum(values), min(values), max(values), spread)


def counted(ones: int, zeros: int = 0) -> Statistics:
    """How often something happened, and did not: AWS counts what did not happen as well, and the average of Errors is their rate."""
    values = Statistics()
    if ones:
        values.add(1.0, ones)
    if zeros > 0:
        values.add(0.0, zeros)
    return values


def seen(value: float) -> Statistics:
    """One value, seen once."""
    values = Statistics()
    values.add(float(value))
    return values


def minute_of(seconds: float) -> int:
    """The minute, as the second since 1970 that it begins with."""
    return int(seconds // MINUTE_SECONDS) * MINUTE_SECONDS


def place_in(start: int, moment: float, period_seconds: int) -> int:
    """The period, counted from ``start``, that a moment is in, as the second that it begins with."""
    return start + int((moment - start) // period_seconds) * period_seconds
