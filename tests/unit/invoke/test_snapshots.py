"""Versions with SnapStart: initialised once, restored ever after; time is virtual, the runtimes are played."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.world import VERSION, World, in_world

from midge.invoke.snapshot_maker import SnapshotFailure
from midge.invoke.snapshots import Snapshots
from midge.model.limits import Limits
from midge.sandbox.fake import FakeRuntime, FakeSandbox

RESTORED: dict[str, Any] = {"version": "1", "snap_start": True}
MADE = replace(VERSION, version="1", snap_start=True)


def play(runtime: FakeRuntime) -> None:
    """A runtime that initialises, or is restored, at once."""
    runtime.restore_next()
    if runtime.request.snapshot is not None:
        runtime.next()


def hang(runtime: FakeRuntime) -> None:
    """One whose initialisation, or whose hook after the restoration, never ends."""
    if runtime.request.snapshot is not None:
        runtime.restore_next()


def made_by(world: World) -> list[FakeRuntime]:
    """The runtimes that were started to be a snapshot."""
    return [runtime for runtime in world.sandbox.runtimes if runtime.request.snapshot is None]


async def make(world: World) -> None:
    snapshots = world.platform.snapshots
    assert isinstance(snapshots, Snapshots)
    making = asyncio.ensure_future(snapshots.make(world.platform, MADE, world.root, None))
    await world.settle()
    await making


def test_one_snapshot_for_all(tmp_path: Path) -> None:
    """A snapshot is made once; its REPORTs tell of a restoration and not of an initialisation, and only the first do."""

    async def scenario(world: World) -> None:
        world.put(**RESTORED)
        await make(world)
        target = world.target("1")
        calls = [world.call(target=target) for _ in range(2)]
        await world.settle()
        assert [call.outcome.payload for call in calls] == [b"{}", b"{}"]
        assert len(made_by(world)) == 1
        assert made_by(world)[0].request.environment["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
        again = world.call(target=target)
        await world.settle()
        assert again.ended
        reports = [line for line in await world.log() if line.startswith("REPORT")]
        assert len(reports) == 3
        assert sum("Restore Duration" in line for line in reports) == 2
        assert not any("Init Duration" in line for line in reports)
        assert sum(line.startswith("RESTORE_REPORT Restore Duration: 0.00 ms\n") for line in await world.log()) == 2

    in_world(tmp_path, scenario, FakeSandbox(on_start=play))


def test_made_again(tmp_path: Path) -> None:
    """A snapshot that is gone is made again by the next environment; with its version it ends."""

    async def scenario(world: World) -> None:
        world.put(**RESTORED)
        call = world.call(target=world.target("1"))
        await world.settle()
        assert call.ended
        (first,) = made_by(world)
        first.exit(0, 9)
        calls = [world.call(target=world.target("1")) for _ in range(2)]
        await world.settle()
        assert all(call.ended for call in calls)
        _, second = made_by(world)
        world.router.remove_version(MADE.function, "1")
        await world.settle()
        assert second.ended
        assert not world.sandbox.running()

    in_world(tmp_path, scenario, FakeSandbox(on_start=play))


def test_too_slow(tmp_path: Path) -> None:
    """An initialisation that does not end in 130 seconds makes no snapshot, and is ended."""

    async def scenario(world: World) -> None:
        snapshots = world.platform.snapshots
        assert isinstance(snapshots, Snapshots)
        making = asyncio.ensure_future(snapshots.make(world.platform, MADE, world.root, None))
        await world.settle()
        assert not making.done()
        assert world.clock.due_in() == 130.0
        await world.pass_time(130.5)
        assert making.done()
        with pytest.raises(SnapshotFailure, match="in time"):
            await making
        await world.settle()
        assert not world.sandbox.running()
        (line,) = [line for line in await world.log() if line.startswith("INIT_REPORT")]
        assert "Status: timeout" in line

    in_world(tmp_path, scenario, FakeSandbox(on_start=hang))


def test_hooks_that_take_too_long(tmp_path: Path) -> None:
    """Hooks after the restoration have ten seconds; then the caller gets SnapStartTimeoutException, and nobody retries."""

    async def scenario(world: World) -> None:
        world.put(**RESTORED)
        await make(world)
        world.sandbox.on_start = hang
        call = world.call(target=world.target("1"))
        await world.pass_time(9.9)
        assert not call.ended
        await world.pass_time(0.2)
        assert call.error.code == "SnapStartTimeoutException"
        assert len(world.sandbox.runtimes) == 2

    in_world(tmp_path, scenario, FakeSandbox(on_start=play))


def test_runtime_fails(tmp_path: Path) -> None:
    """What a runtime says of its initialisation is why there is no snapshot."""

    async def scenario(world: World) -> None:
        world.sandbox.on_start = lambda runtime: runtime.fail_init("Runtime.X", b'{"errorMessage": "broken"}')
        with pytest.raises(SnapshotFailure, match=r"Runtime\.X: broken"):
            await make(world)

    in_world(tmp_path, scenario, FakeSandbox())


def test_too_many(tmp_path: Path) -> None:
    """Beyond the limit the snapshot that was used longest ago and has no environment ends."""

    async def scenario(world: World) -> None:
        snapshots = world.platform.snapshots
        assert isinstance(snapshots, Snapshots)
        for number in ("1", "2", "3"):
            version = replace(MADE, version=number)
            making = asyncio.ensure_future(snapshots.make(world.platform, version, world.root, None))
            await world.settle()
            await making
        assert [runtime.ended for runtime in made_by(world)] == [True, False, False]

    in_world(tmp_path, scenario, FakeSandbox(on_start=play), replace(Limits(), snapshots=2))
