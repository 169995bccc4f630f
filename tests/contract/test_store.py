"""The Store port's contract, held by every implementation."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.model.event_invoke_configs import EventInvokeConfig
from midge.model.event_source_mappings import EventSourceMapping
from midge.model.function_urls import FunctionUrl
from midge.model.functions import LATEST, Alias, Code, FunctionId, FunctionSettings, FunctionVersion, Logging
from midge.model.limits import Limits
from midge.model.policies import PolicyStatement, ResourcePolicy
from midge.model.provisioned_concurrency import ProvisionedConcurrency
from midge.store.errors import (
    BadMarkerError,
    ExistsError,
    InUseError,
    MissingError,
    StaleError,
    StoreError,
    StoreUnavailableError,
)
from midge.store.memory import MemoryStore
from midge.store.paging import encode_marker
from midge.store.port import R, ResourceScope, Scope, Store, Usage
from midge.store.sqlite import SqliteStore

Scenario: TypeAlias = Callable[[Store], Awaitable[None]]
Runner: TypeAlias = Callable[[Scenario], None]
ACCOUNT, REGION = "000000000000", "us-east-1"
SCOPE = Scope(account=ACCOUNT, region=REGION)


def function_id(name: str = "f", region: str = REGION) -> FunctionId:
    return FunctionId(account=ACCOUNT, region=region, name=name)


def latest(name: str = "f", revision: str = "r1", region: str = REGION) -> FunctionVersion:
    return FunctionVersion(
        function=function_id(name, region),
        version=LATEST,
        runtime="python3.12",
        handler="app.handler",
        role="arn:aws:iam::000000000000:role/r",
        code=Code(digest="ab" * 32, sha256="q6s=", size_bytes=3),
        logging=Logging(group=f"/aws/lambda/{name}"),
        environment={"KEY": "value ü"},
        kept={"VpcConfig": {"SubnetIds": ["subnet-1"]}},
        revision_id=revision,
        last_modified="2026-11-23T19:00:00.000+0000",
    )


def alias(name: str, version: str = LATEST, revision: str = "a1", weights: dict[str, float] | None = None) -> Alias:
    return Alias(
        function=function_id(),
        name=name,
        version=version,
        revision_id=revision,
        additional_version_weights=weights or {},
    )


def settings_of(name: str = "f", **tags: str) -> FunctionSettings:
    return FunctionSettings(function=function_id(name), tags=tags)


def policy(qualifier: str | None = None, revision: str = "p1", name: str = "f", count: int = 1) -> ResourcePolicy:
    statements = [
        PolicyStatement(
            sid=f"s{number}",
            principals={"Service": ("s3.amazonaws.com",)},
            actions=("lambda:InvokeFunction",),
            conditions={"ArnLike": {"AWS:SourceArn": ("arn:aws:s3:::ü",)}},
        )
        for number in range(count)
    ]
    return ResourcePolicy(
        function=function_id(name), qualifier=qualifier, statements=tuple(statements), revision_id=revision
    )


def mapping(name: str = "m", state: str = "Enabled", function: str = "f") -> EventSourceMapping:
    return EventSourceMapping(
        account=ACCOUNT,
        region=REGION,
        uuid=name,
        function_arn=function_id(function).arn,
        event_source_arn="arn:aws:sqs:us-east-1:000000000000:q",
        settings={"BatchSize": 10, "FilterCriteria": {"Filters": [{"Pattern": '{"a":["ü"]}'}]}},
        starting_position_timestamp_seconds=1.25,
        state=state,
        last_modified_seconds=1_800_000_000.5,
        tags={"a": "b"},
    )


@asynccontextmanager
async def opened(kind: str, directory: Path) -> AsyncGenerator[Store]:
    store: Store = MemoryStore() if kind == "memory" else await SqliteStore.open(directory / "midge.db", Limits())
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """Runs a scenario against a new, empty store."""

    async def main(scenario: Scenario) -> None:
        async with opened(request.param, tmp_path) as store:
            await scenario(store)

    return lambda scenario: asyncio.run(main(scenario))


async def versions_of(store: Store) -> list[FunctionVersion]:
    """Every version in the account and region that the tests use."""
    return list((await store.list_versions(SCOPE, None, 1_000)).items)


async def records(store: Store, kind: type[R], **where: str) -> list[R]:
    """Every resource of a kind in the account and region that the tests use."""
    scope = ResourceScope(account=ACCOUNT, region=REGION, where=where)
    return list((await store.list_resources(kind, scope, None, 1_000)).items)


async def publish(store: Store, count: int) -> list[str]:
    return [(await store.publish_version(latest(), "r1")).version for _ in range(count)]


def test_what_was_kept_is_read_back_unchanged(run: Runner) -> None:
    """A version and an alias come back equal in every field."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await publish(store, 2)
        weighted = alias("live", "1", weights={"2": 0.25})
        await store.create_alias(weighted)
        assert await store.version(function_id(), LATEST) == latest()
        assert await store.version(function_id(), "2") == replace(latest(), version="2")
        assert await store.alias(function_id(), "live") == weighted

    run(scenario)


