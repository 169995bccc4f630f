"""Pools: which environment runs what, when new ones are made, when old ones go."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from unit.world import FUNCTION, World, in_world

from midge.invoke.provisioned import ProvisionedEnvironments
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox, do_nothing


def answer(runtime: FakeRuntime, event: Event) -> None:
    """Answer, and do not ask for more: the test does."""
    runtime.respond(event.payload)


def test_one_environment_serves_calls_that_follow_each_other(tmp_path: Path) -> None:
    """Calls one after the other run in one environment."""

    async def scenario(world: World) -> None:
        world.put()
        for number in range(5):
            assert (await world.invoke(b"%d" % number)).payload == b"%d" % number
        assert len(world.sandbox.runtimes) == 1
        assert world.metrics.function("work").cold_starts == 1

    in_world(tmp_path, scenario)


def test_calls_at_once_get_environments_of_their_own(tmp_path: Path) -> None:
    """As many environments are made as calls are there at once."""

    async def scenario(world: World) -> None:
        world.put()
        calls = [world.call() for _ in range(5)]
        await world.settle()
        assert all(call.ended for call in calls)
        assert len(world.sandbox.runtimes) == 5

    in_world(tmp_path, scenario)


def test_the_environment_used_last_is_used_first(tmp_path: Path) -> None:
    """Of several idle environments the one that became idle last runs the next call."""

    async def scenario(world: World) -> None:
        world.put()
        for _ in range(3):
            world.call()
        await world.settle()
        runtimes = world.sandbox.runtimes
        for number in (1, 0, 2):
            runtimes[number].respond(b"{}", then_next=True)
        await world.settle()
        world.call()
        await world.settle()
        assert [len(runtime.events) for runtime in runtimes] == [1, 1, 2]

    in_world(tmp_path, scenario, FakeSandbox(do_nothing))


def test_a_waiting_call_takes_whichever_environment_is_first(tmp_path: Path) -> None:
    """A call that waits for a new environment runs in an old one that becomes free before."""

    async def scenario(world: World) -> None:
        world.put()
        world.call(b"1")
        await world.settle()
        world.sandbox.on_start = lambda runtime: None
        waiting = world.call(b"2")
        await world.settle()
        first = world.sandbox.runtimes[0]
        first.respond(b"1", then_next=True)
        await world.settle()
        first.respond(b"2", then_next=True)
        await world.settle()
        assert waiting.outcome.payload == b"2"
        assert len(world.sandbox.runtimes) == 2

    in_world(tmp_path, scenario, FakeSandbox(do_nothing))


def test_an_environment_about_to_ask_is_waited_for_a_little(tmp_path: Path) -> None:
    """A call that comes between an answer and the next GET /next waits for that environment before a new one is made."""

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        second = world.call()
        await world.settle()
        assert len(world.sandbox.runtimes) == 1
        world.runtime.next()
        await world.settle()
        assert second.ended
        third = world.call()
        await world.advance(world.limits.next_request_grace_seconds * 2 + 0.001)
        assert third.ended
        assert len(world.sandbox.runtimes) == 2

    in_world(tmp_path, scenario, FakeSandbox(answer))


def test_concurrency_has_a_limit(tmp_path: Path) -> None:
    """Calls above the account's limit are throttled in AWS's words, and a place given back can be taken again."""

    async def scenario(world: World) -> None:
        world.put()
        calls = [world.call(), world.call()]
        with pytest.raises(ServiceError) as caught:
            world.call()
        assert caught.value.code == "TooManyRequestsException"
        assert caught.value.message == "Rate Exceeded."
        assert caught.value.fields["Reason"] == "ConcurrentInvocationLimitExceeded"
        await world.settle()
        world.sandbox.runtimes[0].respond(b"{}", then_next=True)
        await world.settle()
        calls.append(world.call())
        assert world.metrics.function("work").throttles == 1
        assert world.platform.concurrency.total() == 2

    in_world(tmp_path, scenario, FakeSandbox(do_nothing), Limits(account_concurrency=2))


def test_versions_share_what_is_reserved(tmp_path: Path) -> None:
    """All versions of a function together run what is reserved, others what is left; each throttle gives its reason."""

    def reason(world: World, version: str) -> str:
        with pytest.raises(ServiceError) as caught:
            world.call(target=world.target(version))
        assert caught.value.code == "TooManyRequestsException"
        return caught.value.fields["Reason"]

    async def scenario(world: World) -> None:
        world.put()
        world.put(version="1")
        world.router.reserve(FUNCTION, 2)
        world.call(target=world.target("1"))
        world.call()
        assert {reason(world, "1"), reason(world, "$LATEST")} == {"ReservedFunctionConcurrentInvocationLimitExceeded"}
        other = replace(FUNCTION, name="other")
        world.put(function=other)
        target = world.router.find(other, None)
        assert target is not None
        world.call(target=target)
        with pytest.raises(ServiceError) as caught:
            world.call(target=target)
        assert caught.value.fields["Reason"] == "ConcurrentInvocationLimitExceeded"

    in_world(tmp_path, scenario, FakeSandbox(do_nothing), Limits(account_concurrency=3))


def test_a_reservation_of_nothing_switches_off(tmp_path: Path) -> None:
    """With 0 reserved no call is let in, what runs goes on, and without the reservation calls are let in again."""

    async def scenario(world: World) -> None:
        world.put()
        running = world.call(b"1")
        await world.settle()
        world.router.reserve(FUNCTION, 0)
        with pytest.raises(ServiceError):
            world.call()
        world.put(memory_size_mb=256)
        with pytest.raises(ServiceError):
            world.call()
        world.runtime.respond(b"1")
        await world.settle()
        assert running.outcome.payload == b"1"
        world.router.reserve(FUNCTION, None)
        world.call()
        assert world.platform.concurrency.total() == 1

    in_world(tmp_path, scenario, FakeSandbox(do_nothing))


def test_idle_environments_are_reaped(tmp_path: Path) -> None:
    """An environment unused for the limit's time is ended; one in use is not."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=900)
        for _ in range(2):
            world.call()
        await world.settle()
        world.sandbox.on_event = do_nothing
        busy = world.call()
        await world.advance(world.limits.idle_environment_seconds * 1.2)
        assert [runtime.killed for runtime in world.sandbox.runtimes] == [True, False]
        assert not busy.ended

    in_world(tmp_path, scenario)


