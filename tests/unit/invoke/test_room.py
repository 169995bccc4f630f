"""Room in memory for environments: who is ended for whom, who waits, and who is refused. On virtual time."""

from dataclasses import replace
from pathlib import Path

import pytest
from unit.world import FUNCTION, Call, World, in_world

from midge.invoke.invocation import Target
from midge.model.errors import ServiceError
from midge.model.limits import MIB, Limits
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox

TWO_FIT = Limits(functions_memory_mb=300, memory_wait_seconds=10.0, freeze_after_seconds=0.05)


def named(world: World, name: str, memory_size_mb: int = 128) -> Target:
    """A function of its own."""
    function = replace(FUNCTION, name=name)
    world.put(function=function, memory_size_mb=memory_size_mb, timeout_seconds=60)
    found = world.router.find(function, None)
    assert found is not None
    return found


def do_nothing(runtime: FakeRuntime, event: Event) -> None:
    """The test answers itself."""


def running(world: World) -> list[str]:
    names = [each.request.environment["AWS_LAMBDA_FUNCTION_NAME"] for each in world.sandbox.running()]
    return sorted(names)


def used(world: World, megabytes: int | None) -> None:
    """What the kernel says that every environment has used at most."""
    for runtime in world.sandbox.runtimes:
        runtime.memory_bytes = None if megabytes is None else megabytes * MIB


async def done(world: World, target: Target) -> Call:
    call = world.call(target=target)
    await world.settle()
    assert call.outcome.function_error is None
    return call


def answer(world: World, name: str) -> None:
    for runtime in world.sandbox.running():
        if runtime.request.environment["AWS_LAMBDA_FUNCTION_NAME"] == name:
            runtime.respond(b"1", then_next=True)


def test_the_environment_idle_longest_makes_room(tmp_path: Path) -> None:
    """For a third environment where two fit, that one is ended which was used longest ago, whoever's it is."""

    async def scenario(world: World) -> None:
        first, second, third = (named(world, name) for name in "abc")
        await done(world, first)
        await world.advance(0.01)
        await done(world, second)
        await world.advance(0.01)
        await done(world, first)
        await done(world, third)
        assert running(world) == ["a", "c"]
        assert world.platform.memory.budget.held_mb == 256

    in_world(tmp_path, scenario, limits=TWO_FIT)


def test_who_stands_still_makes_room_without_being_ended(tmp_path: Path) -> None:
    """Frozen environments are held to what they have used; to run they need the rest again, and others end for it."""

    async def scenario(world: World) -> None:
        first, second, third = (named(world, name) for name in "abc")
        await done(world, first)
        await done(world, second)
        used(world, 20)
        await world.advance(0.2)
        await done(world, third)
        assert running(world) == ["a", "b", "c"]
        assert world.platform.memory.budget.held_mb == 168
        used(world, 20)
        await done(world, first)
        assert running(world) == ["a", "b", "c"]
        assert world.platform.memory.budget.held_mb == 128 + 20 + 128
        await world.advance(0.2)
        await done(world, second)
        assert world.platform.memory.budget.held_mb <= 300

    in_world(tmp_path, scenario, limits=TWO_FIT)


@pytest.mark.parametrize("megabytes", [None, 200])
def test_whose_use_is_unknown_or_all_holds_all(tmp_path: Path, megabytes: int | None) -> None:
    """Where nobody counts what a frozen environment has used, it counts as a whole and is ended; never as more."""

    async def scenario(world: World) -> None:
        targets = [named(world, name) for name in "abc"]
        await done(world, targets[0])
        await done(world, targets[1])
        used(world, megabytes)
        await world.advance(0.2)
        await done(world, targets[2])
        assert len(running(world)) == 2
        assert world.platform.memory.budget.held_mb == 256

    in_world(tmp_path, scenario, limits=TWO_FIT)


def test_who_finds_no_room_waits_for_it(tmp_path: Path) -> None:
    """While all run the third call waits, and runs as soon as one has answered; nothing fails and nobody is ended early."""

    async def scenario(world: World) -> None:
        calls = [world.call(target=named(world, name)) for name in "abc"]
        await world.settle()
        assert running(world) == ["a", "b"]
        assert world.platform.memory.budget.waiting == 1
        answer(world, "a")
        await world.settle()
        assert running(world) == ["b", "c"]
        answer(world, "b")
        answer(world, "c")
        await world.settle()
        assert all(call.outcome.function_error is None for call in calls)

    in_world(tmp_path, scenario, FakeSandbox(do_nothing), TWO_FIT)


