"""The EventQueue port's contract, held by every implementation."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.model.functions import FunctionId
from midge.model.limits import Limits
from midge.queue.memory import MemoryEventQueue
from midge.queue.port import AsyncEvent, EventQueue, WaitingEvents
from midge.queue.sqlite import SqliteEventQueue
from midge.store.errors import StoreUnavailableError

FUNCTION = FunctionId(account="000000000000", region="us-east-1", name="f")
OTHER = replace(FUNCTION, region="eu-west-1")
Scenario = Callable[[EventQueue], Awaitable[None]]
Runner = Callable[[Scenario], None]


def event(due_seconds: float = 10.0, function: FunctionId = FUNCTION, **more: Any) -> AsyncEvent:
    values: dict[str, Any] = {
        "function": function,
        "qualifier": "live",
        "request_id": "r",
        "trace_id": "Root=1",
        "payload": b"{}",
        "client_context": b'{"a":1}',
        "tenant_id": "blue one",
        "accepted_seconds": 9.5,
        "due_seconds": due_seconds,
    }
    return AsyncEvent(**{**values, **more})


@pytest.fixture(params=["sqlite", "memory"])
def in_queue(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """Runs a scenario with a queue of each kind."""

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            queue: EventQueue
            if request.param == "sqlite":
                queue = await SqliteEventQueue.open(tmp_path / "events.db", Limits())
            else:
                queue = MemoryEventQueue()
            try:
                await scenario(queue)
            finally:
                await queue.close()

        asyncio.run(main())

    return run


def test_an_event_comes_back_as_it_was_put(in_queue: Runner) -> None:
    """Everything about an event is kept; it has a number, and is taken by one only."""

    async def scenario(queue: EventQueue) -> None:
        for given_event in (
            event(),
            event(qualifier=None, client_context=None, tenant_id=None, payload=b"\xff" * 3, attempts=2, delays=7),
        ):
            put = await queue.put(given_event, held=False)
            assert put == replace(given_event, number=put.number)
            assert put.number > 0
            assert await queue.take(FUNCTION, 10.0, 10, 1_000) == [put]
            assert await queue.take(FUNCTION, 10.0, 10, 1_000) == []
        assert await queue.count() == 2

    in_queue(scenario)


def test_what_is_held_is_nobody_else_s(in_queue: Runner) -> None:
    """An event that is put as held is not taken, nor waiting, until it is put back."""

    async def scenario(queue: EventQueue) -> None:
        held = await queue.put(event(), held=True)
        assert await queue.take(FUNCTION, 99.0, 10, 1_000) == []
        assert await queue.waiting() == []
        assert await queue.next_due(FUNCTION) is None
        again = replace(held, due_seconds=20.0, attempts=1, delays=3)
        await queue.put_back(again)
        assert await queue.waiting() == [WaitingEvents(function=FUNCTION, due_seconds=20.0)]
        assert await queue.take(FUNCTION, 19.9, 10, 1_000) == []
        assert await queue.take(FUNCTION, 20.0, 10, 1_000) == [again]

    in_queue(scenario)


def test_functions_wait_in_lines_of_their_own(in_queue: Runner) -> None:
    """Events are taken by due time and then by number, of one function, in one account and region."""

    async def scenario(queue: EventQueue) -> None:
        puts = [await queue.put(event(due), held=False) for due in (30.0, 10.0, 20.0, 10.0)]
        other = await queue.put(event(5.0, OTHER), held=False)
        waiting = await queue.waiting()
        assert {(each.function, each.due_seconds) for each in waiting} == {(FUNCTION, 10.0), (OTHER, 5.0)}
        taken = await queue.take(FUNCTION, 25.0, 10, 1_000)
        assert [each.number for each in taken] == [puts[1].number, puts[3].number, puts[2].number]
        assert await queue.next_due(FUNCTION) == 30.0
        assert await queue.take(OTHER, 25.0, 10, 1_000) == [other]

    in_queue(scenario)


def test_no_more_is_taken_than_was_asked_for(in_queue: Runner) -> None:
    """Neither more events nor, one apart, more bytes."""

    async def scenario(queue: EventQueue) -> None:
        for _ in range(6):
            await queue.put(event(payload=b"x" * 100), held=False)
        assert len(await queue.take(FUNCTION, 10.0, 2, 1_000)) == 2
        assert len(await queue.take(FUNCTION, 10.0, 10, 150)) == 2
        assert len(await queue.take(FUNCTION, 10.0, 10, 1)) == 1

    in_queue(scenario)


def test_what_is_removed_is_gone(in_queue: Runner) -> None:
    """Removing twice is harmless, and what is gone cannot be put back."""

    async def scenario(queue: EventQueue) -> None:
        put = await queue.put(event(), held=True)
        await queue.remove(put)
        await queue.remove(put)
        await queue.put_back(put)
        assert await queue.count() == 0
        assert await queue.waiting() == []

    in_queue(scenario)


def test_a_closed_queue_says_so(in_queue: Runner) -> None:
    """After close() everything raises StoreUnavailableError, and closing again is harmless."""

    async def scenario(queue: EventQueue) -> None:
        put = await queue.put(event(), held=False)
        await queue.close()
        for call in (
            queue.put(event(), held=True),
            queue.take(FUNCTION, 1.0, 1, 1),
            queue.put_back(put),
            queue.remove(put),
            queue.waiting(),
            queue.next_due(FUNCTION),
            queue.count(),
        ):
            with pytest.raises(StoreUnavailableError):
                await call

    in_queue(scenario)


def test_the_next_start_finds_everything_and_nobody_holds_it(tmp_path: Path) -> None:
    """What a server held when it ended waits again, as it was put back last."""

    async def main() -> None:
        queue = await SqliteEventQueue.open(tmp_path / "events.db", Limits())
        held = await queue.put(event(payload=b"1" * 1_000_000), held=True)
        free = await queue.put(event(20.0), held=False)
        await queue.close()
        queue = await SqliteEventQueue.open(tmp_path / "events.db", Limits())
        assert await queue.take(FUNCTION, 20.0, 10, 10_000_000) == [held, free]
        await queue.close()

    asyncio.run(main())


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("take"), st.integers(0, 5), st.integers(1, 3)),
        st.tuples(st.just("back"), st.integers(0, 20), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.integers(0, 20), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_both_implementations_are_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    """Whatever is done to them, the queue on disk and the one in memory answer alike."""

    async def main() -> None:
        disk = await SqliteEventQueue.open(tmp_path_factory.mktemp("queue") / "events.db", Limits())
        memory = MemoryEventQueue()
        known: list[AsyncEvent] = []
        try:
            for kind, first, second in steps:
                if kind == "put":
                    made = event(float(first), (FUNCTION, OTHER)[second])
                    put = await disk.put(made, held=bool(second))
                    assert put == await memory.put(made, held=bool(second))
                    known.append(put)
                elif kind == "take":
                    taken = await disk.take(FUNCTION, float(first), second, 1_000)
                    assert taken == await memory.take(FUNCTION, float(first), second, 1_000)
                elif known:
                    one = known[first % len(known)]
                    for queue in (disk, memory):
                        if kind == "back":
                            await queue.put_back(replace(one, due_seconds=float(second)))
                        else:
                            await queue.remove(one)
            assert await disk.count() == await memory.count()
            key = lambda each: each.function.region  # noqa: E731
            assert sorted(await disk.waiting(), key=key) == sorted(await memory.waiting(), key=key)
        finally:
            await disk.close()

    asyncio.run(main())