def test_what_was_never_kept_is_none(run: Runner) -> None:
    """Reading an unknown function, version or alias gives None."""

    async def scenario(store: Store) -> None:
        assert await store.version(function_id(), LATEST) is None
        assert await store.version(function_id(), "7") is None
        await store.create_function(latest())
        await publish(store, 1)
        for spelling in ("01", "+1", "1 ", "x", "", "²", "9" * 19, "9" * 100):
            assert await store.version(function_id(), spelling) is None
        assert await store.alias(function_id(), "live") is None

    run(scenario)


def test_a_function_is_created_once(run: Runner) -> None:
    """A second creation is refused and leaves the first as it was; other regions are other functions."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        with pytest.raises(ExistsError):
            await store.create_function(latest(revision="other"))
        await store.create_function(latest(region="eu-west-1"))
        assert await store.version(function_id(), LATEST) == latest()

    run(scenario)


def test_replacing_needs_the_current_revision(run: Runner) -> None:
    """Of two changes made from the same revision only the first is kept."""

    async def scenario(store: Store) -> None:
        with pytest.raises(MissingError):
            await store.replace_version(latest(), "r1")
        await store.create_function(latest())
        await store.replace_version(latest(revision="r2"), "r1")
        with pytest.raises(StaleError):
            await store.replace_version(latest(revision="r3"), "r1")
        found = await store.version(function_id(), LATEST)
        assert found is not None
        assert found.revision_id == "r2"

    run(scenario)


def test_versions_count_up_from_one(run: Runner) -> None:
    """Published versions are numbered 1, 2, 3 ..., each function by itself."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await store.create_function(latest("g"))
        assert await publish(store, 11) == [str(number) for number in range(1, 12)]
        assert (await store.publish_version(latest("g"), "r1")).version == "1"

    run(scenario)


def test_publishing_needs_the_current_latest(run: Runner) -> None:
    """A version is not published from a $LATEST that has changed or is gone, and no number is spent on the attempt."""

    async def scenario(store: Store) -> None:
        with pytest.raises(MissingError):
            await store.publish_version(latest(), "r1")
        await store.create_function(latest())
        with pytest.raises(StaleError):
            await store.publish_version(latest(), "r0")
        assert await publish(store, 1) == ["1"]

    run(scenario)


def test_a_version_number_is_never_given_twice(run: Runner) -> None:
    """Deleting the newest version, or the whole function, does not free its number."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await publish(store, 2)
        await store.delete_version(function_id(), "2")
        assert await publish(store, 1) == ["3"]
        await store.delete_function(function_id())
        await store.create_function(latest())
        assert await publish(store, 1) == ["4"]

    run(scenario)


def test_deleting_a_version_leaves_the_others(run: Runner) -> None:
    """Only the named version goes; deleting it again says that it is missing."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await publish(store, 3)
        await store.delete_version(function_id(), "2")
        with pytest.raises(MissingError):
            await store.delete_version(function_id(), "2")
        page = await store.list_versions(Scope(account=ACCOUNT, region=REGION, name="f"), None, 10)
        assert [version.version for version in page.items] == [LATEST, "1", "3"]

    run(scenario)


