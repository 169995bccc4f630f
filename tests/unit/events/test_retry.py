"""The rule for retries: what AWS documents, and what holds whatever happens."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.events.retry import (
    EVENT_AGE_EXCEEDED,
    RETRIES_EXHAUSTED,
    SUCCESS,
    Again,
    Attempt,
    Ended,
    decide,
    delay_seconds,
    expired,
    policy,
)
from midge.model.limits import Limits

LIMITS = Limits()
DEFAULT = policy(None, None, LIMITS)


def after(attempt: Attempt, **more: Any) -> Ended | Again:
    given_values: dict[str, Any] = {
        "attempts": 0, "delays": 0, "accepted_seconds": 1000.0, "now_seconds": 1000.0, "rules": DEFAULT, **more,
    }  # fmt: skip
    return decide(attempt, limits=LIMITS, **given_values)


@pytest.mark.parametrize(
    ("attempt", "more", "verdict"),
    [
        (Attempt.SUCCEEDED, {}, Ended(condition=SUCCESS)),
        (Attempt.FUNCTION_FAILED, {}, Again(due_seconds=1060.0, attempts=1, delays=0)),
        (Attempt.FUNCTION_FAILED, {"attempts": 1}, Again(due_seconds=1120.0, attempts=2, delays=0)),
        (Attempt.FUNCTION_FAILED, {"attempts": 2}, Ended(condition=RETRIES_EXHAUSTED)),
        (Attempt.FUNCTION_FAILED, {"rules": policy(0, None, LIMITS)}, Ended(condition=RETRIES_EXHAUSTED)),
        (Attempt.NOT_RUN, {}, Again(due_seconds=1001.0, attempts=0, delays=1)),
        (Attempt.NOT_RUN, {"delays": 3, "attempts": 1}, Again(due_seconds=1008.0, attempts=1, delays=4)),
        (Attempt.NOT_RUN, {"delays": 50}, Again(due_seconds=1300.0, attempts=0, delays=51)),
        # it is found too old in the moment that it is
        (Attempt.FUNCTION_FAILED, {"rules": policy(2, 60, LIMITS)}, Again(due_seconds=1060.0, attempts=1, delays=0)),
        (
            Attempt.FUNCTION_FAILED,
            {"rules": policy(2, 100, LIMITS), "attempts": 1, "now_seconds": 1060.0},
            Again(due_seconds=1100.0, attempts=2, delays=0),
        ),
    ],
)
def test_what_follows_an_attempt(attempt: Attempt, more: dict[str, Any], verdict: Ended | Again) -> None:
    """Two retries after one and two minutes; delays of a second to five minutes; nothing later than the maximum age."""
    assert after(attempt, **more) == verdict


def test_defaults_are_aws_s() -> None:
    """Six hours and two retries, unless configured otherwise, zero retries included."""
    assert (DEFAULT.retries, DEFAULT.age_seconds) == (2, 21_600)
    assert policy(0, 60, LIMITS).retries == 0
    assert not expired(0.0, 59.9, policy(0, 60, LIMITS))
    assert expired(0.0, 60.0, policy(0, 60, LIMITS))
    assert EVENT_AGE_EXCEEDED == "EventAgeExceeded"


@given(
    st.sampled_from(Attempt),
    st.integers(0, 5),
    st.integers(0, 100),
    st.floats(0, 1e6),
    st.floats(0, 1e5),
    st.integers(0, 2),
    st.integers(60, 21_600),
)
def test_it_always_ends(
    attempt: Attempt, attempts: int, delays: int, accepted: float, age: float, retries: int, age_seconds: int
) -> None:
    """Another attempt is never due in the past nor after the event has expired, and uses up what there is of them."""
    rules = policy(retries, age_seconds, LIMITS)
    now = accepted + min(age, age_seconds)
    verdict = after(attempt, attempts=attempts, delays=delays, accepted_seconds=accepted, now_seconds=now, rules=rules)
    if isinstance(verdict, Again):
        assert now <= verdict.due_seconds + 1e-6
        assert verdict.due_seconds <= accepted + age_seconds + 1e-6
        assert verdict.attempts + verdict.delays == attempts + delays + 1
        assert verdict.attempts <= retries or attempts > retries
    else:
        assert (verdict.condition == SUCCESS) == (attempt is Attempt.SUCCEEDED)


@given(st.integers(0, 10_000))
def test_delays_grow_and_end(delays: int) -> None:
    """Each is at least as long as the one before, and none longer than five minutes."""
    assert 1.0 <= delay_seconds(delays, LIMITS) <= delay_seconds(delays + 1, LIMITS) <= 300.0
