"""PutMetricData: what functions and others have measured themselves.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from midge.metric_store.files import DAY_SECONDS
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.model.metrics import Series, Statistics, minute_of
from midge.services.cloudwatch.context import (
    Call,
    CloudWatchServices,
    conflicting,
    dimensions_of,
    invalid,
    missing,
    unsupported,
)

_MOST = 2.0**360
_OLDEST_SECONDS = 14 * DAY_SECONDS
_NEWEST_SECONDS = 2 * 3_600
_log = structlog.get_logger("midge.cloudwatch")


async def put_metric_data(services: CloudWatchServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Add values to metrics; they are on disk when this is answered, and all of them or none."""
    namespace: str = values["Namespace"]
    if namespace.startswith("AWS/"):
        raise invalid("The value AWS/ for parameter Namespace is invalid: it is reserved.")
    given = _given(services, values)
    minutes: dict[tuple[Series, int], Statistics] = {}
    now = services.clock.now()
    for where, datum in given:
        series = Series(
            account=call.account,
            region=call.region,
            namespace=namespace,
            name=datum["MetricName"],
            dimensions=dimensions_of(datum.get("Dimensions", ()), f"{where}.Dimensions"),
            unit=datum.get("Unit", "None"),
        )
        minute = minute_of(_moment(datum, where, now))
        _check_resolution(services, datum, where)
        minutes.setdefault((series, minute), Statistics()).merge(_measured(datum, where, services.limits))
    if minutes and await services.metrics.put(minutes):
        most = services.limits.metric_series
        raise ServiceError("LimitExceededException", f"There are {most} metrics already, and midge keeps no more.")
    return {}


def _given(services: CloudWatchServices, values: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each metric with the name of its place in the request."""
    given = [(f"MetricData.member.{number}", datum) for number, datum in enumerate(values.get("MetricData", ()), 1)]
    if values.get("EntityMetricData"):
        if services.strict:
            raise unsupported("the parameter EntityMetricData")
        _log.warning("kept without effect", parameter="EntityMetricData.Entity")
    for number, entity in enumerate(values.get("EntityMetricData", ()), 1):
        place = f"EntityMetricData.member.{number}.MetricData.member"
        given += [(f"{place}.{position}", datum) for position, datum in enumerate(entity.get("MetricData", ()), 1)]
    if not given:
        raise missing("The parameter MetricData is required.")
    if len(given) > services.limits.metric_data:
        raise invalid(f"The collection MetricData must not have a size greater than {services.limits.metric_data}.")
    return given


def _moment(datum: Mapping[str, Any], where: str, now: float) -> float:
    stamp: datetime | None = datum.get("Timestamp")
    if stamp is None:
        return now
    moment = stamp.timestamp()
    if moment < now - _OLDEST_SECONDS:
        raise invalid(f"The parameter {where}.Timestamp must not be more than two weeks in the past.")
    if moment > now + _NEWEST_SECONDS:
        raise invalid(f"The parameter {where}.Timestamp must not be more than two hours in the future.")
    return moment


def _check_resolution(services: CloudWatchServices, datum: Mapping[str, Any], where: str) -> None:
    resolution = datum.get("StorageResolution", 60)
    if resolution not in (1, 60):
        raise invalid(f"The parameter {where}.StorageResolution must be 1 or 60.")
    if resolution == 1:
        if services.strict:
            raise unsupported("metrics of less than a minute (StorageResolution 1)")
        _log.warning("kept by the minute", parameter="StorageResolution", value=1)


def _measured(datum: Mapping[str, Any], where: str, limits: Limits) -> Statistics:
    """The values of one metric in the request."""
    present = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
    if not present:
        raise missing(
            f"At least one of the parameters {where}.Value, {where}.Values and {where}.StatisticValues is required."
        )
    if len(present) > 1:
        raise conflicting(
            f"The parameters {where}.{present[0]} and {where}.{present[1]} are mutually exclusive and you have"
            " specified both."
        )
    if present == ["StatisticValues"]:
        return _summary(datum["StatisticValues"], where)
    measured: list[float] = datum["Values"] if present == ["Values"] else [datum["Value"]]
    counts: list[float] = datum.get("Counts") or [1.0] * len(measured)
    if not measured:
        raise missing(f"The parameter {where}.Values is required.")
    if len(measured) > limits.metric_values:
        raise invalid(f"The collection {where}.Values must not have a size greater than {limits.metric_values}.")
    if len(counts) != len(measured):
        raise conflicting(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    statistics = Statistics()
    for value, count in zip(measured, counts, strict=True):
        if not _number(count, f"{where}.Counts") > 0:
            raise invalid(f"The parameter {where}.Counts must be greater than 0.")
        statistics.add(_number(value, f"{where}.{present[0]}"), count)
    return statistics


def _summary(given: Mapping[str, float], where: str) -> Statistics:
    """A set of statistics. How its values are spread nobody knows, unless they are all the same."""
    names = ("SampleCount", "Sum", "Minimum", "Maximum")
    count, total, minimum, maximum = (_number(given[name], f"{where}.StatisticValues.{name}") for name in names)
    if count <= 0:
        raise invalid(f"The parameter {where}.StatisticValues.SampleCount must be greater than 0.")
    if minimum > maximum:
        raise invalid(f"The parameter {where}.StatisticValues.Maximum must not be less than Minimum.")
    if minimum == maximum:
        statistics = Statistics()
        statistics.add(minimum, count)
        statistics.total = total
        return statistics
    return Statistics(count, total, minimum, maximum, None)


def _number(value: float, name: str) -> float:
    if not -_MOST <= value <= _MOST:  # neither is what is no number
        raise invalid(f"The value {value} for parameter {name} is invalid.")
    return value