def test_a_version_in_use_cannot_be_deleted(run: Runner) -> None:
    """A version that aliases point at, also as their second one, stays, and the refusal names them in order."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await publish(store, 2)
        await store.create_alias(alias("live", "1", weights={"2": 0.5}))
        await store.create_alias(alias("beta", "2"))
        with pytest.raises(InUseError) as refused:
            await store.delete_version(function_id(), "2")
        assert refused.value.aliases == ("beta", "live")
        assert await store.version(function_id(), "2") is not None

    run(scenario)


def test_deleting_a_function_takes_all_of_it(run: Runner) -> None:
    """Versions and aliases go with their function; other functions stay; a second deletion says it is missing."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await store.create_function(latest("g"))
        await publish(store, 1)
        await store.create_alias(alias("live", "1"))
        await store.delete_function(function_id())
        assert await versions_of(store) == [latest("g")]
        assert await store.alias(function_id(), "live") is None
        with pytest.raises(MissingError):
            await store.delete_function(function_id())

    run(scenario)


def test_settings_are_kept_with_their_function(run: Runner) -> None:
    """Settings given at creation are there when it is; a creation that is refused leaves the former ones."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest("g"), settings_of("g", team="ü"))
        with pytest.raises(ExistsError):
            await store.create_function(latest("g"), settings_of("g", team="other"))
        assert await store.resource(FunctionSettings, function_id("g").place()) == settings_of("g", team="ü")
        await store.create_function(latest())
        assert await store.resource(FunctionSettings, function_id().place()) is None

    run(scenario)


def test_usage_counts_functions_and_the_code_of_versions(run: Runner) -> None:
    """Functions of one account and region are counted once and their code with every version; others do not count."""

    async def scenario(store: Store) -> None:
        assert await store.usage(ACCOUNT, REGION) == Usage(functions=0, code_bytes=0, reserved_concurrency=0)
        await store.create_function(latest())
        await store.create_function(latest("g"))
        await store.create_function(latest(region="eu-west-1"))
        await publish(store, 3)
        assert await store.usage(ACCOUNT, REGION) == Usage(functions=2, code_bytes=5 * 3, reserved_concurrency=0)
        grown = replace(latest("g"), code=Code(digest="cd" * 32, sha256="q6s=", size_bytes=10))
        await store.replace_version(grown, "r1")
        assert await store.usage(ACCOUNT, REGION) == Usage(functions=2, code_bytes=4 * 3 + 10, reserved_concurrency=0)
        await store.delete_version(function_id(), "2")
        await store.delete_function(function_id("g"))
        assert await store.usage(ACCOUNT, REGION) == Usage(functions=1, code_bytes=3 * 3, reserved_concurrency=0)
        assert await store.usage("111111111111", REGION) == Usage(functions=0, code_bytes=0, reserved_concurrency=0)

    run(scenario)


def test_usage_adds_up_what_is_reserved(run: Runner) -> None:
    """Reservations of one account and region are summed; none, 0 and other regions add nothing."""

    async def scenario(store: Store) -> None:
        for name, reserved in (("f", 3), ("g", 4), ("h", 0), ("i", None)):
            settings = replace(settings_of(name), reserved_concurrency=reserved)
            await store.create_function(latest(name), settings)
        elsewhere = FunctionSettings(function=function_id("f", "eu-west-1"), reserved_concurrency=9)
        await store.create_function(latest(region="eu-west-1"), elsewhere)
        assert (await store.usage(ACCOUNT, REGION)).reserved_concurrency == 7
        await store.delete_function(function_id("g"))
        assert (await store.usage(ACCOUNT, REGION)).reserved_concurrency == 3

    run(scenario)


def test_usage_adds_up_what_is_provisioned_beside_reservations(run: Runner) -> None:
    """Provisioned concurrency of functions that have none reserved is summed, per account and region; 0 is reserved."""

    async def scenario(store: Store) -> None:
        for name, reserved in (("f", None), ("g", 9), ("h", 0)):
            await store.create_function(latest(name), replace(settings_of(name), reserved_concurrency=reserved))
            for qualifier, requested in (("1", 2), ("2", 3)):
                await store.publish_version(latest(name), "r1")
                config = ProvisionedConcurrency(
                    function=function_id(name), qualifier=qualifier, requested=requested, last_modified="x"
                )
                await store.put_resource(config)
        elsewhere = function_id("f", "eu-west-1")
        await store.create_function(latest(region="eu-west-1"))
        await store.publish_version(latest(region="eu-west-1"), "r1")
        await store.put_resource(
            ProvisionedConcurrency(function=elsewhere, qualifier="1", requested=7, last_modified="x")
        )
        assert (await store.usage(ACCOUNT, REGION)).provisioned_concurrency == 5
        await store.put_resource(settings_of("g"))
        assert (await store.usage(ACCOUNT, REGION)).provisioned_concurrency == 10

    run(scenario)


def test_resources_are_created_once_and_replaced_at_will(run: Runner) -> None:
    """A record comes back as it was kept; creating it again is refused, putting it replaces it, deleting it twice is not."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        place = policy().place
        assert await store.resource(ResourcePolicy, place) is None
        with pytest.raises(MissingError):
            await store.delete_resource(ResourcePolicy, place)
        await store.create_resource(policy())
        with pytest.raises(ExistsError):
            await store.create_resource(policy(revision="p2"))
        assert await store.resource(ResourcePolicy, place) == policy()
        assert await store.resource(FunctionSettings, place) is None
        await store.put_resource(policy(revision="p2", count=2))
        assert await store.resource(ResourcePolicy, place) == policy(revision="p2", count=2)
        await store.put_resource(policy("$LATEST"))
        await store.delete_resource(ResourcePolicy, place)
        assert await records(store, ResourcePolicy) == [policy("$LATEST")]

    run(scenario)


