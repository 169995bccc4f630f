"""From names and qualifiers to targets."""

from dataclasses import replace
from pathlib import Path

import pytest
from unit.world import FUNCTION, VERSION, World, in_world

from midge.model.errors import ServiceError
from midge.model.functions import Alias, FunctionId


def alias(version: str, **weights: float) -> Alias:
    return Alias(
        function=FUNCTION,
        name="live",
        version=version,
        additional_version_weights={name.removeprefix("v"): share for name, share in weights.items()},
        revision_id="1",
    )


def knows(world: World, qualifier: str | None, function: FunctionId = FUNCTION) -> bool:
    return world.router.find(function, qualifier) is not None


def test_qualifiers_name_versions(tmp_path: Path) -> None:
    """No qualifier and $LATEST name $LATEST, a number its version; the ARN is qualified as the caller did it."""

    async def scenario(world: World) -> None:
        world.put()
        world.put(version="1")
        assert world.target().executed_version == b"$LATEST"
        assert world.target().invoked_arn == FUNCTION.arn
        assert world.target("$LATEST").invoked_arn == FUNCTION.arn + ":$LATEST"
        assert world.target("1").executed_version == b"1"

    in_world(tmp_path, scenario)


def test_the_unknown_is_not_found(tmp_path: Path) -> None:
    """Unknown functions, versions and aliases, and aliases of unknown versions, are nothing until they are put."""

    async def scenario(world: World) -> None:
        assert not knows(world, None)
        world.put()
        assert knows(world, None)
        assert not knows(world, "7")
        assert not knows(world, "live")
        assert not knows(world, None, replace(FUNCTION, region="us-east-1"))
        world.router.put_alias(alias("1", v2=0.5))
        assert not knows(world, "live")
        world.put(version="1")
        assert not knows(world, "live")
        world.put(version="2")
        assert knows(world, "live")

    in_world(tmp_path, scenario)


def test_a_pending_version_cannot_be_invoked(tmp_path: Path) -> None:
    """A version that is not active yet is a ResourceConflictException that names its state; becoming active mends it."""

    async def scenario(world: World) -> None:
        world.put(state="Pending")
        with pytest.raises(ServiceError, match="ResourceConflictException") as refused:
            world.router.find(FUNCTION, None)
        assert refused.value.message.endswith("The function is currently in the following state: Pending")
        world.put(state="Active")
        assert world.target().executed_version == b"$LATEST"

    in_world(tmp_path, scenario)


def test_weighted_aliases_split_by_the_random_number(tmp_path: Path) -> None:
    """Numbers below the share go to the additional version, all others to the main one."""

    async def scenario(world: World) -> None:
        world.put(version="1")
        world.put(version="2")
        world.router.put_alias(alias("1", v2=0.25))
        chosen: list[bytes] = []
        for number in (0.0, 0.2499, 0.25, 0.99):
            world.random = number
            chosen.append(world.target("live").executed_version)
        assert chosen == [b"2", b"2", b"1", b"1"]
        assert world.target("live").invoked_arn == FUNCTION.arn + ":live"

    in_world(tmp_path, scenario)


def test_changes_are_seen_at_once(tmp_path: Path) -> None:
    """A moved alias, a removed alias and a removed version take effect for the next look-up."""

    async def scenario(world: World) -> None:
        world.put(version="1")
        world.put(version="2")
        world.router.put_alias(alias("1"))
        assert world.target("live").executed_version == b"1"
        world.router.put_alias(alias("2"))
        assert world.target("live").executed_version == b"2"
        world.router.remove_alias(FUNCTION, "live")
        assert not knows(world, "live")
        world.router.remove_version(FUNCTION, "2")
        assert not knows(world, "2")
        world.router.remove_version(FUNCTION, "1")
        world.router.remove_version(FUNCTION, "1")
        assert not world.router._functions

    in_world(tmp_path, scenario)


def test_only_changes_that_matter_make_new_environments(tmp_path: Path) -> None:
    """A new description or revision keeps the warm environments; a new time-out does not."""

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        world.put(description="new", revision_id="2")
        await world.invoke()
        assert len(world.sandbox.runtimes) == 1
        world.put(timeout_seconds=VERSION.timeout_seconds + 1)
        await world.invoke()
        assert len(world.sandbox.runtimes) == 2
        assert not world.sandbox.running()[0].killed

    in_world(tmp_path, scenario)
