"""The pool of half started environments: who gets the next one, what failure and cancellation cost, when it refills."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from midge.clock import VirtualClock
from midge.sandbox.stems import StemPool

PAUSE_SECONDS = 0.5


class Workbench:
    """Prepares numbered stems, each when the test says so."""

    def __init__(self) -> None:
        self.under_way: list[asyncio.Future[str]] = []
        self.discarded: list[str] = []
        self.clock = VirtualClock()

    def pool(self, least: int = 0, most: int = 8) -> StemPool[str]:
        return StemPool(
            self._prepare, self.discarded.append, self.clock, least=least, most=most, pause_seconds=PAUSE_SECONDS
        )

    async def _prepare(self) -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.under_way.append(future)
        return await future

    async def finish(self, name: str) -> None:
        """The oldest preparation ends well."""
        self.under_way.pop(0).set_result(name)
        await settle()

    async def refill_from_empty(self, pool: StemPool[str], *names: str) -> None:
        """As ``refill``, of a new pool: begun now."""
        pool.fill()
        await settle()
        await self.finish(names[0])
        for name in names[1:]:
            self.clock.advance(PAUSE_SECONDS)
            await settle()
            await self.finish(name)

    async def refill(self, *names: str) -> None:
        """Time passes, and what is prepared meanwhile is prepared well, one after the other."""
        for name in names:
            self.clock.advance(PAUSE_SECONDS)
            await settle()
            assert len(self.under_way) == 1
            await self.finish(name)
        self.clock.advance(PAUSE_SECONDS)
        await settle()
        assert self.under_way == []

    async def fail(self, error: Exception) -> None:
        self.under_way.pop(0).set_exception(error)
        await settle()


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


Scenario = Callable[[Workbench], Awaitable[None]]


def play(scenario: Scenario) -> None:
    async def main() -> None:
        await scenario(Workbench())

    asyncio.run(main())


def taker(pool: StemPool[str], group: asyncio.TaskGroup) -> asyncio.Task[str]:
    return group.create_task(pool.take())


def test_the_first_that_is_ready_goes_to_the_oldest_waiter() -> None:
    """Whichever preparation ends first serves whoever has waited longest."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool()
        async with asyncio.TaskGroup() as group:
            takers = [taker(pool, group) for _ in range(3)]
            await settle()
            assert len(bench.under_way) == 3
            bench.under_way[2].set_result("quickest")
            await settle()
            assert takers[0].result() == "quickest"
            assert not takers[1].done()
            bench.under_way[0].set_result("a")
            bench.under_way[1].set_result("b")
        assert [task.result() for task in takers[1:]] == ["a", "b"]

    play(scenario)


def test_what_is_ready_is_taken_at_once() -> None:
    """A ready stem costs no wait and begins no preparation."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool(least=1)
        pool.fill()
        await settle()
        await bench.finish("a")
        assert pool.ready == 1
        assert await pool.take() == "a"
        assert bench.under_way == []

    play(scenario)


def test_a_waiter_that_gives_up_loses_nothing() -> None:
    """The stem prepared for a cancelled waiter serves the next, or waits for one."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool()
        async with asyncio.TaskGroup() as group:
            first, second = taker(pool, group), taker(pool, group)
            await settle()
            first.cancel()
            await bench.finish("a")
            assert second.result() == "a"
            await bench.finish("b")
        assert pool.ready == 1
        assert bench.discarded == []

    play(scenario)


def test_a_stem_handed_over_in_the_moment_of_cancellation_is_not_lost() -> None:
    """A waiter that is cancelled after it was served, and before it ran, gives its stem back."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool()
        async with asyncio.TaskGroup() as group:
            first = taker(pool, group)
            await settle()
            bench.under_way.pop(0).set_result("a")
            await asyncio.sleep(0)  # the preparation ends: the waiter's future has its stem, its task has not run
            first.cancel()
        assert first.cancelled()
        assert pool.ready == 1
        assert await pool.take() == "a"

    play(scenario)


def test_who_comes_in_the_moment_of_a_delivery_is_prepared_for() -> None:
    """A preparation that has delivered is not counted on by the next: for that one another begins at once."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool()

        async def finish_the_second() -> None:
            assert len(bench.under_way) == 1
            await bench.finish("b")

        async with asyncio.TaskGroup() as group:
            first = taker(pool, group)
            await settle()
            bench.under_way.pop(0).set_result("a")
            await asyncio.sleep(0)  # the preparation has delivered; nothing else has run
            group.create_task(settle()).add_done_callback(lambda _: group.create_task(finish_the_second()))
            assert await pool.take() == "b"
        assert first.result() == "a"

    play(scenario)


