"""The conversation with a zygote: answers in order, ends told once, nothing waiting for one that is gone."""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from midge.sandbox.port import SandboxError
from midge.sandbox.zygote import Forker


class Other:
    """The zygote's end, played by the test."""

    def __init__(self, forker: Forker) -> None:
        self.socket = forker.theirs
        self.socket.settimeout(5)

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message).encode())

    def hear(self) -> tuple[dict[str, Any], list[int]]:
        message, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 8)
        return json.loads(message), descriptors


def play(scenario: Callable[[Forker, Other], Awaitable[None]]) -> None:
    async def main() -> None:
        forker = Forker()
        other = Other(forker)
        try:
            other.say(ready=True)
            await forker.ready
            async with asyncio.timeout(10):
                await scenario(forker, other)
        finally:
            other.socket.close()
            forker.close()

    asyncio.run(main())


def test_requests_are_answered_in_order() -> None:
    """Each caller gets the answer to its own request, with what it passed along."""

    async def scenario(forker: Forker, other: Other) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(forker.fork({"number": n}, [0])) for n in range(3)]
            await asyncio.sleep(0)
            for number in range(3):
                request, descriptors = other.hear()
                assert request == {"number": number}
                assert len(descriptors) == 1
                os.close(descriptors[0])
                other.say(pid=100 + number)
        assert [task.result().pid for task in tasks] == [100, 101, 102]

    play(scenario)


def test_a_refusal_is_an_error_of_its_request_alone() -> None:
    """A request that failed raises what the zygote said; the next one is answered."""

    async def scenario(forker: Forker, other: Other) -> None:
        other.say(error="clone: Resource temporarily unavailable")
        with pytest.raises(SandboxError, match="temporarily"):
            await forker.fork({}, [])
        other.say(pid=7)
        assert (await forker.fork({}, [])).pid == 7

    play(scenario)


def test_a_request_that_was_given_up_does_not_take_another_s_answer() -> None:
    """The answer to a cancelled request is dropped, the next request gets its own."""

    async def scenario(forker: Forker, other: Other) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forker.fork({"number": 1}, []), 0.01)
        other.say(pid=1)
        other.say(pid=2)
        assert (await forker.fork({"number": 2}, [])).pid == 2

    play(scenario)


@pytest.mark.parametrize("early", [True, False])
def test_the_end_of_a_process_is_told_once(early: bool) -> None:
    """Whoever asked to hear of the end hears of it, also when it came before the answer that named the process."""

    async def scenario(forker: Forker, other: Other) -> None:
        ends: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        end = {"ended": 9, "exit": 3, "signal": None}
        if early:
            other.say(**end)
        other.say(pid=9)
        assert (await forker.fork({}, [], ends.put_nowait)).pid == 9
        if not early:
            other.say(**end)
        assert await ends.get() == end
        other.say(**end)
        other.say(pid=10)
        assert (await forker.fork({}, [])).pid == 10
        assert ends.empty()

    play(scenario)


def test_a_zygote_that_goes_away_leaves_nobody_waiting() -> None:
    """When the zygote ends, requests under way and later ones fail."""

    async def scenario(forker: Forker, other: Other) -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(raises(forker))
            await asyncio.sleep(0)
            other.socket.close()
        assert task.result()
        assert await raises(forker)

    async def raises(forker: Forker) -> bool:
        with pytest.raises(SandboxError):
            await forker.fork({}, [])
        return True

    play(scenario)


def test_a_burst_is_held_back_rather_than_refused() -> None:
    """More requests than the control socket could hold all get through, a few at a time."""

    async def scenario(forker: Forker, other: Other) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(forker.fork({"padding": "x" * 1000}, [])) for _ in range(1000)]
            for number in range(1000):
                await asyncio.sleep(0)
                other.hear()
                other.say(pid=number)
        assert sorted(task.result().pid for task in tasks) == list(range(1000))

    play(scenario)
