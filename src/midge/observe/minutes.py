"""What happens in each minute, as CloudWatch's metrics of Lambda: collected in memory until somebody takes it.

The hot path appends to lists and counts attributes of what is told of as ``touched``. When the minute is over, and
whenever somebody wants to read, that is folded into statistics of series. Nothing is armed while nothing happens.
Knows no disk: ``on_over`` is called when a minute is over that something happened in.
Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from midge.clock import Clock, Timer
from midge.model.functions import LATEST, FunctionId
from midge.model.metrics import MINUTE_SECONDS, NAMESPACE, Dimensions, Series, Statistics, minute_of
from midge.model.usage import Metered, Usage, hour_of

Minutes = Mapping[tuple[Series, int], Statistics]
"""What was seen, by series and minute."""


class Figures(Protocol):
    """Something that is counted on the hot path."""

    def fold(self, minutes: "MinuteRecorder", minute: int) -> bool:
        """Hand over what has been counted, and begin anew. True if there will be something in the next minute as well,
        whether anybody calls or not.
        """
        ...


class MinuteRecorder:
    """See the module. For the event loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._touched: list[Figures] = []
        self._minutes: dict[tuple[Series, int], Statistics] = {}
        self.minute = 0
        """The one that is being collected."""
        self._usage: dict[Metered, Usage] = {}
        self._timer: Timer | None = None
        self._closed = False
        self.on_over: Callable[[], None] | None = None

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock.now()

    def touched(self, figures: Figures) -> None:
        """They were empty and are about not to be."""
        self._touched.append(figures)
        if self._timer is None:
            self._arm()

    def add(self, series: Iterable[Series], value: float, times: float = 1.0) -> None:
        """Count a value in each of some series, now."""
        if self._timer is None:
            self._arm()
        for one in series:
            self._statistics(one, self.minute).add(value, times)

    def merge(self, series: Iterable[Series], minute: int, values: Statistics) -> None:
        """Count many values in each of some series."""
        for one in series:
            self._statistics(one, minute).merge(values)

    def take(self) -> Minutes:
        """Everything that has been counted and not been taken before."""
        self._fold()
        taken, self._minutes = self._minutes, {}
        return taken

    def use(self, metered: Metered, minute: int, amounts: Usage) -> None:
        """Count what is billed, in the hour of a minute."""
        placed = replace(metered, hour=hour_of(minute))
        known = self._usage.get(placed)
        if known is None:
            self._usage[placed] = amounts
        else:
            known.add(amounts)

    def take_usage(self) -> dict[Metered, Usage]:
        """Everything that is billed, of what ``take`` has given and of all before it."""
        taken, self._usage = self._usage, {}
        return taken

    def close(self) -> None:
        """Call ``on_over`` no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _statistics(self, series: Series, minute: int) -> Statistics:
        key = (series, minute)
        found = self._minutes.get(key)
        if found is None:
            found = self._minutes[key] = Statistics()
        return found

    def _arm(self) -> None:
        if self._closed:
            return
        now = self._clock.now()
        self.minute = minute_of(now)
        self._timer = self._clock.call_later(self.minute + MINUTE_SECONDS - now, self._over)

    def _fold(self) -> None:
        touched, self._touched = self._touched, []
        for figures in touched:
            if figures.fold(self, self.minute):
                self._touched.append(figures)

    def _over(self) -> None:
        self._timer = None
        self._fold()
        if self._touched:
            self._arm()
        if self.on_over is not None:
            self.on_over()


def series_of(
    function: FunctionId, resource: str | None, name: str, unit: str, executed_version: str | None = None
) -> list[Series]:
    """Where a figure of a function counts: in all functions', the function's and, with a ``resource``, in that one's."""
    own: Dimensions = (("FunctionName", function.name),)
    dimensions: list[Dimensions] = [(), own]
    if resource is not None:
        dimensions.append((*own, ("Resource", resource)))
        if executed_version is not None:
            dimensions.append((("ExecutedVersion", executed_version), *own, ("Resource", resource)))
    return [lambda_series(function, name, unit, one) for one in dimensions]


def lambda_series(function: FunctionId, name: str, unit: str, dimensions: Dimensions) -> Series:
    """A series of Lambda's own, in the function's account and region."""
    return Series(
        account=function.account,
        region=function.region,
        namespace=NAMESPACE,
        name=name,
        dimensions=dimensions,
        unit=unit,
    )


def resource_of(function: FunctionId, qualifier: str | None) -> str:
    """The value of the dimension Resource: the function's name, with the qualifier that it was called by."""
    return function.name if qualifier in (None, LATEST) else f"{function.name}:{qualifier}"
