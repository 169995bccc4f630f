"""GetMetricStatistics: one metric, by periods that are counted from the start of the range.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

from midge.model.metrics import Series, Statistics
from midge.services.cloudwatch.context import (
    Call,
    CloudWatchServices,
    check_period,
    conflicting,
    dimensions_of,
    missing,
    range_of,
)
from midge.services.cloudwatch.statistics import Read, joined, statistic
from midge.wire.timestamps import from_epoch


async def get_metric_statistics(services: CloudWatchServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Data points by unit and time."""
    start, end = range_of(values)
    period: int = values["Period"]
    check_period(period, "Period")
    standard: Sequence[str] = values.get("Statistics", ())
    extended: Sequence[str] = values.get("ExtendedStatistics", ())
    if not standard and not extended:
        raise missing("At least one of the parameters Statistics and ExtendedStatistics must be specified.")
    readers = {name: statistic(name) for name in (*standard, *extended)}
    first = services.rounded_start(start)
    count = -int((first - end) // period)
    if count > services.limits.metric_statistics_points:
        raise conflicting(
            f"You have requested up to {count:,} datapoints, which exceeds the limit of"
            f" {services.limits.metric_statistics_points:,}. You may reduce the datapoints requested by increasing"
            " Period, or decreasing the time range."
        )
    series = Series(
        account=call.account,
        region=call.region,
        namespace=values["Namespace"],
        name=values["MetricName"],
        dimensions=dimensions_of(values.get("Dimensions", ()), "Dimensions"),
        unit=values.get("Unit", ""),
    )
    (units,) = await services.points([series], first, end)
    points = [
        _datapoint(place, unit, period_values, readers, set(extended))
        for unit, found in units.items()
        for place, period_values in joined(found, first, period).items()
    ]
    return {"Label": values["MetricName"], "Datapoints": points}


def _datapoint(
    place: int, unit: str, values: Statistics, readers: Mapping[str, Read], extended: set[str]
) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": from_epoch(place)}
    spread: dict[str, float] = {}
    for name, read in readers.items():
        value = read(values)
        if name in extended:
            if value is not None:
                spread[name] = value
        else:
            point[name] = value
    point["Unit"] = unit
    if spread:
        point["ExtendedStatistics"] = spread
    return point
