"""What becomes of an event after an attempt. Pure: no clock, no queue.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html: after an error of the function
two more attempts, a minute and then two minutes later; after throttling and errors of the platform further attempts, a
second later and then ever more slowly, up to five minutes apart; all of it no longer than the event's maximum age.
"""

from dataclasses import dataclass
from enum import Enum, auto

from midge.model.limits import Limits

SUCCESS = "Success"
RETRIES_EXHAUSTED = "RetriesExhausted"
EVENT_AGE_EXCEEDED = "EventAgeExceeded"
RECURSIVE_LOOP = "RecursiveLoop"
"""Not one of the conditions that AWS documents: it documents none for this case."""


class Attempt(Enum):
    """How one ended."""

    SUCCEEDED = auto()
    FUNCTION_FAILED = auto()
    """The function ran and failed: an error of its own, a time-out, a crash."""
    NOT_RUN = auto()
    """It was throttled, or the platform failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``EventInvokeConfig`` with AWS's defaults filled in."""

    retries: int
    age_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Nothing more is tried; ``condition`` is AWS's word for why."""

    condition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """To be tried at ``due_seconds``, with these counts."""

    due_seconds: float
    attempts: int
    delays: int


def policy(retries: int | None, age_seconds: float | None, limits: Limits) -> Policy:
    """What holds where nothing was configured is the most that AWS allows."""
    return Policy(
        retries=limits.async_retries if retries is None else retries,
        age_seconds=limits.async_age_seconds if age_seconds is None else age_seconds,
    )


def expired(accepted_seconds: float, now_seconds: float, rules: Policy) -> bool:
    """Whether an event is too old to be invoked."""
    return now_seconds - accepted_seconds >= rules.age_seconds


def decide(
    attempt: Attempt,
    *,
    attempts: int,
    delays: int,
    accepted_seconds: float,
    now_seconds: float,
    rules: Policy,
    limits: Limits,
) -> Ended | Again:
    """``attempts`` and ``delays`` are those before this attempt.

    A further attempt is due no later than the event expires: it is then found too old, at that moment.
    """
    expiry = accepted_seconds + rules.age_seconds
    if attempt is Attempt.SUCCEEDED:
        return Ended(condition=SUCCESS)
    if attempt is Attempt.FUNCTION_FAILED:
        if attempts >= rules.retries:
            return Ended(condition=RETRIES_EXHAUSTED)
        pause = limits.async_retry_base_seconds * 2**attempts
        return Again(due_seconds=min(now_seconds + pause, expiry), attempts=attempts + 1, delays=delays)
    pause = delay_seconds(delays, limits)
    return Again(due_seconds=min(now_seconds + pause, expiry), attempts=attempts, delays=delays + 1)


def delay_seconds(delays: int, limits: Limits) -> float:
    """How long to wait after having waited ``delays`` times in a row."""
    return min(limits.async_delay_base_seconds * 2 ** min(delays, 30), limits.async_delay_seconds)