def test_an_idle_environment_that_ends_is_forgotten(tmp_path: Path) -> None:
    """When an idle environment's process ends, the next call gets a new one."""

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        world.runtime.exit(1)
        assert (await world.invoke(b"2")).payload == b"2"
        assert len(world.sandbox.runtimes) == 2

    in_world(tmp_path, scenario)


def test_an_environment_that_hangs_up_is_not_used(tmp_path: Path) -> None:
    """When the connection with the hanging GET /next is lost, a call does not go there; asking again makes it usable."""

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        world.runtime.disconnect()
        call = world.call(b"2")
        await world.settle()
        assert not call.ended
        world.runtime.next()
        await world.settle()
        assert call.outcome.payload == b"2"
        assert len(world.sandbox.runtimes) == 1

    in_world(tmp_path, scenario)


def test_a_changed_version_drains_its_old_environments(tmp_path: Path) -> None:
    """After an update new calls run in new environments; a running one ends undisturbed and its environment goes."""

    async def scenario(world: World) -> None:
        world.put()
        old = world.call(b"old")
        await world.settle()
        world.put(memory_size_mb=256)
        new = world.call(b"new")
        await world.settle()
        first, second = world.sandbox.runtimes
        assert second.request.memory_size_mb == 256
        for runtime in (second, first):
            runtime.respond(runtime.events[-1].payload, then_next=True)
        await world.settle()
        assert old.outcome.payload == b"old"
        assert new.outcome.payload == b"new"
        assert [runtime.killed for runtime in (first, second)] == [True, False]

    in_world(tmp_path, scenario, FakeSandbox(do_nothing))


def test_a_call_that_waits_survives_an_update(tmp_path: Path) -> None:
    """A call that was accepted before an update and still waits for its environment is run."""

    async def scenario(world: World) -> None:
        world.put()
        call = world.call(b"old")
        world.put(memory_size_mb=256)
        await world.settle()
        assert call.outcome.payload == b"old"
        assert world.sandbox.runtimes[0].killed

    in_world(tmp_path, scenario)


