"""Statistics by their names in CloudWatch, and points put together to longer periods. Pure.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

import re
from collections.abc import Callable, Iterable

from midge.metric_store.files import Point
from midge.model.metrics import Statistics, place_in
from midge.services.cloudwatch.context import invalid, unsupported

Read = Callable[[Statistics], float | None]
"""What a statistic is of some values; None if it cannot be known."""

_STANDARD: dict[str, Read] = {
    "SampleCount": lambda values: values.count,
    "Average": lambda values: values.average,
    "Sum": lambda values: values.total,
    "Minimum": lambda values: values.minimum,
    "Maximum": lambda values: values.maximum,
}
_PERCENTILE = re.compile(r"[pP](100|\d{1,2}(?:\.\d{1,10})?)")
_TRIMMED = re.compile(r"(?:(?:tm|tc|ts|wm)\d|(?:TM|TC|TS|WM|PR)\(|iqm|IQM)")


def statistic(name: str) -> Read:
    """The statistic of this name. Raises InvalidParameterValueException."""
    standard = _STANDARD.get(name)
    if standard is not None:
        return standard
    percentile = _PERCENTILE.fullmatch(name)
    if percentile is not None:
        percent = float(percentile[1])
        return lambda values: values.percentile(percent)
    if _TRIMMED.match(name):
        raise unsupported(f"the statistic {name}")
    raise invalid(f"The value {name} for parameter Stat is not supported.")


def joined(points: Iterable[Point], start: int, period_seconds: int) -> dict[int, Statistics]:
    """The points by period, counted from ``start``, in order; those that are coarser than that are left out, as by AWS."""
    periods: dict[int, Statistics] = {}
    for point in points:
        if period_seconds % point.period_seconds == 0:
            place = place_in(start, point.start, period_seconds)
            periods.setdefault(place, Statistics()).merge(point.values)
    return dict(sorted(periods.items()))
