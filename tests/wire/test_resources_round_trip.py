"""What is created comes back: from get, after an update, and in the listing, for every kind of resource.

Inputs are made from the service model. Those that AWS's rules beyond the model refuse are passed over; that enough are
left is asserted by hypothesis, which fails a test that passes over nearly all.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from harness.inputs import ROLE, Inputs, package
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from unit.api.api_bench import Bench

from midge.api.members import is_empty
from midge.model.errors import ServiceError
from midge.wire.model import load_service_model

MODEL = load_service_model("lambda")
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
_WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one kind of resource is made, read, changed and listed; ``within`` is where an answer has it."""

    create: str
    get: str
    update: str | None
    list: str
    items: str
    named: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
    """From what was given and what was answered to the members that name it."""
    listed: tuple[str, ...] = ()
    """Those members of the name that the listing takes."""
    identity: str
    """The member by which an item of the listing is known."""
    within: str | None = None
    fixed: Mapping[str, st.SearchStrategy[Any]]
    """Members that must be something particular."""
    left_out: frozenset[str] = frozenset()
    """Members that are not tried: refused by name, or not returned."""


def fresh(prefix: str) -> st.SearchStrategy[str]:
    """A name that nothing has yet."""
    return st.builds(lambda: f"{prefix}{next(_numbers)}")


