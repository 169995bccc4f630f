"""The memory that functions may have: never more is held than there is, and who asks first is served first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.invoke.memory import Ask, MemoryBudget

TOTAL = 10
STEPS = st.one_of(
    st.tuples(st.sampled_from(["hold", "ask"]), st.integers(1, TOTAL + 2)),
    st.tuples(st.sampled_from(["give back", "withdraw", "serve"]), st.integers(0, 9)),
)


@given(st.lists(STEPS, max_size=80))
def test_who_asks_first_is_served_first_and_no_more_is_held_than_there_is(steps: list[tuple[str, int]]) -> None:
    """Through any history: a model of who holds what and who waits in which order says who is served, and when."""
    budget = MemoryBudget(TOTAL)
    held: list[int] = []
    waiting: list[Ask] = []
    for verb, number in steps:
        if verb == "hold":
            fits = not waiting and sum(held) + number <= TOTAL
            assert budget.fits(number) is fits
            assert budget.hold(number) is fits
            held += [number] if fits else []
        elif verb == "ask" and number > TOTAL:
            with pytest.raises(ValueError, match="more memory"):
                budget.ask(number, lambda _: None, lambda _: None)
        elif verb == "ask":
            waiting.append(budget.ask(number, lambda _: None, lambda _: None))
        elif verb == "give back" and held:
            budget.give_back(held.pop(number % len(held)))
        elif verb == "withdraw" and waiting:
            budget.withdraw(waiting.pop(number % len(waiting)))
        elif verb == "serve":
            served = budget.next_served()
            fits = bool(waiting) and sum(held) + waiting[0].size_mb <= TOTAL
            assert served is (waiting[0] if fits else None)
            if fits:
                held.append(waiting.pop(0).size_mb)
        assert budget.held_mb == sum(held) <= TOTAL
        assert budget.waiting == len(waiting)
        assert budget.first is (waiting[0] if waiting else None)
        assert budget.missing_mb == (max(0, waiting[0].size_mb + sum(held) - TOTAL) if waiting else 0)
        assert budget.fits_first is (bool(waiting) and budget.missing_mb == 0)
    assert [ask.number for ask in waiting] == sorted(ask.number for ask in waiting)


def test_a_small_wish_waits_behind_a_large_one() -> None:
    """What fits is not given to who asks later: else the large one would never be served."""
    budget = MemoryBudget(TOTAL)
    assert budget.hold(5)
    large = budget.ask(8, lambda _: None, lambda _: None)
    assert not budget.hold(1)
    assert budget.next_served() is None
    budget.give_back(5)
    assert budget.next_served() is large
    assert budget.hold(1)


def test_nothing_is_given_back_that_was_not_held() -> None:
    """Giving back more than is held is an error and changes nothing."""
    budget = MemoryBudget(TOTAL)
    assert budget.hold(3)
    with pytest.raises(ValueError, match="not held"):
        budget.give_back(4)
    assert budget.held_mb == 3


def test_without_a_total_there_is_no_limit() -> None:
    """0 holds whatever is asked for, and still counts it."""
    budget = MemoryBudget(0)
    assert budget.hold(1_000_000)
    assert budget.could_fit(1_000_000)
    assert budget.held_mb == 1_000_000
