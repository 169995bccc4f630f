"""Streamed responses through an environment: pace, back-pressure, errors in the middle, callers that leave."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.world import World, in_world

from midge.clock import VirtualClock
from midge.invoke.invocation import Invocation
from midge.invoke.outcome import Outcome
from midge.invoke.streaming import StreamedResponse
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.sandbox.fake import FakeSandbox, do_nothing
from midge.sandbox.port import ProcessExit


class Source:
    """A runtime's connection, and whether it is read."""

    def __init__(self) -> None:
        self.paused = False
        self.calls = 0

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True
        self.calls += 1

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False


class Caller:
    """Takes a response part by part."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.began: tuple[bytes, bytes] | None = None
        self.response: StreamedResponse | None = None
        self.results: list[Outcome | ServiceError] = []

    def begin(self, response: StreamedResponse, content_type: bytes, executed_version: bytes) -> None:
        assert self.response is None
        self.response = response
        self.began = (content_type, executed_version)

    def write(self, data: bytes) -> None:
        assert data
        assert not self.results
        self.parts.append(data)

    @property
    def outcome(self) -> Outcome:
        (result,) = self.results
        assert isinstance(result, Outcome)
        return result


async def called(world: World, *, tail: bool = False) -> Caller:
    """An invocation that runs, and its caller."""
    caller, target = Caller(), world.target()
    id_, trace = world.ids.request_id(), world.ids.trace_id(world.clock.now())
    target.pool.submit(Invocation(target, id_, trace, b"{}", caller.results.append, tail, sink=caller))
    await world.settle()
    return caller


def in_streaming(data: Path, scenario: Callable[[World], Awaitable[None]], limits: Limits | None = None) -> None:
    async def inside(world: World) -> None:
        world.put(timeout_seconds=3)
        await scenario(world)

    in_world(data, inside, FakeSandbox(do_nothing), limits)


def test_parts_reach_the_caller_as_they_come(tmp_path: Path) -> None:
    """The first part is there before the second is sent; the outcome follows the last, and the environment goes on."""

    async def scenario(world: World) -> None:
        for _ in range(2):
            caller = await called(world)
            world.runtime.stream(b"one", content_type="text/plain")
            assert (caller.began, caller.parts) == ((b"text/plain", b"$LATEST"), [b"one"])
            world.runtime.stream_on(b"two", b"three")
            assert not caller.results
            world.runtime.end_stream(then_next=True)
            await world.settle()
            assert caller.parts == [b"one", b"two", b"three"]
            assert (caller.outcome.payload, caller.outcome.function_error) == (b"", None)
        assert len(world.sandbox.runtimes) == 1
        assert (world.metrics.function("work").invocations, world.platform.concurrency.total()) == (2, 0)

    in_streaming(tmp_path, scenario)


def test_a_function_that_does_not_stream_answers_whole(tmp_path: Path) -> None:
    """The payload of a plain response is the outcome's, and nothing was begun."""

    async def scenario(world: World) -> None:
        caller = await called(world)
        world.runtime.respond(b"1", then_next=True)
        await world.settle()
        assert (caller.began, caller.outcome.payload) == (None, b"1")

    in_streaming(tmp_path, scenario)


def test_who_does_not_take_streams_gets_the_whole(tmp_path: Path) -> None:
    """For a caller of Invoke a streamed response is put together."""

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        world.runtime.stream(b"a", b"b")
        world.runtime.end_stream(then_next=True)
        await world.settle()
        assert call.outcome.payload == b"ab"

    in_streaming(tmp_path, scenario)


def test_an_error_in_the_middle_is_the_outcome(tmp_path: Path) -> None:
    """What the function says in its trailers is the outcome's error, with the log where it was asked for."""

    async def scenario(world: World) -> None:
        caller = await called(world, tail=True)
        world.runtime.stream(b"a")
        world.runtime.end_stream("Custom.Error", b'{"errorType":"Custom.Error"}', then_next=True)
        await world.settle()
        outcome = caller.outcome
        assert (outcome.payload, outcome.error_type) == (b'{"errorType":"Custom.Error"}', "Custom.Error")
        assert (outcome.function_error, caller.parts) == ("Unhandled", [b"a"])
        assert outcome.log_tail

    in_streaming(tmp_path, scenario)


@pytest.mark.parametrize(
    ("end", "error"),
    [("exit", "Runtime.ExitError"), ("timeout", "Sandbox.Timedout"), ("broken", "Runtime.TruncatedResponse")],
)
def test_a_stream_may_end_badly(tmp_path: Path, end: str, error: str) -> None:
    """A crash is told as a crash though its connection went first; a time-out and a closed stream as what they are."""

    async def scenario(world: World) -> None:
        caller = await called(world)
        world.runtime.stream(b"a")
        if end == "exit":
            world.runtime.disconnect()
            world.runtime.exit(1)
        elif end == "broken":
            world.runtime.disconnect()
            assert not caller.results
            await world.advance(world.limits.broken_stream_grace_seconds)
        else:
            await world.advance(3)
        await world.advance(1)
        assert caller.outcome.error_type == error
        assert json.loads(caller.outcome.payload)["errorType"] == error
        assert world.platform.concurrency.total() == 0
        assert (await called(world)).response is None

    in_streaming(tmp_path, scenario)


