"""The Store port's contract about layers, held by every implementation."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract.test_store import ACCOUNT, REGION, Runner, Scenario, latest, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.model.functions import Code, FunctionLayer
from midge.model.layers import LayerId, LayerVersion
from midge.model.policies import PolicyStatement
from midge.store.errors import BadMarkerError, MissingError, StaleError, StoreError, StoreUnavailableError
from midge.store.memory import MemoryStore
from midge.store.paging import encode_marker
from midge.store.port import Compatible, Store, Usage

ANY = Compatible()
STATEMENT = PolicyStatement(sid="s", principals={"*": ("*",)}, actions=("lambda:GetLayerVersion",))


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """Runs a scenario against a new, empty store."""

    async def main(scenario: Scenario) -> None:
        async with opened(request.param, tmp_path) as store:
            await scenario(store)

    return lambda scenario: asyncio.run(main(scenario))


def layer_id(name: str = "l", region: str = REGION, account: str = ACCOUNT) -> LayerId:
    return LayerId(account=account, region=region, name=name)


def draft(layer: LayerId | None = None, *, digest: str = "cd", size: int = 10, **more: Any) -> LayerVersion:
    return LayerVersion(
        layer=layer or layer_id(),
        code=Code(digest=digest * 32, sha256="zc0=", size_bytes=size, unzipped_bytes=30, extensions=("x",)),
        created_date="2026-11-23T19:00:00.000+0000",
        **more,
    )


async def numbers(store: Store, wanted: Compatible = ANY, marker: str | None = None, count: int = 50) -> list[int]:
    return [version.number for version in (await store.list_layer_versions(layer_id(), wanted, marker, count)).items]


async def newest(store: Store, wanted: Compatible = ANY) -> list[tuple[str, int]]:
    found = await store.list_layers(ACCOUNT, REGION, wanted, None, 50)
    return [(version.layer.name, version.number) for version in found.items]


def test_what_was_published_is_read_back_unchanged(run: Runner) -> None:
    """A version comes back equal in every field, under the number that it was given; a stranger is None."""

    async def scenario(store: Store) -> None:
        given = draft(
            description="ü",
            compatible_runtimes=("python3.12", "nodejs22.x"),
            compatible_architectures=("arm64",),
            license_info="MIT",
            statements=(STATEMENT,),
            revision_id="r",
        )
        published = await store.publish_layer_version(given)
        assert published == replace(given, number=1)
        assert await store.layer_version(layer_id(), 1) == published
        for layer, number in [(layer_id(), 2), (layer_id("m"), 1), (layer_id(region="eu-west-1"), 1)]:
            assert await store.layer_version(layer, number) is None
        assert await store.layer_version(layer_id(account="1" * 12), 1) is None
        assert await store.layer_version(layer_id(), 2**70) is None

    run(scenario)


def test_numbers_rise_and_are_never_given_twice(run: Runner) -> None:
    """Each layer counts for itself from 1, also for many at once, and goes on after all of its versions are gone."""

    async def scenario(store: Store) -> None:
        many = await asyncio.gather(*(store.publish_layer_version(draft()) for _ in range(20)))
        assert sorted(version.number for version in many) == list(range(1, 21))
        for number in range(1, 21):
            await store.delete_layer_version(layer_id(), number)
        assert await newest(store) == []
        assert (await store.publish_layer_version(draft())).number == 21
        assert (await store.publish_layer_version(draft(layer_id("m")))).number == 1

    run(scenario)


def test_versions_are_listed_newest_first(run: Runner) -> None:
    """Pages go from the newest to the oldest, without gaps while others publish and delete; a full page may be the last."""

    async def scenario(store: Store) -> None:
        for _ in range(5):
            await store.publish_layer_version(draft())
        await store.publish_layer_version(draft(layer_id("l2")))
        first = await store.list_layer_versions(layer_id(), ANY, None, 2)
        assert [version.number for version in first.items] == [5, 4]
        await store.publish_layer_version(draft())
        await store.delete_layer_version(layer_id(), 4)
        second = await store.list_layer_versions(layer_id(), ANY, first.next_marker, 3)
        assert [version.number for version in second.items] == [3, 2, 1]
        assert second.next_marker is None

    run(scenario)


def test_layers_are_listed_by_name_with_their_newest_version(run: Runner) -> None:
    """One entry for each layer of the account and region, its newest version; pages follow each other by name."""

    async def scenario(store: Store) -> None:
        for name in ("c", "a", "b"):
            for _ in range(11):
                await store.publish_layer_version(draft(layer_id(name)))
        await store.publish_layer_version(draft(layer_id(region="eu-west-1")))
        await store.delete_layer_version(layer_id("b"), 11)
        assert await newest(store) == [("a", 11), ("b", 10), ("c", 11)]
        first = await store.list_layers(ACCOUNT, REGION, ANY, None, 2)
        assert [version.layer.name for version in first.items] == ["a", "b"]
        rest = await store.list_layers(ACCOUNT, REGION, ANY, first.next_marker, 2)
        assert [version.layer.name for version in rest.items] == ["c"]
        assert rest.next_marker is None

    run(scenario)


def test_listings_can_be_narrowed_to_what_is_compatible(run: Runner) -> None:
    """Runtime and architecture both count; of a layer the newest version that fits is shown, and pages count what fits."""

    async def scenario(store: Store) -> None:
        made = [
            ("python3.12", "x86_64"), ("python3.12", "arm64"), ("nodejs22.x", "x86_64"), ("nodejs22.x", "arm64"),
        ]  # fmt: skip
        for runtime, architecture in made:
            await store.publish_layer_version(
                draft(compatible_runtimes=(runtime, "ruby3.4"), compatible_architectures=(architecture,))
            )
        await store.publish_layer_version(draft())  # says nothing: is compatible with nothing that one can ask for
        await store.publish_layer_version(draft(layer_id("m"), compatible_runtimes=("nodejs22.x",)))
        python, arm = Compatible(runtime="python3.12"), Compatible(architecture="arm64")
        both = Compatible(runtime="python3.12", architecture="arm64")
        assert await numbers(store) == [5, 4, 3, 2, 1]
        assert await numbers(store, python) == [2, 1]
        assert await numbers(store, arm) == [4, 2]
        assert await numbers(store, both) == [2]
        assert await newest(store, both) == [("l", 2)]
        assert await newest(store, Compatible(runtime="nodejs22.x")) == [("l", 4), ("m", 1)]
        assert await newest(store, Compatible(runtime="java21")) == []
        page = await store.list_layer_versions(layer_id(), python, None, 1)
        assert await numbers(store, python, page.next_marker, 1) == [1]
        assert (await store.list_layer_versions(layer_id(), python, page.next_marker, 1)).next_marker is None

    run(scenario)


@pytest.mark.parametrize("marker", ["no", encode_marker(("x", "y")), encode_marker(())])
def test_a_marker_of_nobody_is_refused(run: Runner, marker: str) -> None:
    """A marker that no listing has given out is an error; one beyond every number is an empty page."""

    async def scenario(store: Store) -> None:
        with pytest.raises(BadMarkerError):
            await store.list_layers(ACCOUNT, REGION, ANY, marker, 5)
        with pytest.raises(BadMarkerError):
            await store.list_layer_versions(layer_id(), ANY, marker, 5)
        assert await numbers(store, marker=encode_marker((-(2**70),))) == []
        assert await numbers(store, marker=encode_marker((2**70,))) == []

    run(scenario)


def test_a_policy_changes_by_compare_and_swap(run: Runner) -> None:
    """A change that expects the policy's revision is kept; another revision, or no such version, is refused."""

    async def scenario(store: Store) -> None:
        version = await store.publish_layer_version(draft())
        changed = replace(version, statements=(STATEMENT,), revision_id="r1")
        await store.replace_layer_version(changed, "")
        assert await store.layer_version(layer_id(), 1) == changed
        with pytest.raises(StaleError):
            await store.replace_layer_version(replace(changed, revision_id="r2"), "")
        with pytest.raises(MissingError):
            await store.replace_layer_version(replace(changed, number=2), "r1")
        with pytest.raises(MissingError):
            await store.delete_layer_version(layer_id(), 2)
        assert await store.layer_version(layer_id(), 1) == changed

    run(scenario)