def test_a_function_without_pause_does_not_starve_another(tmp_path: Path) -> None:
    """Calls that came after somebody began to wait for memory do not get the environment that he could have."""

    async def scenario(world: World) -> None:
        busy, other = named(world, "a", 256), named(world, "b", 256)
        calls = [world.call(target=busy)]
        await world.settle()
        waits = world.call(target=other)
        calls.append(world.call(target=busy))
        answer(world, "a")
        await world.settle()
        assert running(world) == ["b"]
        answer(world, "b")
        await world.settle()
        assert waits.outcome.function_error is None
        assert running(world) == ["a"]
        answer(world, "a")
        await world.settle()
        assert all(call.outcome.function_error is None for call in calls)

    in_world(tmp_path, scenario, FakeSandbox(do_nothing), TWO_FIT)


def test_who_waits_too_long_is_refused_with_advice(tmp_path: Path) -> None:
    """After the limit the answer is a 429 that names the memory and says when to try again; the place is given back."""

    async def scenario(world: World) -> None:
        call = world.call(target=named(world, "a", 300))
        waits = world.call(target=named(world, "b"))
        await world.settle()
        await world.advance(9.0)
        assert not waits.ended
        await world.advance(2.0)
        assert (waits.error.code, waits.error.fields["retryAfterSeconds"]) == ("TooManyRequestsException", "10")
        assert "128 MB" in waits.error.message
        assert world.platform.concurrency.total() == 1
        assert world.metrics.function("b").throttles == 1
        answer(world, "a")
        await world.settle()
        assert call.outcome.function_error is None

    in_world(tmp_path, scenario, FakeSandbox(do_nothing), TWO_FIT)


def test_the_number_of_those_who_wait_is_bounded(tmp_path: Path) -> None:
    """One more is refused at once."""

    async def scenario(world: World) -> None:
        target = named(world, "a", 300)
        world.call(target=target)
        world.call(target=target)
        with pytest.raises(ServiceError) as refused:
            world.call(target=target)
        assert refused.value.code == "TooManyRequestsException"
        assert world.platform.concurrency.total() == 2

    in_world(tmp_path, scenario, FakeSandbox(do_nothing), replace(TWO_FIT, memory_waiting=1))


def test_what_never_fits_is_refused_by_name(tmp_path: Path) -> None:
    """A function larger than all there is does not wait: the error says how much there is."""

    async def scenario(world: World) -> None:
        with pytest.raises(ServiceError) as refused:
            world.call(target=named(world, "a", 301))
        assert refused.value.code == "ServiceException"
        assert "301 MB" in refused.value.message
        assert "300 MB" in refused.value.message
        assert world.platform.concurrency.total() == 0

    in_world(tmp_path, scenario, limits=TWO_FIT)


def test_provisioned_environments_are_not_ended_for_others(tmp_path: Path) -> None:
    """They hold all of their memory, idle and frozen; what is provisioned beyond what fits has failed, and is tried again."""

    async def scenario(world: World) -> None:
        world.put(version="1")
        world.router.provision(FUNCTION, {"1": 2})
        await world.settle()
        used(world, 10)
        await world.advance(0.2)
        waits = world.call(target=named(world, "b"))
        await world.settle()
        assert not waits.ended
        await world.advance(11.0)
        assert waits.error.code == "TooManyRequestsException"
        world.router.provision(FUNCTION, {"1": 3})
        await world.settle()
        assert not world.router.provisioned(FUNCTION, "1").failed
        await world.advance(11.0)
        assert world.router.provisioned(FUNCTION, "1").failed
        world.router.provision(FUNCTION, {"1": 1})
        await world.settle()
        await done(world, named(world, "b"))
        assert running(world) == ["b", "work"]

    in_world(tmp_path, scenario, limits=TWO_FIT)


def test_an_update_and_the_end_leave_nobody_waiting(tmp_path: Path) -> None:
    """Who waits for memory is served by the version it called after an update, and answered when midge ends."""

    async def scenario(world: World) -> None:
        holder = world.call(target=named(world, "a", 300))
        old = world.call(target=named(world, "b", 128))
        new = world.call(target=named(world, "b", 129))
        await world.settle()
        answer(world, "a")
        await world.settle()
        assert holder.ended
        assert [each.request.memory_size_mb for each in world.sandbox.running()] == [128, 129]
        answer(world, "b")
        await world.settle()
        assert old.outcome.function_error is None
        assert new.outcome.function_error is None
        world.call(target=named(world, "c", 300))
        last = world.call(target=named(world, "d", 300))
        await world.settle()
        await world.close_pools()
        assert last.error.code == "ServiceException"
        assert world.platform.memory.budget.held_mb == 0
        assert world.platform.memory.budget.waiting == 0

    in_world(tmp_path, scenario, FakeSandbox(do_nothing), TWO_FIT)