def test_attached_resources_go_with_what_they_are_attached_to(run: Runner) -> None:
    """Only what exists has resources; deleting a version, an alias or the function takes its resources and no others."""

    async def scenario(store: Store) -> None:
        for qualifier in (None, "1", "live"):
            with pytest.raises(MissingError):
                await store.put_resource(policy(qualifier))
            with pytest.raises(MissingError):
                await store.create_resource(policy(qualifier))
        await store.create_function(latest(), settings_of(a="1"))
        await store.create_function(latest("g"), settings_of("g"))
        await publish(store, 1)
        await store.create_alias(alias("live"))
        kept = [policy(), policy("1"), policy("live"), policy(name="g")]
        for each in kept:
            await store.put_resource(each)
        assert await records(store, ResourcePolicy) == kept
        await store.delete_alias(function_id(), "live")
        await store.delete_version(function_id(), "1")
        assert await records(store, ResourcePolicy) == [policy(), policy(name="g")]
        assert await records(store, FunctionSettings) == [settings_of(a="1"), settings_of("g")]
        await store.delete_function(function_id())
        assert await records(store, ResourcePolicy) == [policy(name="g")]
        assert await records(store, FunctionSettings) == [settings_of("g")]

    run(scenario)


def test_resources_are_listed_by_owner_field_and_page(run: Runner) -> None:
    """A scope shows one owner's records or those with a field's value, page by page in order of owner and name."""

    async def scenario(store: Store) -> None:
        for name in "gf":
            await store.create_function(latest(name))
            for qualifier in ("$LATEST", None):
                await store.put_resource(policy(qualifier, "p2" if name == "g" else "p1", name))
        found: list[tuple[str, str]] = []
        marker = None
        while True:
            scope = ResourceScope(account=ACCOUNT, region=REGION)
            page = await store.list_resources(ResourcePolicy, scope, marker, 3)
            found += [(each.place.owner, each.place.name) for each in page.items]
            if (marker := page.next_marker) is None:
                break
        assert found == [("f", ""), ("f", "$LATEST"), ("g", ""), ("g", "$LATEST")]
        owned = ResourceScope(account=ACCOUNT, region=REGION, owner="f")
        assert len((await store.list_resources(ResourcePolicy, owned, None, 9)).items) == 2
        assert [each.function.name for each in await records(store, ResourcePolicy, revision_id="p2")] == ["g", "g"]
        elsewhere = ResourceScope(account=ACCOUNT, region="eu-west-1")
        assert (await store.list_resources(ResourcePolicy, elsewhere, None, 9)).items == ()
        with pytest.raises(BadMarkerError):
            await store.list_resources(ResourcePolicy, owned, "x", 9)

    run(scenario)


def test_mappings_stand_alone(run: Runner) -> None:
    """An event source mapping needs no function, is found by fields of its own, and stays when its function goes."""

    async def scenario(store: Store) -> None:
        await store.create_resource(mapping())
        await store.create_function(latest())
        await store.put_resource(mapping("n", function="g"))
        await store.delete_function(function_id())
        assert await store.resource(EventSourceMapping, mapping().place) == mapping()
        assert await records(store, EventSourceMapping) == [mapping(), mapping("n", function="g")]
        wanted = function_id("g").arn
        assert await records(store, EventSourceMapping, function_arn=wanted) == [mapping("n", function="g")]

    run(scenario)