KINDS: dict[str, Kind] = {
    "function": Kind(
        create="CreateFunction",
        identity="FunctionArn",
        get="GetFunctionConfiguration",
        update="UpdateFunctionConfiguration",
        list="ListFunctions",
        items="Functions",
        named=lambda given, _: {"FunctionName": given["FunctionName"]},
        fixed={
            "FunctionName": fresh("f"),
            "Code": st.just({"ZipFile": package()}),
            "Runtime": st.sampled_from(["python3.11", "nodejs22.x"]),
            "Role": st.just(ROLE),
            "Handler": _WORDS,
            "Timeout": st.integers(1, 900),
            "MemorySize": st.integers(128, 10_240),
            "EphemeralStorage": st.fixed_dictionaries({"Size": st.integers(512, 10_240)}),
            "Environment": st.fixed_dictionaries({"Variables": st.dictionaries(st.just("A") | st.just("B"), _WORDS)}),
            "Architectures": st.sampled_from([["x86_64"], ["arm64"]]),
            "DeadLetterConfig": st.just({"TargetArn": QUEUE}),
            "Tags": st.dictionaries(_WORDS, _WORDS, max_size=3),
            "LoggingConfig": st.sampled_from([{"LogFormat": "JSON", "LogGroup": "g"}, {"LogFormat": "Text"}]),
        },
        left_out=frozenset(
            {
                "PublishTo",
                "PackageType",
                "ImageConfig",
                "SnapStart",
                "TenancyConfig",
                "CapacityProviderConfig",
                "DurableConfig",
                "RuntimeConfig",
                "AcceleratorConfig",
                "Layers",
                "CodeSigningConfigArn",
                "Publish",
                "FileSystemConfigs",
                "RevisionId",
            }
        ),
    ),
    "alias": Kind(
        create="CreateAlias",
        identity="AliasArn",
        get="GetAlias",
        update="UpdateAlias",
        list="ListAliases",
        items="Aliases",
        named=lambda given, _: {"FunctionName": "f", "Name": given["Name"]},
        listed=("FunctionName",),
        fixed={
            "FunctionName": st.just("f"),
            "Name": fresh("a"),
            "FunctionVersion": st.just("1"),
            "RoutingConfig": st.fixed_dictionaries(
                {"AdditionalVersionWeights": st.dictionaries(st.just("2"), st.floats(0, 1))}
            ),
        },
        left_out=frozenset({"RevisionId"}),
    ),
    "code signing configuration": Kind(
        create="CreateCodeSigningConfig",
        identity="CodeSigningConfigArn",
        get="GetCodeSigningConfig",
        update="UpdateCodeSigningConfig",
        list="ListCodeSigningConfigs",
        items="CodeSigningConfigs",
        named=lambda _, answer: {"CodeSigningConfigArn": answer["CodeSigningConfigArn"]},
        within="CodeSigningConfig",
        fixed={
            "AllowedPublishers": st.lists(_WORDS, min_size=1, max_size=20).map(
                lambda words: {
                    "SigningProfileVersionArns": [
                        f"arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/{word}" for word in words
                    ]
                }
            ),
            "Tags": st.dictionaries(_WORDS, _WORDS, max_size=3),
        },
    ),
    "capacity provider": Kind(
        create="CreateCapacityProvider",
        identity="CapacityProviderArn",
        get="GetCapacityProvider",
        update="UpdateCapacityProvider",
        list="ListCapacityProviders",
        items="CapacityProviders",
        named=lambda given, _: {"CapacityProviderName": given["CapacityProviderName"]},
        within="CapacityProvider",
        fixed={"CapacityProviderName": fresh("p"), "Tags": st.dictionaries(_WORDS, _WORDS, max_size=3)},
    ),
    "event source mapping": Kind(
        create="CreateEventSourceMapping",
        identity="UUID",
        get="GetEventSourceMapping",
        update=None,
        list="ListEventSourceMappings",
        items="EventSourceMappings",
        named=lambda _, answer: {"UUID": answer["UUID"]},
        fixed={
            "FunctionName": st.just("f"),
            "EventSourceArn": fresh(QUEUE),
            "BatchSize": st.integers(1, 10),
            "MaximumBatchingWindowInSeconds": st.integers(0, 300),
            "Enabled": st.just(True),
            "FilterCriteria": st.just({"Filters": [{"Pattern": '{"body":{"a":[1]}}'}]}),
            "MetricsConfig": st.just({"Metrics": ["EventCount"]}),
            "Tags": st.dictionaries(_WORDS, _WORDS, max_size=3),
        },
        left_out=frozenset(
            MODEL.shapes["CreateEventSourceMappingRequest"].members.keys()
            - {
                "FunctionName",
                "EventSourceArn",
                "BatchSize",
                "MaximumBatchingWindowInSeconds",
                "Enabled",
                "ScalingConfig",
                "FunctionResponseTypes",
                "FilterCriteria",
                "MetricsConfig",
                "Tags",
                "KMSKeyArn",
            }
        ),
    ),
    "function URL": Kind(
        create="CreateFunctionUrlConfig",
        identity="FunctionArn",
        get="GetFunctionUrlConfig",
        update="UpdateFunctionUrlConfig",
        list="ListFunctionUrlConfigs",
        items="FunctionUrlConfigs",
        named=lambda given, _: {"FunctionName": given["FunctionName"]},
        listed=("FunctionName",),
        fixed={
            "FunctionName": st.just("url"),
            "Cors": st.fixed_dictionaries(
                {},
                optional={
                    "AllowMethods": st.sampled_from([["GET"], ["GET", "POST"], ["*"]]),
                    "AllowOrigins": st.just(["https://example.com"]),
                    "AllowHeaders": st.just(["date"]),
                    "MaxAge": st.integers(0, 86_400),
                    "AllowCredentials": st.booleans(),
                },
            ),
        },
        left_out=frozenset({"Qualifier"}),
    ),
    "event invoke configuration": Kind(
        create="PutFunctionEventInvokeConfig",
        identity="FunctionArn",
        get="GetFunctionEventInvokeConfig",
        update="UpdateFunctionEventInvokeConfig",
        list="ListFunctionEventInvokeConfigs",
        items="FunctionEventInvokeConfigs",
        named=lambda _given, _answer: {"FunctionName": "f"},
        listed=("FunctionName",),
        fixed={
            "FunctionName": st.just("f"),
            "DestinationConfig": st.sampled_from(
                [{"OnFailure": {"Destination": QUEUE}}, {"OnSuccess": {"Destination": QUEUE}}]
            ),
        },
        left_out=frozenset({"Qualifier"}),
    ),
    "layer version": Kind(
        create="PublishLayerVersion",
        identity="LayerVersionArn",
        get="GetLayerVersion",
        update=None,
        list="ListLayerVersions",
        items="LayerVersions",
        named=lambda given, answer: {"LayerName": given["LayerName"], "VersionNumber": answer["Version"]},
        listed=("LayerName",),
        fixed={"LayerName": fresh("l"), "Content": st.just({"ZipFile": package()})},
    ),
}
INTERNAL = {"Code", "Content", "Tags", "FunctionName", "LayerName", "CapacityProviderName", "Enabled", "Name"}
"""Members of a request that its answer shows in another form or not at all."""


