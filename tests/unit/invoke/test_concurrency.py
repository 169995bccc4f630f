"""The arithmetic of concurrent executions: what an account has, what is reserved and provisioned, what is left."""

import gc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.world import FUNCTION

from midge.invoke.concurrency import ConcurrencyBook, Throttle, VersionConcurrency
from midge.model.functions import FunctionId
from midge.model.limits import Limits

FUNCTIONS = [FunctionId(account="1", region="a", name=name) for name in "fgh"]
LIMIT = 6


def book_of(limit: int = LIMIT, *, requests: int = 0, environments: int = 0) -> ConcurrencyBook:
    """Counters of an account with ``limit`` places, and no rate limits unless told."""
    return ConcurrencyBook(
        Limits(
            account_concurrency=limit,
            requests_per_second_per_concurrency=requests,
            scaling_environments=environments,
        )
    )


def begins(version: VersionConcurrency, now: float = 0.0, *, synchronous: bool = True) -> bool:
    return version.acquire(now, needs_environment=False, synchronous=synchronous) is None


def test_accounts_and_regions_are_counted_apart() -> None:
    """The quota is per account and region, and all functions there share it."""
    book = book_of(1)
    versions = [
        book.version(FunctionId(account=account, region=region, name=name))
        for account, region, name in (("1", "a", "f"), ("1", "a", "g"), ("1", "b", "f"), ("2", "a", "f"))
    ]
    assert [begins(version) for version in versions] == [True, False, True, True]
    assert book.total() == 3


def test_nothing_is_given_back_twice() -> None:
    """Giving back what was not taken is an error, also where another function holds places."""
    book = book_of()
    first = book.version(FUNCTIONS[0])
    assert begins(first)
    with pytest.raises(ValueError, match="not taken"):
        book.version(FUNCTIONS[1]).release()
    assert book.total() == 1


def test_a_reservation_keeps_places_free_and_is_a_limit() -> None:
    """Others cannot take what is reserved, and the function cannot take more than that; 0 lets nothing run."""
    book = book_of()
    first, second = (book.version(function) for function in FUNCTIONS[:2])
    book.reserve(FUNCTIONS[0], 2)
    assert [begins(second) for _ in range(5)] == [True] * 4 + [False]
    assert [begins(first) for _ in range(3)] == [True] * 2 + [False]
    book.reserve(FUNCTIONS[1], 0)
    second.release()
    assert not begins(second)
    assert [book.function(function).reserved for function in FUNCTIONS[:2]] == [2, 0]


def test_a_reservation_outlives_those_who_count_on_it() -> None:
    """Counters that nobody holds are forgotten unless something is reserved."""
    book = book_of()
    book.reserve(FUNCTIONS[0], 1)
    gc.collect()
    assert book.function(FUNCTIONS[0]).reserved == 1
    book.reserve(FUNCTIONS[0], None)
    gc.collect()
    assert book.function(FUNCTIONS[0]).reserved is None
    assert not book._reserved
    assert not book._functions


STEPS = st.one_of(
    st.tuples(st.sampled_from(["take", "give"]), st.integers(0, 3), st.none()),
    st.tuples(st.just("reserve"), st.integers(0, 2), st.none() | st.integers(0, LIMIT)),
    st.tuples(st.just("provision"), st.integers(0, 3), st.integers(0, 3)),
)
VERSIONS = [0, 0, 1, 2]
"""Which function each version is of."""


@given(st.lists(STEPS, max_size=60))
def test_places_add_up_whatever_happens(steps: list[tuple[str, int, int | None]]) -> None:
    """Through any history of invocations, reservations and provisioned concurrency exactly those begin who have a place.

    The model knows only who is in flight, what is reserved and what is provisioned, and works everything else out anew.
    """
    book = book_of()
    versions = [book.version(FUNCTIONS[number]) for number in VERSIONS]
    out: Counter[int] = Counter()
    provisioned: Counter[int] = Counter()
    reserved: dict[int, int] = {}

    def held(function: int) -> int:
        return sum(max(out[n], provisioned[n]) for n, of in enumerate(VERSIONS) if of == function)

    for verb, which, count in steps:
        function = VERSIONS[which]
        if verb == "reserve":
            book.reserve(FUNCTIONS[which], count)
            reserved.pop(which, None)
            if count is not None:
                reserved[which] = count
        elif verb == "provision":
            versions[which].provision(count or 0)
            provisioned[which] = count or 0
        elif verb == "take":
            if function in reserved:
                free = reserved[function] - held(function)
            else:
                free = LIMIT - sum(reserved.values()) - sum(held(n) for n in range(3) if n not in reserved)
            lets_in = free > 0 or out[which] < provisioned[which]
            assert begins(versions[which]) is lets_in
            out[which] += lets_in
        elif out[which]:
            versions[which].release()
            out[which] -= 1
        assert [book.function(each).in_flight for each in FUNCTIONS] == [out[0] + out[1], out[2], out[3]]
        assert [book.function(each).taken for each in FUNCTIONS] == [held(n) for n in range(3)]
        assert [book.function(each).reserved for each in FUNCTIONS] == [reserved.get(n) for n in range(3)]
        assert book.total() == sum(out.values())