def test_what_is_attached_to_functions_goes_with_them(run: Runner) -> None:
    """Function URLs and configurations of asynchronous invocation come back as kept, until their function or alias goes."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await store.create_alias(alias("live"))
        urls = [
            FunctionUrl(
                function=function_id(),
                alias=name,
                url_id=f"id-of-{name}",
                auth_type="NONE",
                cors={"AllowOrigins": ["*"], "MaxAge": 1},
                creation_time="c",
                last_modified_time="l",
            )
            for name in (None, "live")
        ]
        configs = [
            EventInvokeConfig(function=function_id(), qualifier=name, on_failure="arn", last_modified_seconds=1.5)
            for name in (LATEST, "live")
        ]
        for each in (*urls, *configs):
            await store.create_resource(each)
        assert (await records(store, FunctionUrl), await records(store, EventInvokeConfig)) == (urls, configs)
        assert [await store.function_url(f"id-of-{name}") for name in (None, "live", "x")] == [*urls, None]
        await store.delete_alias(function_id(), "live")
        assert [await store.function_url(f"id-of-{name}") for name in (None, "live")] == [urls[0], None]
        assert (await records(store, FunctionUrl), await records(store, EventInvokeConfig)) == (urls[:1], configs[:1])
        await store.delete_function(function_id())
        assert (await records(store, FunctionUrl), await records(store, EventInvokeConfig)) == ([], [])

    run(scenario)


def test_a_start_is_told_what_it_needs(run: Runner) -> None:
    """The opening counts the uses of zips and names what is unsettled, mappings too, newest functions and reservations."""

    async def scenario(store: Store) -> None:
        other = Code(digest="cd" * 32, sha256="q6s=", size_bytes=10)
        settled = replace(latest(), state="Active")
        await store.create_function(settled, replace(settings_of(), reserved_concurrency=0))
        await store.create_function(replace(latest("g"), code=other), settings_of("g", a="1"))
        await store.create_function(replace(latest("a"), state="Active", last_update_status="InProgress"))
        await store.publish_version(settled, "r1")
        for state in ("Updating", "Enabled", "Disabled", "Deleting", "Creating"):
            await store.create_resource(mapping(state, state))
        opening = await store.opening(2)
        assert [each.uuid for each in opening.unsettled_mappings] == ["Creating", "Deleting", "Updating"]
        assert opening.code_uses == {"ab" * 32: 3, "cd" * 32: 1}
        assert [version.function.name for version in opening.unsettled] == ["a", "g"]
        assert [version.function.name for version in opening.recent] == ["a", "g"]
        assert [settings.function.name for settings in opening.reservations] == ["f"]
        assert await store.functions() == 3
        await store.replace_version(replace(latest("g"), state="Active", revision_id="r2"), "r1")
        opening = await store.opening(0)
        assert [version.function.name for version in opening.unsettled] == ["a"]
        assert (opening.recent, opening.code_uses) == ((), {"ab" * 32: 4})

    run(scenario)


def test_the_newest_version_is_the_one_with_the_highest_number(run: Runner) -> None:
    """It is none without published versions, and the next lower one when the highest is deleted."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        assert await store.newest_version(function_id()) is None
        await publish(store, 11)
        found = [await store.newest_version(function_id())]
        await store.delete_version(function_id(), "11")
        found.append(await store.newest_version(function_id()))
        assert [version.version for version in found if version is not None] == ["11", "10"]

    run(scenario)


def test_an_alias_points_at_versions_that_exist(run: Runner) -> None:
    """Creating or changing an alias to a version that is not there is refused and changes nothing."""

    async def scenario(store: Store) -> None:
        with pytest.raises(MissingError):
            await store.create_alias(alias("live"))
        await store.create_function(latest())
        await store.create_alias(alias("live"))
        with pytest.raises(MissingError):
            await store.replace_alias(alias("live", "1", revision="a2"), "a1")
        with pytest.raises(MissingError):
            await store.create_alias(alias("beta", LATEST, weights={"9": 0.1}))
        assert await store.alias(function_id(), "live") == alias("live")
        assert await store.alias(function_id(), "beta") is None

    run(scenario)