@pytest.mark.parametrize("whole", [False, True])
def test_what_was_written_before_a_crash_arrives(tmp_path: Path, whole: bool) -> None:
    """Parts that are read behind the news of the end still reach the caller, and a response that is whole is one."""

    async def scenario(world: World) -> None:
        caller = await called(world)
        runtime = world.runtime
        runtime.request.on_exit(ProcessExit(code=1))
        runtime.stream(b"a")
        if whole:
            runtime.end_stream()
        runtime.disconnect()
        assert bool(caller.results) == whole
        await world.advance(world.limits.exit_drain_seconds)
        assert (caller.parts, caller.outcome.error_type) == ([b"a"], None if whole else "Runtime.ExitError")
        assert world.platform.concurrency.total() == 0
        runtime.ended = True
        assert (await called(world)).response is None

    in_streaming(tmp_path, scenario)


def test_a_slow_caller_makes_the_function_wait(tmp_path: Path) -> None:
    """While the caller does not read, the runtime is not read either; its time-out counts on."""

    async def scenario(world: World) -> None:
        caller = await called(world)
        world.runtime.stream(b"a")
        assert caller.response is not None
        caller.response.pause()
        assert world.runtime.held_back
        caller.response.resume()
        assert not world.runtime.held_back
        caller.response.pause()
        await world.advance(3)
        assert caller.outcome.error_type == "Sandbox.Timedout"

    in_streaming(tmp_path, scenario)


def test_a_caller_that_leaves_does_not_stop_the_function(tmp_path: Path) -> None:
    """What is sent to nobody is thrown away, and the environment takes the next event."""

    async def scenario(world: World) -> None:
        caller = await called(world)
        world.runtime.stream(b"a")
        assert caller.response is not None
        caller.response.pause()
        caller.response.abandon()
        assert not world.runtime.held_back
        world.runtime.stream_on(b"b")
        world.runtime.end_stream(then_next=True)
        await world.settle()
        assert (caller.parts, caller.outcome.function_error) == ([b"a"], None)
        await called(world)
        assert len(world.sandbox.runtimes) == 1

    in_streaming(tmp_path, scenario)


def test_what_is_beyond_the_burst_goes_at_the_rate(tmp_path: Path) -> None:
    """The burst passes at once; what follows makes the runtime wait as long as the rate asks, and no longer."""

    async def scenario(world: World) -> None:
        caller = await called(world)
        world.runtime.stream(b"x" * 10)
        assert not world.runtime.held_back
        world.runtime.stream_on(b"x" * 5)
        assert world.runtime.held_back
        await world.advance(0.4)
        assert world.runtime.held_back
        await world.advance(0.2)
        assert not world.runtime.held_back
        world.runtime.stream_on(b"x" * 5)
        assert world.runtime.held_back
        world.runtime.end_stream(then_next=True)  # was under way already
        await world.settle()
        assert not world.runtime.held_back
        assert len(b"".join(caller.parts)) == 20

    in_streaming(tmp_path, scenario, Limits(streamed_burst_bytes=10, streamed_bytes_per_second=10))


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 5)), min_size=1, max_size=40))
def test_the_rate_holds_whatever_comes(sent: list[tuple[int, float]]) -> None:
    """A runtime that is read whenever it may be never gets more through than burst, rate and one part allow."""
    clock, source, caller = VirtualClock(), Source(), Caller()
    limits = Limits(streamed_burst_bytes=100, streamed_bytes_per_second=10)
    response = StreamedResponse(source, caller, clock, limits)
    passed = 0
    for size, pause in sent:
        while source.paused:
            clock.advance(0.5)
        response.feed(b"x" * size)
        passed += size
        assert passed <= 100 + 10 * clock.monotonic() + size + 1e-6
        clock.advance(pause)
    response.close()
    assert not source.paused
    clock.advance(1_000)
    assert not source.paused
    assert len(b"".join(caller.parts)) == passed


class Telemetry:
    """Notes how many bytes an invocation is said to have produced."""

    def __init__(self) -> None:
        self.produced: list[int | None] = []

    def runtime_done(self, status: str, seconds: float, produced_bytes: int | None) -> None:
        del status, seconds
        self.produced.append(produced_bytes)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def test_telemetry_counts_what_was_streamed(tmp_path: Path) -> None:
    """Extensions are told how many bytes a response had, whether it was streamed or not."""
    telemetry = Telemetry()

    async def scenario(world: World) -> None:
        await called(world)
        (pool,) = world.pools.pools()
        (environment,) = cast("Any", pool)._environments
        environment._log.telemetry = telemetry
        world.runtime.stream(b"one", b"two")
        world.runtime.end_stream(then_next=True)
        await called(world)
        world.runtime.respond(b"12345", then_next=True)
        await world.settle()
        assert telemetry.produced == [6, 5]

    in_streaming(tmp_path, scenario)
