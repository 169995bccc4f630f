"""What metric math makes of time series. Pure.

A value is a number, a time series, or an array of them. Where two series meet, the result has the times that both have.
What has no value (a division by zero, a power that is no number) is left out.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from midge.services.cloudwatch.expressions import (
    ExpressionError,
    Function,
    Listing,
    Name,
    Negation,
    Node,
    Number,
    Operation,
    Text,
)


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Values by the second since 1970 that their period begins with, in order."""

    points: Mapping[int, float]
    period_seconds: int
    name: str = ""


Value = float | TimeSeries | list[TimeSeries]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an expression can name: other queries, and the metrics among them; the range that ``FILL`` fills."""

    values: Mapping[str, Value]
    metrics: tuple[str, ...]
    start: int
    end: float
    most_points: int = 100_800
    """Of one series that ``FILL`` makes."""
    functions: "Mapping[str, Callable[[Scope, tuple[Node, ...]], Value]]" = field(default_factory=lambda: FUNCTIONS)


def evaluate(node: Node, scope: Scope) -> Value:
    """The value of an expression. Raises ExpressionError."""
    match node:
        case Number(value):
            return value
        case Text(_):
            raise ExpressionError("A text cannot stand here")
        case Name(value):
            if value not in scope.values:
                raise ExpressionError(f"Undefined variable '{value}'")
            return scope.values[value]
        case Negation(part):
            return _combine(lambda a, b: b - a, evaluate(part, scope), 0.0)
        case Operation(sign, left, right):
            return _combine(_OPERATORS[sign], evaluate(left, scope), evaluate(right, scope))
        case Listing(parts):
            return [one for part in parts for one in _series(evaluate(part, scope))]
        case Function(name, arguments):
            function = scope.functions.get(name)
            if function is None:
                raise ExpressionError(f"midge does not support the function {name}")
            return function(scope, arguments)


def _series(value: Value) -> list[TimeSeries]:
    if isinstance(value, int | float):
        raise ExpressionError("A number cannot stand where a time series is expected")
    return [value] if isinstance(value, TimeSeries) else value


_Two = Callable[[float, float], float]


def _told(holds: Callable[[float, float], bool]) -> _Two:
    return lambda a, b: float(holds(a, b))


_OPERATORS: dict[str, _Two] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b,
    "^": math.pow,
    "==": _told(operator.eq),
    "!=": _told(operator.ne),
    "<": _told(operator.lt),
    "<=": _told(operator.le),
    ">": _told(operator.gt),
    ">=": _told(operator.ge),
    "&&": _told(lambda a, b: a != 0 and b != 0),
    "||": _told(lambda a, b: a != 0 or b != 0),
}


def _try(function: Callable[..., float], *numbers: float) -> float | None:
    try:
        result = function(*numbers)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    return result if math.isfinite(result) else None


def _mapped(series: TimeSeries, function: Callable[[int, float], float | None]) -> TimeSeries:
    found = ((at, function(at, value)) for at, value in series.points.items())
    points = {at: value for at, value in found if value is not None}
    return TimeSeries(points, series.period_seconds, series.name)


def _combine(function: _Two, left: Value, right: Value) -> Value:
    if isinstance(left, list):
        if isinstance(right, list):
            raise ExpressionError("Two arrays of time series cannot be combined")
        return [_combine_series(function, one, right) for one in left]
    if isinstance(right, list):
        return [_combine_series(function, left, one) for one in right]
    if isinstance(left, int | float) and isinstance(right, int | float):
        result = _try(function, left, right)
        if result is None:
            raise ExpressionError("The expression has no value")
        return result
    return _combine_series(function, left, right)


def _combine_series(function: _Two, left: float | TimeSeries, right: float | TimeSeries) -> TimeSeries:
    if isinstance(left, TimeSeries):
        if isinstance(right, TimeSeries):
            other = right.points
            return _mapped(left, lambda at, value: _try(function, value, other[at]) if at in other else None)
        return _mapped(left, lambda _, value: _try(function, value, right))
    if isinstance(right, TimeSeries):
        return _mapped(right, lambda _, value: _try(function, left, value))
    raise ExpressionError("The expression is no time series")


# functions


def _arguments(scope: Scope, name: str, nodes: tuple[Node, ...], count: int) -> list[Value]:
    if len(nodes) != count:
        raise ExpressionError(f"The function {name} takes {count} argument{'' if count == 1 else 's'}")
    return [evaluate(node, scope) for node in nodes]


Fold = Callable[[list[float]], float]


def _folding(name: str, fold: Fold) -> Callable[[Scope, tuple[Node, ...]], Value]:
    """Of a series its one number; of an array a series: at each time that any of them has."""

    def apply(scope: Scope, nodes: tuple[Node, ...]) -> Value:
        (value,) = _arguments(scope, name, nodes, 1)
        if isinstance(value, int | float):
            return value
        if isinstance(value, TimeSeries):
            if not value.points:
                return TimeSeries({}, value.period_seconds)
            return float(fold(list(value.points.values())))
        return _across(fold, value)

    return apply


def _across(fold: Fold, array: list[TimeSeries]) -> TimeSeries:
    gathered: dict[int, list[float]] = {}
    for series in array:
        for at, number in series.points.items():
            gathered.setdefault(at, []).append(number)
    period = min((series.period_seconds for series in array), default=60)
    return TimeSeries({at: float(fold(gathered[at])) for at in sorted(gathered)}, period)


def _each(name: str, function: Callable[[float], float]) -> Callable[[Scope, tuple[Node, ...]], Value]:
    def apply(scope: Scope, nodes: tuple[Node, ...]) -> Value:
        (value,) = _arguments(scope, name, nodes, 1)
        if isinstance(value, int | float):
            return float(function(value))
        if isinstance(value, TimeSeries):
            return _mapped(value, lambda _, number: float(function(number)))
        return [_mapped(one, lambda _, number: float(function(number))) for one in value]

    return apply


def _along(name: str, function: Callable[[TimeSeries], dict[int, float]]) -> Callable[[Scope, tuple[Node, ...]], Value]:
    """Of each series another one."""

    def apply(scope: Scope, nodes: tuple[Node, ...]) -> Value:
        (value,) = _arguments(scope, name, nodes, 1)
        made = [TimeSeries(function(one), one.period_seconds, one.name) for one in _series(value)]
        return made if isinstance(value, list) else made[0]

    return apply


def _differences(series: TimeSeries) -> Iterable[tuple[int, int, float]]:
    places = list(series.points)
    for before, at in pairwise(places):
        yield at, at - before, series.points[at] - series.points[before]


def _running_sum(series: TimeSeries) -> dict[int, float]:
    total, points = 0.0, dict[int, float]()
    for at, value in series.points.items():
        total += value
        points[at] = total
    return points


def _fill(scope: Scope, nodes: tuple[Node, ...]) -> Value:
    if len(nodes) != 2:
        raise ExpressionError("The function FILL takes 2 arguments")
    value = evaluate(nodes[0], scope)
    match nodes[1]:
        case Name("REPEAT" | "LINEAR" as how):
            filler: str | float | TimeSeries = how
        case other:
            found = evaluate(other, scope)
            if isinstance(found, list):
                raise ExpressionError("The function FILL fills with a number, a time series, REPEAT or LINEAR")
            filler = found
    filled = [_filled(scope, one, filler) for one in _series(value)]
    return filled if isinstance(value, list) else filled[0]


def _filled(scope: Scope, series: TimeSeries, filler: str | float | TimeSeries) -> TimeSeries:
    period = series.period_seconds
    places = range(scope.start, math.ceil(scope.end), period)
    if len(places) > scope.most_points:
        raise ExpressionError("There would be too many data points")
    points: dict[int, float] = {}
    known = list(series.points)
    behind = 0
    last: int | None = None
    for at in places:
        while behind < len(known) and known[behind] < at:
            behind += 1
        value = series.points.get(at)
        if value is None:
            following = known[behind] if behind < len(known) else None
            value = _gap(series, filler, at, last, following)
        else:
            last = at
        if value is not None:
            points[at] = value
    return TimeSeries(points, period, series.name)


def _gap(
    series: TimeSeries, filler: str | float | TimeSeries, at: int, last: int | None, following: int | None
) -> float | None:
    """What stands where nothing is known at ``at``."""
    if isinstance(filler, int | float):
        return filler
    if isinstance(filler, TimeSeries):
        return filler.points.get(at)
    if last is None:
        return None
    if filler == "REPEAT":
        return series.points[last]
    if following is None:
        return None
    share = (at - last) / (following - last)
    return series.points[last] + share * (series.points[following] - series.points[last])


def _if(scope: Scope, nodes: tuple[Node, ...]) -> Value:
    condition, yes, no = _arguments(scope, "IF", nodes, 3)
    if isinstance(condition, list) or isinstance(yes, list) or isinstance(no, list):
        raise ExpressionError("The function IF takes no arrays")
    if isinstance(condition, int | float):
        return yes if condition else no

    def chosen(at: int, truth: float) -> float | None:
        value = yes if truth else no
        return value if isinstance(value, int | float) else value.points.get(at)

    return _mapped(condition, chosen)


def _metrics(scope: Scope, nodes: tuple[Node, ...]) -> Value:
    match nodes:
        case ():
            wanted = ""
        case (Text(wanted),):
            pass
        case _:
            raise ExpressionError("The function METRICS takes a text, or nothing")
    return [one for name in scope.metrics if wanted in name for one in _series(scope.values[name])]


def _period(scope: Scope, nodes: tuple[Node, ...]) -> Value:
    (value,) = _arguments(scope, "PERIOD", nodes, 1)
    if not isinstance(value, TimeSeries):
        raise ExpressionError("The function PERIOD takes a time series")
    return float(value.period_seconds)


FUNCTIONS: Mapping[str, Callable[[Scope, tuple[Node, ...]], Value]] = {
    "ABS": _each("ABS", abs),
    "AVG": _folding("AVG", lambda numbers: math.fsum(numbers) / len(numbers)),
    "CEIL": _each("CEIL", math.ceil),
    "DATAPOINT_COUNT": _folding("DATAPOINT_COUNT", len),
    "DIFF": _along("DIFF", lambda series: {at: change for at, _, change in _differences(series)}),
    "FILL": _fill,
    "FLOOR": _each("FLOOR", math.floor),
    "IF": _if,
    "MAX": _folding("MAX", max),
    "METRICS": _metrics,
    "MIN": _folding("MIN", min),
    "PERIOD": _period,
    "RATE": _along("RATE", lambda series: {at: change / gap for at, gap, change in _differences(series)}),
    "RUNNING_SUM": _along("RUNNING_SUM", _running_sum),
    "SUM": _folding("SUM", math.fsum),
}
"""Every function that midge has; all others are refused by name."""