def test_an_alias_is_created_once_and_changed_by_revision(run: Runner) -> None:
    """Aliases follow the same rules as versions: no second creation, no change from an old revision."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await store.create_alias(alias("live"))
        with pytest.raises(ExistsError):
            await store.create_alias(alias("live"))
        await store.replace_alias(alias("live", revision="a2"), "a1")
        with pytest.raises(StaleError):
            await store.replace_alias(alias("live", revision="a3"), "a1")
        with pytest.raises(MissingError):
            await store.replace_alias(alias("beta"), "a1")

    run(scenario)


def test_a_deleted_alias_frees_its_version(run: Runner) -> None:
    """When the alias is gone its version can be deleted; deleting the alias again says it is missing."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await publish(store, 1)
        await store.create_alias(alias("live", "1"))
        await store.delete_alias(function_id(), "live")
        with pytest.raises(MissingError):
            await store.delete_alias(function_id(), "live")
        await store.delete_version(function_id(), "1")

    run(scenario)


def test_listings_filter(run: Runner) -> None:
    """Scopes show one region's functions, one function's versions or only $LATEST; aliases can be chosen by version."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest("g"))
        await store.create_function(latest())
        await store.create_function(latest("other", region="eu-west-1"))
        await publish(store, 10)
        every = await store.list_versions(SCOPE, None, 50)
        assert [(v.function.name, v.version) for v in every.items] == [
            ("f", LATEST),
            *(("f", str(number)) for number in range(1, 11)),
            ("g", LATEST),
        ]
        only = await store.list_versions(Scope(account=ACCOUNT, region=REGION, latest_only=True), None, 50)
        assert [version.function.name for version in only.items] == ["f", "g"]
        for name, version in (("c", "1"), ("a", "2"), ("b", "1")):
            await store.create_alias(alias(name, version))
        assert [a.name for a in (await store.list_aliases(function_id(), None, 50)).items] == ["a", "b", "c"]
        assert [a.name for a in (await store.list_aliases(function_id(), None, 50, version="1")).items] == ["b", "c"]

    run(scenario)


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7])
def test_pages_join_to_the_whole(run: Runner, count: int) -> None:
    """Following the markers shows every item once, in order, and the last page has no marker."""

    async def scenario(store: Store) -> None:
        await store.create_function(latest())
        await publish(store, 5)
        for name in "fedcba":
            await store.create_alias(alias(name))
        versions: list[str] = []
        aliases: list[str] = []
        marker = None
        while True:
            page = await store.list_versions(SCOPE, marker, count)
            assert 0 < len(page.items) <= count
            versions += [version.version for version in page.items]
            if (marker := page.next_marker) is None:
                break
        while True:
            found = await store.list_aliases(function_id(), marker, count)
            aliases += [each.name for each in found.items]
            if (marker := found.next_marker) is None:
                break
        assert versions == [LATEST, "1", "2", "3", "4", "5"]
        assert aliases == list("abcdef")

    run(scenario)


def test_a_listing_goes_on_while_others_write(run: Runner) -> None:
    """Items deleted or added behind the marker neither repeat nor hide the ones that follow."""

    async def scenario(store: Store) -> None:
        for name in "bdf":
            await store.create_function(latest(name))
        first = await store.list_versions(SCOPE, None, 2)
        await store.delete_function(function_id("d"))
        await store.create_function(latest("a"))
        rest = await store.list_versions(SCOPE, first.next_marker, 2)
        assert [version.function.name for version in rest.items] == ["f"]

    run(scenario)


@pytest.mark.parametrize("marker", ["", "x", "näh", encode_marker((1, "f")), encode_marker(("f", 1, 2))])
def test_a_foreign_marker_is_refused(run: Runner, marker: str) -> None:
    """A marker that no listing has given out raises BadMarkerError."""

    async def scenario(store: Store) -> None:
        with pytest.raises(BadMarkerError):
            await store.list_versions(SCOPE, marker, 5)
        with pytest.raises(BadMarkerError):
            await store.list_aliases(function_id(), marker, 5)

    run(scenario)


def test_many_writers_at_once_are_all_kept(run: Runner) -> None:
    """Writes asked for at the same time do not get in each other's way: of rivals one wins, strangers all do."""

    async def scenario(store: Store) -> None:
        rivals = [store.create_function(latest(revision=f"r{number}")) for number in range(20)]
        strangers = [store.create_function(latest(f"s{number}")) for number in range(100)]
        outcomes = await asyncio.gather(*rivals, *strangers, return_exceptions=True)
        assert sum(isinstance(outcome, ExistsError) for outcome in outcomes) == 19
        assert sum(outcome is None for outcome in outcomes) == 101
        assert len(await versions_of(store)) == 101

    run(scenario)