def test_provisioned_environments_are_there_before_anybody_calls(tmp_path: Path) -> None:
    """As many as are provisioned are initialised, told so, kept beyond the idle time, and replaced when they end."""

    async def scenario(world: World) -> None:
        world.put(version="1")
        world.router.provision(FUNCTION, {"1": 2})
        await world.settle()
        assert len(world.sandbox.running()) == 2
        kinds = {each.request.environment["AWS_LAMBDA_INITIALIZATION_TYPE"] for each in world.sandbox.runtimes}
        assert kinds == {"provisioned-concurrency"}
        assert world.router.provisioned(FUNCTION, "1") == ProvisionedEnvironments(available=2, failed=False)
        calls = [world.call(target=world.target("1")) for _ in range(3)]
        await world.settle()
        assert all(call.ended for call in calls)
        spilled = world.runtime.request.environment["AWS_LAMBDA_INITIALIZATION_TYPE"]
        assert (len(world.sandbox.runtimes), spilled) == (3, "on-demand")
        await world.advance(world.limits.idle_environment_seconds * 1.2)
        assert len(world.sandbox.running()) == 2
        call = world.call(target=world.target("1"))
        await world.settle()
        assert call.ended
        world.router.provision(FUNCTION, {})
        await world.advance(world.limits.idle_environment_seconds * 1.2)
        assert world.sandbox.running() == []

    in_world(tmp_path, scenario)


def test_provisioned_code_that_cannot_start_is_tried_again_later(tmp_path: Path) -> None:
    """A failed initialisation, or an idle process that ends, is told as failed; the next attempt comes after a pause."""

    async def scenario(world: World) -> None:
        world.put(version="1")
        world.router.provision(FUNCTION, {"1": 2})
        await world.settle()
        for attempt in range(3):
            assert len(world.sandbox.runtimes) == 2 + attempt
            world.runtime.exit(1)
            await world.settle()
            assert world.router.provisioned(FUNCTION, "1") == ProvisionedEnvironments(available=1, failed=True)
            await world.advance(world.limits.provisioned_retry_seconds)
            assert world.router.provisioned(FUNCTION, "1") == ProvisionedEnvironments(available=2, failed=False)
        assert len(world.sandbox.running()) == 2

    in_world(tmp_path, scenario)


def test_closing_while_environments_start_leaves_nothing(tmp_path: Path) -> None:
    """Closing ends environments that are still being started, and answers who waits for them."""
    entered = asyncio.Event()

    class Slow(FakeSandbox):
        async def expect(self, runtime: str, task_root: Path) -> None:
            entered.set()

    async def scenario(world: World) -> None:
        world.put()
        call = world.call()
        await world.pools.close()
        await world.settle()
        assert call.error.code == "ServiceException"
        assert not world.sandbox.running()

    in_world(tmp_path, scenario, Slow())


def test_the_rate_of_requests_is_limited(tmp_path: Path) -> None:
    """Ten a second for each place, in AWS's words; events that nobody waits for are not counted."""

    async def scenario(world: World) -> None:
        world.put()
        for _ in range(20):
            assert (await world.invoke()).function_error is None
        with pytest.raises(ServiceError) as refused:
            world.call()
        fields = refused.value.fields
        assert fields["Reason"] == "FunctionInvocationRateLimitExceeded"
        assert fields["retryAfterSeconds"] == "1"
        call = world.call(asynchronous=True)
        await world.settle()
        assert call.outcome.function_error is None
        await world.advance(0.1)
        assert (await world.invoke()).function_error is None
        assert world.metrics.function("work").throttles == 1

    in_world(tmp_path, scenario, limits=Limits(account_concurrency=2))


def test_a_function_grows_at_a_limited_rate(tmp_path: Path) -> None:
    """Calls that need another environment than may be made are throttled; those that find one, or wait for one that
    is there, are not.
    """

    async def scenario(world: World) -> None:
        world.put()
        calls = [world.call() for _ in range(2)]
        with pytest.raises(ServiceError) as refused:
            world.call()
        assert refused.value.fields["Reason"] == "ConcurrentInvocationLimitExceeded"
        assert refused.value.fields["retryAfterSeconds"] == "5"
        await world.settle()
        assert all(call.ended for call in calls)
        await world.invoke()
        assert len(world.sandbox.runtimes) == 2
        await world.advance(5.0)
        calls = [world.call() for _ in range(3)]
        with pytest.raises(ServiceError):
            world.call()
        await world.settle()
        assert all(call.ended for call in calls)
        assert len(world.sandbox.runtimes) == 3

    in_world(tmp_path, scenario, limits=Limits(scaling_environments=2))


def test_idle_provisioned_environments_take_places_from_others(tmp_path: Path) -> None:
    """What is provisioned for one version is not there for another, called or not."""

    async def scenario(world: World) -> None:
        world.put()
        world.put(version="1")
        world.router.provision(FUNCTION, {"1": 1})
        await world.settle()
        first = world.call()
        with pytest.raises(ServiceError):
            world.call()
        second = world.call(target=world.target("1"))
        await world.settle()
        assert first.ended
        assert second.ended
        world.router.provision(FUNCTION, {})
        world.call()
        world.call()

    in_world(tmp_path, scenario, limits=Limits(account_concurrency=2))