def test_a_layers_code_counts(run: Runner) -> None:
    """An account's usage includes the code of all its layer versions in the region, and none of deleted ones."""

    async def scenario(store: Store) -> None:
        await store.publish_layer_version(draft(size=10))
        await store.create_function(latest())
        await store.publish_layer_version(draft(size=100))
        await store.publish_layer_version(draft(layer_id(region="eu-west-1"), size=1_000))
        assert await store.usage(ACCOUNT, REGION) == Usage(functions=1, code_bytes=113, reserved_concurrency=0)
        await store.delete_layer_version(layer_id(), 1)
        assert (await store.usage(ACCOUNT, REGION)).code_bytes == 103
        assert (await store.usage(ACCOUNT, "eu-west-1")).code_bytes == 1_000

    run(scenario)


def with_layers(*digests: str, name: str = "f", revision: str = "r1") -> Any:
    layers = tuple(
        FunctionLayer(arn=layer_id(f"of{digest}").version_arn(1), code=draft(digest=digest).code) for digest in digests
    )
    return replace(latest(name, revision), layers=layers)


def test_a_start_knows_which_zips_layers_keep_in_use(run: Runner) -> None:
    """A zip is counted for the layer versions and for the function versions that name it; combinations in their order."""

    async def scenario(store: Store) -> None:
        await store.publish_layer_version(draft(digest="cd"))
        await store.publish_layer_version(draft(digest="ef"))
        await store.create_function(with_layers("cd", "ef"))
        await store.publish_version(with_layers("cd", "ef"), "r1")
        await store.create_function(with_layers("ef", "cd", name="g"))
        await store.create_function(with_layers("01", name="h"))
        await store.delete_layer_version(layer_id(), 1)
        cd, ef, other = "cd" * 32, "ef" * 32, "01" * 32
        opening = await store.opening(9)
        assert opening.code_uses == {"ab" * 32: 4, cd: 3, ef: 4, other: 1}
        assert opening.layer_uses == {(cd, ef): 2, (ef, cd): 1, (other,): 1}
        await store.replace_version(with_layers(revision="r2"), "r1")
        await store.delete_function(with_layers(name="g").function)
        assert (await store.opening(9)).layer_uses == {(cd, ef): 1, (other,): 1}

    run(scenario)


