"""The watch: idle environments stand still, long computations are held to their share. On virtual time."""

from pathlib import Path

from unit.world import FUNCTION, World, in_world

from midge.clock import VirtualClock
from midge.invoke.watch import Watch
from midge.model.limits import Limits
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox, do_nothing

LIMITS = Limits()
A_WHILE_SECONDS = LIMITS.freeze_after_seconds + LIMITS.environment_watch_seconds


def frozen(world: World) -> list[bool]:
    return [runtime.frozen for runtime in world.sandbox.runtimes]


def test_an_idle_environment_stands_still_until_its_next_event(tmp_path: Path) -> None:
    """It is frozen a moment after it became ready, thawed for an event before it gets it, and frozen again."""

    async def scenario(world: World) -> None:
        world.put()
        for _ in range(3):
            await world.invoke()  # the fake refuses an event while it is frozen
            assert frozen(world) == [False]
            await world.advance(A_WHILE_SECONDS)
            assert frozen(world) == [True]
            assert b"midge_frozen_environments 1" in world.metrics.render()

    in_world(tmp_path, scenario)


def test_calls_that_follow_each_other_at_once_find_it_awake(tmp_path: Path) -> None:
    """Time that it spends working does not count as idle."""

    async def scenario(world: World) -> None:
        world.put()
        for _ in range(10):
            await world.invoke()
            await world.advance(LIMITS.freeze_after_seconds * 0.9)
            assert frozen(world) == [False]

    in_world(tmp_path, scenario)


def test_provisioned_environments_stand_still_too(tmp_path: Path) -> None:
    """What was initialised before anybody called waits frozen."""

    async def scenario(world: World) -> None:
        world.put(version="1")
        world.router.provision(FUNCTION, {"1": 2})
        await world.settle()
        await world.advance(A_WHILE_SECONDS)
        assert frozen(world) == [True, True]

    in_world(tmp_path, scenario)


def test_a_busy_environment_is_never_frozen_and_its_computation_is_held(tmp_path: Path) -> None:
    """An invocation has the free CPU for a moment, then its share, and the next one begins anew."""

    async def scenario(world: World) -> None:
        world.put()
        world.call()
        await world.settle()
        (runtime,) = world.sandbox.runtimes
        assert not runtime.cpu_held
        await world.advance(LIMITS.cpu_burst_seconds + LIMITS.environment_watch_seconds)
        assert (runtime.cpu_held, runtime.frozen) == (True, False)
        runtime.respond(b"{}")
        assert runtime.cpu_held  # what it does after its answer is the invocation's as well
        runtime.next()
        assert not runtime.cpu_held

    in_world(tmp_path, scenario, FakeSandbox(on_event=do_nothing))


def test_a_frozen_environment_ends_like_any_other(tmp_path: Path) -> None:
    """Reaping, and a runtime that hangs up, find it frozen and do what they do."""

    def hang_up(runtime: FakeRuntime, event: Event) -> None:
        runtime.respond(event.payload, then_next=True)

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        await world.advance(A_WHILE_SECONDS)
        (runtime,) = world.sandbox.runtimes
        runtime.disconnect()
        assert not runtime.frozen
        runtime.next()
        await world.advance(A_WHILE_SECONDS)
        assert runtime.frozen
        await world.advance(world.limits.idle_environment_seconds * 1.2)
        assert runtime.ended

    in_world(tmp_path, scenario, FakeSandbox(on_event=hang_up))


class Sleeper:
    """Wants to be looked after ``times``."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.seen: list[float] = []

    def attend(self, now: float) -> bool:
        self.seen.append(now)
        return len(self.seen) < self.times


def test_many_are_looked_after_in_turn() -> None:
    """At most so many at a time, each as often as any other, and nobody once nobody wants to."""
    clock, limits = VirtualClock(), Limits(environment_watch_count=4, environment_watch_seconds=1.0)
    watch = Watch(clock, limits)
    sleepers = [Sleeper(2) for _ in range(10)]
    for sleeper in sleepers:
        watch.add(sleeper)
    clock.advance(1.0)
    assert sum(len(sleeper.seen) for sleeper in sleepers) == 4
    clock.advance(4.0)
    assert [len(sleeper.seen) for sleeper in sleepers] == [2] * 10
    clock.advance(100.0)
    assert [len(sleeper.seen) for sleeper in sleepers] == [2] * 10
