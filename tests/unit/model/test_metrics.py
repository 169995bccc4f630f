"""Statistics and periods: whatever is counted, wherever it is cut, the whole is the same."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.model.metrics import RELATIVE_ERROR, Statistics, minute_of, place_in, statistics_of, stored, summed

VALUES = st.floats(0, 1e9, allow_subnormal=False).filter(lambda value: value == 0 or value > 1e-9)


def of(values: list[float]) -> Statistics:
    statistics = Statistics()
    for value in values:
        statistics.add(value)
    return statistics


@given(st.lists(VALUES, min_size=1, max_size=60), st.floats(0, 100))
def test_a_percentile_is_within_its_error(values: list[float], percent: float) -> None:
    """A percentile is within 1 % of the value of that rank."""
    ordered = sorted(values)
    rank = max(1, math.ceil(Fraction(len(values) * percent / 100)))
    expected = ordered[min(rank, len(ordered)) - 1]
    found = of(values).percentile(percent)
    assert found is not None
    assert abs(found - expected) <= expected * RELATIVE_ERROR * 1.001 + 1e-12


@given(st.lists(st.lists(VALUES, max_size=20), min_size=1, max_size=6))
def test_parts_are_the_whole(parts: list[list[float]]) -> None:
    """However values are cut into parts, put together they count as if they had never been cut."""
    whole = of([value for part in parts for value in part])
    together = summed(of(part) for part in parts)
    assert (together.count, together.minimum, together.maximum) == (whole.count, whole.minimum, whole.maximum)
    assert together.buckets == whole.buckets
    assert together.total == pytest.approx(whole.total)


@given(st.lists(VALUES, min_size=1, max_size=40), st.floats(0, 100))
def test_what_is_stored_comes_back(values: list[float], percent: float) -> None:
    """Stored and read again statistics say the same."""
    before = of(values)
    after = stored(before.count, before.total, before.minimum, before.maximum, before.encode_buckets())
    assert (after.count, after.total, after.minimum, after.maximum) == (
        before.count, before.total, before.minimum, before.maximum,
    )  # fmt: skip
    assert after.percentile(percent) == before.percentile(percent)


@given(st.lists(VALUES, max_size=40))
def test_all_at_once_is_one_by_one(values: list[float]) -> None:
    """Counted at once values make the same statistics as counted one by one."""
    at_once, one_by_one = statistics_of(values), of(values)
    assert (at_once.count, at_once.minimum, at_once.maximum) == (
        one_by_one.count,
        one_by_one.minimum,
        one_by_one.maximum,
    )
    assert at_once.buckets == one_by_one.buckets
    assert at_once.total == pytest.approx(one_by_one.total)


def test_of_negative_values_there_are_no_percentiles() -> None:
    """As on AWS: how values are spread is not known any more once one of them is negative, unless all are the same."""
    mixed = of([1.0, -2.0, 3.0])
    assert (mixed.total, mixed.minimum, mixed.maximum, mixed.percentile(50)) == (2.0, -2.0, 3.0, None)
    assert stored(3, 2.0, -2.0, 3.0, mixed.encode_buckets()).percentile(50) is None
    assert of([-2.0, -2.0]).percentile(50) == -2.0


@given(st.integers(0, 2**31), st.floats(0, 1e6), st.integers(1, 1440).map(lambda minutes: minutes * 60))
def test_every_moment_is_in_one_period(start: int, after: float, period: int) -> None:
    """A moment lies in the period that its place begins, and periods follow each other from the start."""
    moment = start + after
    place = place_in(start, moment, period)
    assert (place - start) % period == 0
    assert place <= moment < place + period
    assert minute_of(moment) <= moment < minute_of(moment) + 60
