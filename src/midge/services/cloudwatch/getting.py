"""GetMetricData: many metrics and expressions over them, in pages.

Periods are counted from the start of the range, as GetMetricStatistics counts them.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from midge.metric_store.files import Point
from midge.model.errors import ServiceError
from midge.model.metrics import Series
from midge.services.cloudwatch.context import (
    Call,
    CloudWatchServices,
    check_period,
    decode_token,
    dimensions_of,
    encode_token,
    not_valid,
    range_of,
    unsupported,
)
from midge.services.cloudwatch.evaluating import Scope, TimeSeries, Value, evaluate
from midge.services.cloudwatch.expressions import ExpressionError, Node, names, parse
from midge.services.cloudwatch.statistics import joined, statistic
from midge.wire.timestamps import from_epoch

_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
_INSIGHTS = re.compile(r"\s*SELECT\s", re.IGNORECASE)
Query = Mapping[str, Any]


async def get_metric_data(services: CloudWatchServices, values: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """The data points of the queries whose data is to be returned."""
    start, end = range_of(values)
    if values.get("LabelOptions"):
        raise unsupported("the parameter LabelOptions")
    queries: Sequence[Query] = values["MetricDataQueries"]
    expressions = _checked(services, queries, call)
    first = services.rounded_start(start)
    found = await _metrics(services, queries, call, first, end)
    metrics = tuple(found)
    for identifier in _in_order(expressions):
        scope = Scope(
            values=found, metrics=metrics, start=first, end=end, most_points=services.limits.metric_data_points
        )
        try:
            found[identifier] = evaluate(expressions[identifier], scope)
        except ExpressionError as error:
            raise _bad_expression(identifier, error) from None
    results = [result for query in queries if query.get("ReturnData", True) for result in _results(query, found)]
    return _page(services, values, results)


def _checked(services: CloudWatchServices, queries: Sequence[Query], call: Call) -> dict[str, Node]:
    """The expressions among the queries. Raises ServiceError for what is not acceptable."""
    if not queries:
        raise not_valid("The parameter MetricDataQueries must not be empty.")
    if len(queries) > services.limits.metric_queries:
        raise not_valid(
            f"The collection MetricDataQueries must not have a size greater than {services.limits.metric_queries}."
        )
    expressions: dict[str, Node] = {}
    seen: set[str] = set()
    periods = {query["MetricStat"]["Period"] for query in queries if query.get("MetricStat")}
    for query in queries:
        identifier: str = query["Id"]
        if not _ID.fullmatch(identifier):
            raise not_valid(
                f"The value {identifier} for parameter Id is invalid: it must begin with a lower case letter, and have"
                " letters, numbers and underscores only."
            )
        if identifier in seen:
            raise not_valid("The values for parameter id in MetricDataQueries are not unique.")
        seen.add(identifier)
        if query.get("AccountId", call.account) != call.account:
            raise unsupported("metrics of other accounts (AccountId)")
        if "${" in query.get("Label", ""):
            raise unsupported("dynamic labels (${...})")
        if (query.get("MetricStat") is None) is (query.get("Expression") is None):
            raise not_valid(f"Either MetricStat or Expression must be given for the query {identifier}, and not both.")
        if query.get("Expression") is not None:
            if query.get("Period") is not None and query["Period"] not in periods:
                raise unsupported("a Period of an expression that none of its metrics has")
            expressions[identifier] = _parsed(identifier, query["Expression"])
    return expressions


def _parsed(identifier: str, text: str) -> Node:
    if _INSIGHTS.match(text):
        raise _bad_expression(identifier, ExpressionError("midge does not support Metrics Insights (SELECT)"))
    try:
        return parse(text)
    except ExpressionError as error:
        raise _bad_expression(identifier, error) from None


def _bad_expression(identifier: str, error: ExpressionError) -> ServiceError:
    return not_valid(f"Error in expression '{identifier}': {error}")


async def _metrics(
    services: CloudWatchServices, queries: Sequence[Query], call: Call, start: int, end: float
) -> dict[str, Value]:
    """The series of the queries that are metrics, by their ids."""
    wanted = [query for query in queries if query.get("MetricStat") is not None]
    reads = [statistic(query["MetricStat"]["Stat"]) for query in wanted]
    series = [_series(query, call) for query in wanted]
    stored = await services.points(series, start, end) if series else []
    found: dict[str, Value] = {}
    for query, read, units in zip(wanted, reads, stored, strict=True):
        period: int = query["MetricStat"]["Period"]
        points: list[Point] = [point for of_unit in units.values() for point in of_unit]
        periods = joined(points, start, period)
        read_values = ((at, read(period_values)) for at, period_values in periods.items())
        numbers = {at: value for at, value in read_values if value is not None}
        found[query["Id"]] = TimeSeries(numbers, period, query["MetricStat"]["Metric"].get("MetricName", ""))
    return found


def _series(query: Query, call: Call) -> Series:
    stat: Mapping[str, Any] = query["MetricStat"]
    metric: Mapping[str, Any] = stat["Metric"]
    check_period(stat["Period"], f"MetricStat.Period of the query {query['Id']}")
    for name in ("Namespace", "MetricName"):
        if name not in metric:
            raise not_valid(f"The parameter MetricStat.Metric.{name} of the query {query['Id']} is required.")
    return Series(
        account=call.account,
        region=call.region,
        namespace=metric["Namespace"],
        name=metric["MetricName"],
        dimensions=dimensions_of(metric.get("Dimensions", ()), "MetricStat.Metric.Dimensions"),
        unit=stat.get("Unit", ""),
    )


def _in_order(expressions: Mapping[str, Node]) -> list[str]:
    """The expressions, each behind those that it names. Raises ServiceError for a circle."""
    ordered: list[str] = []
    left = {identifier: names(node) & expressions.keys() for identifier, node in expressions.items()}
    while left:
        ready = [identifier for identifier, needed in left.items() if not needed & left.keys()]
        if not ready:
            raise not_valid(f"Error in expression '{next(iter(left))}': Circular reference")
        ordered += ready
        for identifier in ready:
            del left[identifier]
    return ordered


def _results(query: Query, found: Mapping[str, Value]) -> list[tuple[str, str, TimeSeries]]:
    """Id, label and series of each result of a query."""
    identifier: str = query["Id"]
    value = found[identifier]
    if isinstance(value, int | float):
        raise _bad_expression(identifier, ExpressionError("The result must be a time series or an array of them"))
    if isinstance(value, list):
        return [(identifier, query.get("Label") or one.name or identifier, one) for one in value]
    usual = value.name if query.get("MetricStat") is not None else identifier
    return [(identifier, query.get("Label") or usual, value)]


def _page(
    services: CloudWatchServices, values: Mapping[str, Any], results: list[tuple[str, str, TimeSeries]]
) -> dict[str, Any]:
    """As many data points as one answer may have, from where the token says."""
    descending = values.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    left = min(values.get("MaxDatapoints") or services.limits.metric_data_points, services.limits.metric_data_points)
    if left < 0:
        raise not_valid("The parameter MaxDatapoints must be greater than 0.")
    number, offset = _place(values.get("NextToken"))
    if number > len(results):
        raise ServiceError("InvalidNextToken", "The value for parameter NextToken is invalid.")
    told: list[dict[str, Any]] = []
    token: str | None = None
    for position, (identifier, label, series) in enumerate(results[number:], number):
        if not left:
            token = encode_token(position, 0)
            break
        skipped = offset if position == number else 0
        places = sorted(series.points, reverse=descending)
        chosen = places[skipped : skipped + left]
        left -= len(chosen)
        whole = skipped + len(chosen) == len(places)
        told.append(
            {
                "Id": identifier,
                "Label": label,
                "Timestamps": [from_epoch(at) for at in chosen],
                "Values": [series.points[at] for at in chosen],
                "StatusCode": "Complete" if whole else "PartialData",
            }
        )
        if not whole:
            token = encode_token(position, skipped + len(chosen))
            break
    answer: dict[str, Any] = {"MetricDataResults": told, "Messages": []}
    if token is not None:
        answer["NextToken"] = token
    return answer


def _place(token: str | None) -> tuple[int, int]:
    if token is None:
        return 0, 0
    parts = decode_token(token, int, int)
    if parts is None or min(parts) < 0:
        raise ServiceError("InvalidNextToken", "The value for parameter NextToken is invalid.")
    return parts[0], parts[1]
