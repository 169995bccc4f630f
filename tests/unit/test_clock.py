"""Clocks: what falls due happens in order, at its own time, and what was called off never does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from midge.clock import TurnableClock, VirtualClock


def run(scenario: Callable[[TurnableClock], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(TurnableClock())

    asyncio.run(main())


async def nothing() -> None:
    """Nothing follows from anything."""


def test_turning_goes_from_one_thing_to_the_next() -> None:
    """Callbacks run in the order of their times, each when the clock shows it, before time goes on."""

    async def scenario(clock: TurnableClock) -> None:
        seen: list[tuple[str, int]] = []
        begin = clock.monotonic()

        def note(name: str) -> None:
            seen.append((name, round(clock.monotonic() - begin)))

        def lead_on() -> None:
            note("first")
            clock.call_later(500.0, note, "second")

        clock.call_later(1000.0, note, "third")
        clock.call_later(100.0, lead_on)
        clock.call_later(300.0, note, "never").cancel()
        clock.call_later(5000.0, note, "later")
        before = clock.now()
        await clock.advance(3600.0, nothing)
        assert seen == [("first", 100), ("second", 600), ("third", 1000)]
        assert 3600.0 <= clock.now() - before < 3660.0
        await clock.advance(3600.0, nothing)
        assert seen[-1] == ("later", 5000)

    run(scenario)


def test_time_waits_for_what_follows() -> None:
    """``settled`` is awaited between two things that fall due."""

    async def scenario(clock: TurnableClock) -> None:
        order: list[str] = []

        async def settled() -> None:
            order.append("settled")

        clock.call_later(10.0, order.append, "one")
        clock.call_later(20.0, order.append, "two")
        await clock.advance(30.0, settled)
        assert order == ["settled", "one", "settled", "two", "settled", "settled"]

    run(scenario)


def test_a_clock_that_is_not_turned_goes_by_itself() -> None:
    """What falls due in a moment happens without anybody turning."""

    async def scenario(clock: TurnableClock) -> None:
        called = asyncio.Event()
        clock.call_later(3600.0, called.clear)
        clock.call_later(0.0, called.set)
        await asyncio.wait_for(called.wait(), 10)

    run(scenario)


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_a_virtual_clock_knows_what_is_next(seconds: float) -> None:
    """``due_in`` counts down to the next callback, and forgets those that were called off."""
    clock = VirtualClock()
    assert clock.due_in() is None
    clock.call_later(7.0, lambda: None).cancel()
    clock.call_later(10.0, lambda: None)
    clock.advance(seconds)
    assert clock.due_in() == 10.0 - seconds
    clock.advance(10.0)
    assert clock.due_in() is None