class World:
    """A control plane with a function of two versions in it."""

    def __init__(self, directory: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self.bench = Bench(directory)
        self._life = self.bench.living()
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        await self._life.__aenter__()
        await self.bench.created("url")
        await self.bench.created("f", Publish=True)
        await self.bench.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=5)
        await self.bench.settle()
        await self.bench.call("PublishVersion", FunctionName="f")

    def call(self, operation: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """One operation, and what it leaves to be done in the background."""

        async def both() -> dict[str, Any]:
            answer = await self.bench.call(operation, **values)
            await self.bench.quiet()
            return answer

        return self._loop.run_until_complete(both())

    def attempt(self, operation: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """As ``call``; None if one of AWS's rules beyond the model refuses it."""
        try:
            return self.call(operation, values)
        except ServiceError as error:
            if error.code not in {"InvalidParameterValueException", "ResourceConflictException"}:
                raise
            return None

    def close(self) -> None:
        self._loop.run_until_complete(self._life.__aexit__(None, None, None))
        self._loop.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.close()


def check_agreement(given: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
    """Whatever was given is shown as it was given; what says nothing may be left out."""
    for name, value in given.items():
        if name in INTERNAL or (name not in shown and is_empty(value)):
            continue
        if isinstance(value, dict):
            check_agreement(cast("dict[str, Any]", value), shown[name])
        else:
            assert shown[name] == value or (is_empty(value) and is_empty(shown[name])), name


def inputs(kind: Kind, operation: str) -> st.SearchStrategy[dict[str, Any]]:
    everything = Inputs(MODEL, kind.fixed).valid(MODEL.operations[operation])
    return everything.map(lambda values: {name: each for name, each in values.items() if name not in kind.left_out})


def listed(world: World, kind: Kind, name: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Everything in the listing, page after page."""
    values: dict[str, Any] = {member: name[member] for member in kind.listed}
    found: list[dict[str, Any]] = []
    while True:
        page = world.call(kind.list, values)
        found += page[kind.items]
        if "NextMarker" not in page:
            return found
        values["Marker"] = page["NextMarker"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_what_is_created_comes_back(kind: Kind, world: World, data: st.DataObject) -> None:
    """A resource is read as it was created, is listed, is read as it was changed, and two in a row are equal."""
    values = data.draw(inputs(kind, kind.create))
    answer = world.attempt(kind.create, values)
    if answer is None:
        # The function has its one URL from an earlier example; anything else was refused, and is no example.
        assume(kind.create == "CreateFunctionUrlConfig")
        answer, values = {}, {"FunctionName": "url"}
    name = kind.named(values, answer[kind.within] if kind.within else answer)

    def read() -> dict[str, Any]:
        found = world.call(kind.get, name)
        return found[kind.within] if kind.within else found

    shown = read()
    check_agreement(values, shown)
    assert read() == shown
    (found,) = [each for each in listed(world, kind, name) if each[kind.identity] == shown[kind.identity]]
    check_agreement({member: each for member, each in values.items() if member in found}, found)
    if kind.update is not None:
        changes = {**data.draw(inputs(kind, kind.update)), **name}
        if world.attempt(kind.update, changes) is not None:
            check_agreement({member: each for member, each in changes.items() if member not in name}, read())
