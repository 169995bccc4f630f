"""Metric math: what expressions mean, and that nothing that is written can do more than be refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.services.cloudwatch.evaluating import FUNCTIONS, Scope, TimeSeries, Value, evaluate
from midge.services.cloudwatch.expressions import ExpressionError, names, parse

M1 = TimeSeries({0: 1.0, 60: 2.0, 120: 4.0}, 60)
M2 = TimeSeries({0: 10.0, 120: 0.0}, 60)
SCOPE = Scope(
    values={"m1": M1, "m2": M2, "list": [M1, M2], "e": TimeSeries({}, 60)}, metrics=("m1", "m2"), start=0, end=240
)


def run(text: str) -> Value:
    return evaluate(parse(text), SCOPE)


def points(text: str) -> list[tuple[int, float]]:
    value = run(text)
    assert isinstance(value, TimeSeries)
    return list(value.points.items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7.0), ("(1 + 2) * 3", 9.0), ("-2 ^ 2", -4.0), ("2 ^ 3 ^ 2", 512.0), ("8 / 4 / 2", 1.0), ("1 - 2 - 3", -4.0),
        ("1 < 2", 1.0), ("2 <= 1", 0.0), ("1 == 1 AND 0", 0.0), ("1 || 0 && 0", 1.0), ("1e3 - .5", 999.5), ("--3", 3.0),
        ("SUM(m1)", 7.0), ("avg(m1)", 7 / 3), ("MAX(m1) - MIN(m1)", 3.0), ("PERIOD(m1)", 60.0), ("DATAPOINT_COUNT(m2)", 2.0),
        ("IF(1 > 2, 5, 6)", 6.0), ("CEIL(1.2) + FLOOR(1.8) + ABS(-1)", 4.0),
    ],
)  # fmt: skip
def test_numbers(text: str, expected: float) -> None:
    """Operators bind as documented, and functions of a series give one number."""
    assert run(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m1 + m2", [(0, 11.0), (120, 4.0)]),
        ("m1 / m2", [(0, 0.1)]),
        ("2 * m1", [(0, 2.0), (60, 4.0), (120, 8.0)]),
        ("m1 > 1", [(0, 0.0), (60, 1.0), (120, 1.0)]),
        ("SUM([m1, m2])", [(0, 11.0), (60, 2.0), (120, 4.0)]),
        ("MAX(METRICS())", [(0, 10.0), (60, 2.0), (120, 4.0)]),
        ("AVG(METRICS('2'))", [(0, 10.0), (120, 0.0)]),
        ("FILL(m2, 0)", [(0, 10.0), (60, 0.0), (120, 0.0), (180, 0.0)]),
        ("FILL(m2, REPEAT)", [(0, 10.0), (60, 10.0), (120, 0.0), (180, 0.0)]),
        ("FILL(m2, LINEAR)", [(0, 10.0), (60, 5.0), (120, 0.0)]),
        ("FILL(m2, m1)", [(0, 10.0), (60, 2.0), (120, 0.0)]),
        ("FILL(e, 3)", [(0, 3.0), (60, 3.0), (120, 3.0), (180, 3.0)]),
        ("IF(m1 > 1, m2, 7)", [(0, 7.0), (120, 0.0)]),
        ("DIFF(m1)", [(60, 1.0), (120, 2.0)]),
        ("RATE(m1)", [(60, 1 / 60), (120, 2 / 60)]),
        ("RUNNING_SUM(m1)", [(0, 1.0), (60, 3.0), (120, 7.0)]),
        ("m2 ^ -1", [(0, 0.1)]),
    ],
)  # fmt: skip
def test_series(text: str, expected: list[tuple[int, float]]) -> None:
    """Series meet at the times that both have; what has no value is left out."""
    assert points(text) == [(at, pytest.approx(value)) for at, value in expected]


@pytest.mark.parametrize(
    "text",
    ["", "m1 m2", "m1 +", "(m1", "m1)", "SUM()", "SUM(m1, m2)", "SUM(m1", "FILL(m1)", "FILL(m1, LIST)", "IF(m1, 1)", "nobody", "1 / 0",
     "METRICS(m1)", "'text'", "list + list", "IF(list, 1, 2)", "DIFF(1)", "STDDEV(m1)", "m1 ? m2", "[1, 2]", "PERIOD(1)"],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(text: str) -> None:
    """With an error of its own, whatever is wrong."""
    with pytest.raises(ExpressionError):
        run(text)


@given(
    st.lists(
        st.sampled_from(["m1", "m2", "list", "e", "1", "2.5", "+", "-", "*", "/", "^", "(", ")", ",", "[", "]", "<", "==", "AND"]
                        + [f"{name}(" for name in FUNCTIONS]),
        max_size=25,
    )
)  # fmt: skip
def test_whatever_is_written_is_a_value_or_refused(parts: list[str]) -> None:
    """No arrangement of words does anything but have a value or be refused."""
    with contextlib.suppress(ExpressionError):
        node = parse(" ".join(parts))
        assert names(node) <= {"m1", "m2", "list", "e"}
        assert isinstance(evaluate(node, SCOPE), int | float | TimeSeries | list)