def test_failure_reaches_one_waiter_and_only_that() -> None:
    """What preparing raised is raised to the oldest waiter; the others go on waiting for theirs."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool()
        results: list[Any] = []

        async def take() -> None:
            try:
                results.append(await pool.take())
            except OSError as error:
                results.append(str(error))

        async with asyncio.TaskGroup() as group:
            group.create_task(take())
            group.create_task(take())
            await settle()
            await bench.fail(OSError("no memory"))
            await bench.finish("b")
        assert results == ["no memory", "b"]

    play(scenario)


def test_failure_that_nobody_waits_for_is_tried_again_later() -> None:
    """A failed refill is repeated after a second, not at once and not never."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool(least=1)
        pool.fill()
        await settle()
        await bench.fail(OSError("not now"))
        bench.clock.advance(0.9)
        await settle()
        assert bench.under_way == []
        bench.clock.advance(0.2)
        await settle()
        await bench.finish("a")
        assert pool.ready == 1

    play(scenario)


def test_it_refills_after_a_pause() -> None:
    """Taking a stem prepares its successor, but not before a pause: the processor belongs to the cold start."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool(least=2)
        await bench.refill_from_empty(pool, "a", "b")
        assert await pool.take() == "a"
        bench.clock.advance(PAUSE_SECONDS * 0.9)
        await settle()
        assert bench.under_way == []
        bench.clock.advance(PAUSE_SECONDS * 0.2)
        await settle()
        assert len(bench.under_way) == 1

    play(scenario)


def test_a_refill_under_way_does_not_cut_the_pause_short() -> None:
    """When a stem is taken while another is prepared that nobody waits for, no further one begins before the pause."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool(least=4)
        await bench.refill_from_empty(pool, "a")
        bench.clock.advance(PAUSE_SECONDS)
        await settle()
        assert await pool.take() == "a"
        await bench.finish("b")
        bench.clock.advance(PAUSE_SECONDS * 0.9)
        await settle()
        assert bench.under_way == []
        bench.clock.advance(PAUSE_SECONDS * 0.2)
        await settle()
        assert len(bench.under_way) == 1

    play(scenario)


def test_it_refills_one_by_one() -> None:
    """What nobody waits for is prepared one after the other, up to the least."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool(least=3)
        pool.fill()
        await settle()
        assert len(bench.under_way) == 1
        await bench.finish("a")
        await bench.refill("b", "c")
        assert pool.ready == 3

    play(scenario)


def test_who_has_seen_a_burst_is_ready_for_the_next_for_a_while() -> None:
    """As many as were taken within a second are kept ready, up to the most; a minute later the least suffices again."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool(least=1, most=3)
        async with asyncio.TaskGroup() as group:
            takers = [taker(pool, group) for _ in range(5)]
            await settle()
            for task in takers:
                await bench.finish(task.get_name())
        await bench.refill("a", "b", "c")
        assert pool.ready == 3
        bench.clock.advance(61)
        assert pool.ready == 1
        assert len(bench.discarded) == 2

    play(scenario)


def test_waiters_share_what_is_already_under_way() -> None:
    """A refill under way serves a waiter; a second preparation is not begun for it."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool(least=1)
        pool.fill()
        await settle()
        async with asyncio.TaskGroup() as group:
            task = taker(pool, group)
            await settle()
            assert len(bench.under_way) == 1
            await bench.finish("a")
        assert task.result() == "a"

    play(scenario)


def test_closing_gives_everything_back() -> None:
    """After close ready stems are discarded, preparations are cancelled, waiters are released, takers are refused."""

    async def scenario(bench: Workbench) -> None:
        pool = bench.pool(least=1)
        pool.fill()
        await settle()
        await bench.finish("a")
        waiting = [asyncio.ensure_future(pool.take()) for _ in range(2)]
        await settle()
        assert waiting[0].result() == "a"
        preparation = bench.under_way[0]
        await pool.close()
        await settle()
        assert preparation.cancelled()
        assert waiting[1].cancelled()
        with pytest.raises(ConnectionError):
            await pool.take()
        bench.clock.advance(100)
        await settle()
        assert pool.ready == 0

    play(scenario)
