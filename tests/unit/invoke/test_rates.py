"""The arithmetic of rates: a bucket that refills continuously, held against its definition."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from midge.invoke.rates import TokenBucket

STEPS = st.lists(
    st.tuples(
        st.sampled_from([Fraction(0), Fraction(1, 64), Fraction(1, 2), Fraction(3), Fraction(40)]), st.booleans()
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 12), st.sampled_from([1, 2, 10]))
def test_a_bucket_gives_what_its_definition_gives(
    steps: list[tuple[Fraction, bool]], capacity: int, period: int
) -> None:
    """At every moment there is what has been refilled since, less what was taken, and never more than the capacity.

    The model counts in fractions; what is taken by force is owed. Where there is none, there is one after the wait told.
    """
    bucket = TokenBucket(capacity, float(period))
    level, now = Fraction(capacity), Fraction(100)
    for passed, by_force in steps:
        now += passed
        level = min(Fraction(capacity), level + passed * Fraction(capacity, period))
        moment = float(now)
        assert bucket.has_one(moment) is (level >= 1)
        wait = 0 if level >= 1 else (1 - level) * Fraction(period, capacity)
        assert abs(bucket.wait_seconds(moment) - float(wait)) < 1e-6
        if by_force:
            bucket.spend(moment)
            level -= 1
        else:
            assert bucket.take(moment) is (level >= 1)
            level -= level >= 1


@given(st.lists(st.floats(0.0, 0.3), min_size=20, max_size=200), st.integers(1, 10))
def test_no_window_sees_more_than_one_bucket_and_its_refill(pauses: list[float], capacity: int) -> None:
    """Between any two moments no more are taken than the capacity and what was refilled between them."""
    bucket, now, taken = TokenBucket(capacity, 1.0), 5.0, list[float]()
    for pause in pauses:
        now += pause
        while bucket.take(now):
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= capacity + (taken[last] - taken[first]) * capacity + 1e-6


def test_without_a_capacity_there_is_no_limit() -> None:
    """A capacity of 0, and a period of 0, let everything through."""
    for bucket in (TokenBucket(0, 1.0), TokenBucket(3, 0.0)):
        assert all(bucket.take(1.0) for _ in range(1_000))
        assert bucket.wait_seconds(1.0) == 0.0


def test_time_that_goes_back_refills_nothing() -> None:
    """A moment before the last one asked for counts as that one."""
    bucket = TokenBucket(1, 1.0)
    assert bucket.take(10.0)
    assert not bucket.take(9.0)
    assert not bucket.take(10.5)
    assert bucket.take(11.0)
