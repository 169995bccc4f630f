"""The arithmetic of concurrent executions: what an account has, what is reserved, what is left."""

import gc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.world import FUNCTION

from midge.invoke.concurrency import ConcurrencyBook
from midge.model.functions import FunctionId

FUNCTIONS = [FunctionId(account="1", region="a", name=name) for name in "fgh"]
LIMIT = 6


def test_accounts_and_regions_are_counted_apart() -> None:
    """The quota is per account and region, and all functions there share it."""
    book = ConcurrencyBook(1)
    counters = [
        book.function(FunctionId(account=account, region=region, name=name))
        for account, region, name in (("1", "a", "f"), ("1", "a", "g"), ("1", "b", "f"), ("2", "a", "f"))
    ]
    assert [counter.acquire() for counter in counters] == [True, False, True, True]
    assert book.total() == 3


def test_nothing_is_given_back_twice() -> None:
    """Giving back what was not taken is an error, also where another function holds places."""
    book = ConcurrencyBook(LIMIT)
    first = book.function(FUNCTIONS[0])
    assert first.acquire()
    with pytest.raises(ValueError, match="not taken"):
        book.function(FUNCTIONS[1]).release()
    assert book.total() == 1


def test_a_reservation_keeps_places_free_and_is_a_limit() -> None:
    """Others cannot take what is reserved, and the function cannot take more than that; 0 lets nothing run."""
    book = ConcurrencyBook(LIMIT)
    first, second = (book.function(function) for function in FUNCTIONS[:2])
    book.reserve(FUNCTIONS[0], 2)
    assert [second.acquire() for _ in range(5)] == [True] * 4 + [False]
    assert [first.acquire() for _ in range(3)] == [True] * 2 + [False]
    book.reserve(FUNCTIONS[1], 0)
    second.release()
    assert not second.acquire()
    assert (first.reserved, second.reserved) == (2, 0)


def test_a_reservation_outlives_those_who_count_on_it() -> None:
    """Counters that nobody holds are forgotten unless something is reserved."""
    book = ConcurrencyBook(LIMIT)
    book.reserve(FUNCTIONS[0], 1)
    gc.collect()
    assert book.function(FUNCTIONS[0]).reserved == 1
    book.reserve(FUNCTIONS[0], None)
    gc.collect()
    assert book.function(FUNCTIONS[0]).reserved is None
    assert not book._reserved
    assert not book._functions


STEPS = st.one_of(
    st.tuples(st.sampled_from(["take", "give"]), st.integers(0, 2), st.none()),
    st.tuples(st.just("reserve"), st.integers(0, 2), st.none() | st.integers(0, LIMIT)),
)


@given(st.lists(STEPS, max_size=60))
def test_places_add_up_whatever_happens(steps: list[tuple[str, int, int | None]]) -> None:
    """Through any history of invocations and changing reservations exactly those are let in who have a place.

    The model knows only who is in flight and what is reserved, and works everything else out anew.
    """
    book = ConcurrencyBook(LIMIT)
    counters = [book.function(function) for function in FUNCTIONS]
    out: Counter[int] = Counter()
    reserved: dict[int, int] = {}
    for verb, which, count in steps:
        if verb == "reserve":
            book.reserve(FUNCTIONS[which], count)
            reserved.pop(which, None)
            if count is not None:
                reserved[which] = count
        elif verb == "take":
            if which in reserved:
                free = reserved[which] - out[which]
            else:
                free = LIMIT - sum(reserved.values()) - sum(out[n] for n in range(3) if n not in reserved)
            assert counters[which].acquire() is (free > 0)
            out[which] += free > 0
        elif out[which]:
            counters[which].release()
            out[which] -= 1
        assert [counter.in_flight for counter in counters] == [out[n] for n in range(3)]
        assert [counter.reserved for counter in counters] == [reserved.get(n) for n in range(3)]
        assert book.total() == sum(out.values())


def test_functions_of_the_same_name_elsewhere_have_nothing_reserved() -> None:
    """A reservation is of one function in one account and region."""
    book = ConcurrencyBook(LIMIT)
    book.reserve(FUNCTION, 0)
    assert not book.function(FUNCTION).acquire()
    assert book.function(FunctionId(account=FUNCTION.account, region="us-east-1", name=FUNCTION.name)).acquire()