def test_a_closed_store_refuses(run: Runner) -> None:
    """After close every call raises StoreUnavailableError; closing twice is harmless."""

    async def scenario(store: Store) -> None:
        await store.close()
        await store.close()
        with pytest.raises(StoreUnavailableError):
            await store.create_function(latest())
        with pytest.raises(StoreUnavailableError):
            await store.opening(1)

    run(scenario)


NAMES = st.sampled_from(["f", "g"])
VERSIONS = st.sampled_from([LATEST, "1", "2", "3"])
ALIASES = st.sampled_from(["a", "b"])
REVISIONS = st.sampled_from(["r1", "r2"])
CALLS = st.one_of(
    st.tuples(st.just("create"), NAMES, REVISIONS),
    st.tuples(st.just("settings"), NAMES, REVISIONS),
    st.tuples(st.just("replace"), NAMES, VERSIONS, REVISIONS, REVISIONS),
    st.tuples(st.just("publish"), NAMES, REVISIONS),
    st.tuples(st.just("delete_version"), NAMES, VERSIONS.filter(lambda version: version != LATEST)),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("create_alias"), ALIASES, VERSIONS, VERSIONS),
    st.tuples(st.just("replace_alias"), ALIASES, VERSIONS, VERSIONS, REVISIONS),
    st.tuples(st.just("delete_alias"), ALIASES),
    st.tuples(st.sampled_from(["put", "new", "remove"]), NAMES, st.one_of(ALIASES, VERSIONS), REVISIONS),
)


async def perform(store: Store, call: tuple[Any, ...]) -> object:
    """One call; its result, or the kind of error that it met."""
    verb, *rest = call
    weighted = {rest[2]: 0.5} if verb in {"create_alias", "replace_alias"} and rest[2] not in {LATEST, rest[1]} else {}
    try:
        match verb:
            case "create":
                return await store.create_function(latest(rest[0], rest[1]), settings_of(rest[0], born=rest[1]))
            case "settings":
                return await store.put_resource(settings_of(rest[0], changed=rest[1]))
            case "replace":
                return await store.replace_version(replace(latest(rest[0], rest[2]), version=rest[1]), rest[3])
            case "publish":
                return await store.publish_version(latest(rest[0]), rest[1])
            case "delete_version":
                return await store.delete_version(function_id(rest[0]), rest[1])
            case "delete":
                return await store.delete_function(function_id(rest[0]))
            case "create_alias":
                return await store.create_alias(alias(rest[0], rest[1], "r1", weighted))
            case "put":
                return await store.put_resource(policy(rest[1], rest[2], rest[0]))
            case "new":
                return await store.create_resource(policy(rest[1], rest[2], rest[0]))
            case "remove":
                return await store.delete_resource(ResourcePolicy, policy(rest[1], rest[2], rest[0]).place)
            case "replace_alias":
                return await store.replace_alias(alias(rest[0], rest[1], "r2", weighted), rest[3])
            case _:
                return await store.delete_alias(function_id(), rest[0])
    except StoreError as error:
        return type(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALLS, max_size=25))
def test_sqlite_and_the_fake_cannot_be_told_apart(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[Any, ...]]
) -> None:
    """Any sequence of calls has the same results, errors and final contents on both, also after SQLite is reopened."""
    directory = tmp_path_factory.mktemp("store")

    async def main() -> None:
        fake = MemoryStore()
        async with opened("sqlite", directory) as store:
            for call in calls:
                assert await perform(store, call) == await perform(fake, call), call
        async with opened("sqlite", directory) as store:
            assert await store.opening(9) == await fake.opening(9)
            assert await versions_of(store) == await versions_of(fake)
            for kind in (FunctionSettings, ResourcePolicy):
                assert await records(store, kind) == await records(fake, kind)
            assert await store.usage(ACCOUNT, REGION) == await fake.usage(ACCOUNT, REGION)

    asyncio.run(main())
