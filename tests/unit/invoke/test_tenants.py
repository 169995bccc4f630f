"""Environments of functions with tenant isolation: shared by nobody, bounded together, forgotten when unused."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.world import VERSION, World, in_world

from midge.invoke.invocation import Invocation
from midge.invoke.outcome import Outcome
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox, do_nothing

ISOLATED = replace(VERSION, tenant_isolation="PER_TENANT")


def call(world: World, tenant: bytes | None, payload: bytes = b"{}") -> list[Outcome | ServiceError]:
    """Invoke for a tenant; the results, when there are any."""
    target = world.router.find(ISOLATED.function, None)
    assert target is not None
    results: list[Outcome | ServiceError] = []
    target.pool.submit(Invocation(target, world.ids.request_id(), b"trace", payload, results.append, tenant_id=tenant))
    return results


def put(world: World) -> None:
    world.router.put_version(ISOLATED, Path("/package"))


def tenants_of(world: World) -> list[set[str]]:
    """By environment, whom it has served."""
    return [
        {event.headers["lambda-runtime-aws-tenant-id"] for event in runtime.events}
        for runtime in world.sandbox.runtimes
    ]


def test_environments_serve_one_tenant(tmp_path: Path) -> None:
    """Each tenant has environments of its own, which serve it again, and nobody else even where they are idle."""

    async def scenario(world: World) -> None:
        put(world)
        for tenant in (b"blue", b"green", b"blue", b"green", b"blue"):
            results = call(world, tenant)
            await world.settle()
            assert isinstance(results[0], Outcome)
        assert tenants_of(world) == [{"blue"}, {"green"}]

    in_world(tmp_path, scenario)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.booleans()), max_size=25))
def test_no_order_of_calls_mixes_tenants(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[bytes, bool]]
) -> None:
    """Whoever calls, at once or one after the other, no environment ever sees two tenants and everybody is answered."""

    async def scenario(world: World) -> None:
        put(world)
        answered: list[list[Outcome | ServiceError]] = []
        for tenant, wait in calls:
            answered.append(call(world, tenant, b'"%b"' % tenant))
            if wait:
                await world.settle()
        await world.settle()
        assert [result.payload for (result,) in answered if isinstance(result, Outcome)] == [
            b'"%b"' % tenant for tenant, _ in calls
        ]
        assert all(len(tenants) <= 1 for tenants in tenants_of(world))

    in_world(tmp_path_factory.mktemp("world"), scenario)


def test_a_tenant_has_to_be_named(tmp_path: Path) -> None:
    """Without one the invocation is refused in AWS's words, and nothing is counted as running."""

    async def scenario(world: World) -> None:
        put(world)
        with pytest.raises(ServiceError, match=r"enabled with tenancy configuration\. Add a valid tenant ID"):
            call(world, None)
        assert world.sandbox.runtimes == []
        assert world.platform.concurrency.total() == 0

    in_world(tmp_path, scenario)


def test_environments_of_all_tenants_together_are_bounded(tmp_path: Path) -> None:
    """Idle ones count; who has an idle one is served all the same; room is made when idle ones have been ended."""
    limits = Limits(tenant_environments=2)

    async def scenario(world: World) -> None:
        put(world)
        for tenant in (b"a", b"b"):
            call(world, tenant)
            await world.settle()
        with pytest.raises(ServiceError) as refused:
            call(world, b"c")
        assert refused.value.code == "TooManyRequestsException"
        assert isinstance(call(world, b"a"), list)
        await world.settle()
        await world.advance(world.limits.idle_environment_seconds * 1.2)
        assert world.sandbox.running() == []
        results = call(world, b"c")
        await world.settle()
        assert isinstance(results[0], Outcome)

    in_world(tmp_path, scenario, limits=limits)


def test_unused_tenants_are_forgotten(tmp_path: Path) -> None:
    """A tenant without environments leaves nothing behind, however many there were."""

    async def scenario(world: World) -> None:
        put(world)
        for number in range(50):
            call(world, b"tenant-%d" % number)
            await world.settle()
        assert len(world.pools.pools()) == 50
        for _ in range(3):
            await world.advance(world.limits.idle_environment_seconds)
        assert world.pools.pools() == []

    in_world(tmp_path, scenario)


def test_a_new_configuration_ends_every_tenant_s_environments(tmp_path: Path) -> None:
    """After an update all tenants get new environments, and what was running is finished."""
    held: list[tuple[FakeRuntime, Event]] = []
    sandbox = FakeSandbox(on_event=lambda runtime, event: held.append((runtime, event)))

    async def scenario(world: World) -> None:
        put(world)
        results = call(world, b"a", b'"old"')
        await world.settle()
        world.router.put_version(replace(ISOLATED, memory_size_mb=256), Path("/package"))
        newer = call(world, b"a", b'"new"')
        await world.settle()
        assert len(world.sandbox.runtimes) == 2
        for runtime, event in held:
            runtime.respond(event.payload, then_next=True)
        await world.settle()
        assert [result.payload for result in (*results, *newer) if isinstance(result, Outcome)] == [b'"old"', b'"new"']
        assert [runtime.request.memory_size_mb for runtime in world.sandbox.running()] == [256]

    in_world(tmp_path, scenario, sandbox)


def test_a_stop_ends_every_tenant_s_invocations(tmp_path: Path) -> None:
    """When midge ends, whoever waits is answered."""
    results: list[list[Outcome | ServiceError]] = []

    async def scenario(world: World) -> None:
        put(world)
        results.extend(call(world, tenant) for tenant in (b"a", b"b"))
        await world.settle()

    in_world(tmp_path, scenario, FakeSandbox(on_event=do_nothing))
    assert all(isinstance(result, ServiceError) for (result,) in results)