def test_functions_of_the_same_name_elsewhere_have_nothing_reserved() -> None:
    """A reservation is of one function in one account and region."""
    book = book_of()
    book.reserve(FUNCTION, 0)
    assert not begins(book.version(FUNCTION))
    assert begins(book.version(FunctionId(account=FUNCTION.account, region="us-east-1", name=FUNCTION.name)))


def test_what_is_provisioned_is_taken_from_the_others_though_it_is_idle() -> None:
    """Others have what is left beside it; its version runs within it when nothing is left, and beyond it with the rest."""
    book = book_of(4)
    provisioned, other = book.version(FUNCTIONS[0]), book.version(FUNCTIONS[1])
    provisioned.provision(2)
    assert [begins(other) for _ in range(3)] == [True, True, False]
    assert [begins(provisioned) for _ in range(3)] == [True, True, False]
    other.release()
    assert begins(provisioned)


def test_each_limit_is_told_by_its_name() -> None:
    """Places and rates, of the account and of the function: the reason is AWS's, the advice whole seconds."""
    book = book_of(2, requests=2)
    own, shared = book.version(FUNCTIONS[0]), book.version(FUNCTIONS[1])
    book.reserve(FUNCTIONS[0], 1)

    def refused(version: VersionConcurrency, *, now: float = 0.0) -> str | None:
        throttle = version.acquire(now, needs_environment=False)
        assert throttle is None or throttle.retry_after_seconds == 1
        return None if throttle is None else throttle.reason

    assert refused(own) is None
    assert refused(own) == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert refused(shared) is None
    assert refused(shared) == "ConcurrentInvocationLimitExceeded"
    own.release()
    shared.release()
    assert refused(own) is None
    own.release()
    assert refused(own) == "ReservedFunctionInvocationRateLimitExceeded"
    assert refused(shared) is None
    shared.release()
    assert refused(shared) == "FunctionInvocationRateLimitExceeded"
    assert begins(shared, synchronous=False)
    shared.release()
    assert refused(own, now=0.5) is None
    own.release()


def test_what_is_refused_counts_for_no_rate() -> None:
    """Only what begins is a request of its function's and its account's; after a second all of them are there again."""
    book = book_of(1, requests=2)
    version = book.version(FUNCTIONS[0])
    assert begins(version, 0.0)
    assert not any(begins(version, 0.0) for _ in range(100))
    version.release()
    assert begins(version, 0.0)
    version.release()
    assert not begins(version, 0.0)
    assert begins(version, 0.5)


def test_functions_grow_by_so_many_environments_each_period() -> None:
    """Each by its own, refilled continuously; what needs no new environment goes on, and the advice says when one may."""
    book = book_of(5_000, environments=1_000)
    first, second = (book.version(function) for function in FUNCTIONS[:2])
    for _ in range(1_000):
        assert first.acquire(0.0, needs_environment=True) is None
        first.grew(0.0)
    refused = Throttle(reason="ConcurrentInvocationLimitExceeded", retry_after_seconds=1)
    assert first.acquire(0.0, needs_environment=True) == refused
    assert first.acquire(0.0, needs_environment=False) is None
    assert second.acquire(0.0, needs_environment=True) is None
    assert first.acquire(0.01, needs_environment=True) is None
    for _ in range(150):  # in the place of environments that failed
        first.grew(0.01)
    throttle = first.acquire(0.02, needs_environment=True)
    assert throttle is not None
    assert throttle.retry_after_seconds == 2