def test_a_closed_store_refuses(run: Runner) -> None:
    """After close nothing is published and nothing read."""

    async def scenario(store: Store) -> None:
        await store.close()
        with pytest.raises(StoreUnavailableError):
            await store.publish_layer_version(draft())
        with pytest.raises(StoreUnavailableError):
            await store.layer_version(layer_id(), 1)

    run(scenario)


NAMES = st.sampled_from(["l", "m"])
NUMBERS = st.integers(1, 3)
DIGESTS = st.sampled_from(["cd", "ef"])
REVISIONS = st.sampled_from(["", "r1"])
CALLS = st.one_of(
    st.tuples(st.just("publish"), NAMES, DIGESTS, st.sampled_from([(), ("python3.12",)])),
    st.tuples(st.just("replace"), NAMES, NUMBERS, REVISIONS, REVISIONS),
    st.tuples(st.just("delete"), NAMES, NUMBERS),
    st.tuples(st.just("create"), NAMES, st.lists(DIGESTS, max_size=2)),
    st.tuples(st.just("change"), NAMES, st.lists(DIGESTS, max_size=2)),
    st.tuples(st.just("forget"), NAMES),
)


async def perform(store: Store, call: tuple[Any, ...]) -> object:
    """One call; its result, or the kind of error that it met."""
    verb, name, *rest = call
    try:
        match verb:
            case "publish":
                return await store.publish_layer_version(
                    draft(layer_id(name), digest=rest[0], compatible_runtimes=rest[1])
                )
            case "replace":
                changed = replace(draft(layer_id(name)), number=rest[0], revision_id=rest[1])
                return await store.replace_layer_version(changed, rest[2])
            case "delete":
                return await store.delete_layer_version(layer_id(name), rest[0])
            case "create":
                return await store.create_function(with_layers(*rest[0], name=name))
            case "change":
                return await store.replace_version(with_layers(*rest[0], name=name), "r1")
            case _:
                return await store.delete_function(latest(name).function)
    except StoreError as error:
        return type(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALLS, max_size=25))
def test_sqlite_and_the_fake_cannot_be_told_apart(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[Any, ...]]
) -> None:
    """Any sequence of calls about layers has the same results, errors, counts and listings on both."""
    directory = tmp_path_factory.mktemp("store")

    async def main() -> None:
        fake = MemoryStore()
        async with opened("sqlite", directory) as store:
            for call in calls:
                if call[0] != "replace":
                    assert await perform(store, call) == await perform(fake, call), call
            assert await store.opening(9) == await fake.opening(9)
            assert await store.usage(ACCOUNT, REGION) == await fake.usage(ACCOUNT, REGION)
            for call in calls:
                assert await perform(store, call) == await perform(fake, call), call
            for wanted in (ANY, Compatible(runtime="python3.12")):
                for count in (1, 9):
                    assert await store.list_layers(ACCOUNT, REGION, wanted, None, count) == await fake.list_layers(
                        ACCOUNT, REGION, wanted, None, count
                    )
                    for name in ("l", "m"):
                        assert await store.list_layer_versions(
                            layer_id(name), wanted, None, count
                        ) == await fake.list_layer_versions(layer_id(name), wanted, None, count)

    asyncio.run(main())
