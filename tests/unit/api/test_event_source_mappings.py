"""Event source mappings through their life: created, found, changed and deleted, as AWS answers it."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from api_bench import ARN, CONTEXT, Bench

from midge.api.services import CallContext
from midge.model.errors import ServiceError
from midge.model.event_source_mappings import EventSourceMapping
from midge.store.errors import StorageFullError
from midge.store.port import ResourceScope

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-11-23T19:00:00.000"
CLUSTER = "arn:aws:kafka:us-east-1:000000000000:cluster/c/fc2f5bdf-2"
BROKER = "arn:aws:mq:us-east-1:000000000000:broker:b:b-1"
DATABASE = "arn:aws:rds:us-east-1:000000000000:cluster:c"
BASIC = [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:000000000000:secret:s-AbCdEf"}]
INVALID = "InvalidParameterValueException"


async def create(bench: Bench, source: str | None = QUEUE, name: str = "f", **values: Any) -> dict[str, Any]:
    given = {} if source is None else {"EventSourceArn": source}
    return await bench.call("CreateEventSourceMapping", FunctionName=name, **given, **values)


async def created(bench: Bench, source: str | None = QUEUE, name: str = "f", **values: Any) -> dict[str, Any]:
    """A new mapping, at rest."""
    answer = await create(bench, source, name, **values)
    await bench.quiet()
    return await get(bench, answer["UUID"])


async def get(bench: Bench, mapping: str) -> dict[str, Any]:
    return await bench.call("GetEventSourceMapping", UUID=mapping)


async def update(bench: Bench, mapping: str, **values: Any) -> dict[str, Any]:
    return await bench.call("UpdateEventSourceMapping", UUID=mapping, **values)


async def listed(bench: Bench, **values: Any) -> list[str]:
    return [each["UUID"] for each in (await bench.call("ListEventSourceMappings", **values))["EventSourceMappings"]]


SCOPE = ResourceScope(account=CONTEXT.account, region=CONTEXT.region)


async def left_in(bench: Bench, state: str) -> str:
    """The one mapping there is, put into a state with nobody who brings it on."""
    (found,) = (await bench.store.list_resources(EventSourceMapping, SCOPE, None, 9)).items
    await bench.store.put_resource(replace(found, state=state))
    return found.uuid


def test_a_mapping_of_a_queue_is_answered_as_aws_answers_it(bench: Bench) -> None:
    """Creation shows Creating, every default of a queue and nothing else; a moment later the mapping is Enabled."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        answer = await create(bench)
        mapping = answer["UUID"]
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", mapping)
        arn = f"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{mapping}"
        expected = {
            "UUID": mapping, "BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "EventSourceArn": QUEUE,
            "FunctionArn": ARN, "LastModified": datetime.fromtimestamp(bench.clock.now(), UTC), "State": "Creating",
            "StateTransitionReason": "USER_INITIATED", "FunctionResponseTypes": [], "EventSourceMappingArn": arn,
        }  # fmt: skip
        assert answer == expected
        await bench.quiet()
        assert await get(bench, mapping) == {**expected, "State": "Enabled"}

    bench.run(scenario)


@pytest.mark.parametrize(
    ("source", "values", "reason", "result"),
    [
        (QUEUE, {}, "USER_INITIATED", None),
        (STREAM, {"StartingPosition": "LATEST"}, "User action", "No records processed"),
        (TABLE, {"StartingPosition": "TRIM_HORIZON"}, "User action", "No records processed"),
        (CLUSTER, {"StartingPosition": "LATEST", "Topics": ["t"]}, "USER_INITIATED", "No records processed"),
        (
            None,
            {
                "StartingPosition": "LATEST",
                "Topics": ["t"],
                "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["b:9092"]}},
            },
            "USER_INITIATED",
            "No records processed",
        ),
        (BROKER, {"Queues": ["q"], "SourceAccessConfigurations": BASIC}, "USER_INITIATED", "No records processed"),
        (
            DATABASE,
            {
                "StartingPosition": "LATEST",
                "SourceAccessConfigurations": BASIC,
                "DocumentDBEventSourceConfig": {"DatabaseName": "d"},
            },
            "User action",
            "No records processed",
        ),
    ],
)
def test_every_kind_of_source_can_be_mapped(
    bench: Bench, source: str | None, values: dict[str, Any], reason: str, result: str | None
) -> None:
    """Reason and result are those that AWS gives for the kind; what was sent comes back; the source can be left again."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        found = await created(bench, source, **values)
        assert (found["State"], found["StateTransitionReason"]) == ("Enabled", reason)
        assert found.get("LastProcessingResult") == result
        assert found.get("EventSourceArn") == source
        assert {name: found.get(name) for name in values}.keys() == values.keys()
        assert await listed(bench) == [found["UUID"]]
        await bench.call("DeleteEventSourceMapping", UUID=found["UUID"])
        await bench.quiet()
        assert await listed(bench) == []

    bench.run(scenario)


def test_a_consumer_group_is_named_after_the_mapping(bench: Bench) -> None:
    """Kafka's consumer group is the mapping's UUID, unless it is given."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        values: dict[str, Any] = {"StartingPosition": "LATEST", "Topics": ["t"]}
        found = await created(bench, CLUSTER, **values)
        assert found["AmazonManagedKafkaEventSourceConfig"] == {"ConsumerGroupId": found["UUID"]}
        config: dict[str, Any] = {"AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "g"}}
        assert (await created(bench, CLUSTER, **{**values, "Topics": ["u"]}, **config)).items() >= config.items()

    bench.run(scenario)


def test_a_mapping_can_begin_disabled(bench: Bench) -> None:
    """Enabled=False leads from Creating to Disabled."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        assert (await create(bench, Enabled=False))["State"] == "Creating"
        await bench.quiet()
        (mapping,) = await listed(bench)
        assert (await get(bench, mapping))["State"] == "Disabled"

    bench.run(scenario)


@pytest.mark.parametrize(
    ("enabled", "values", "transitional", "after"),
    [
        (True, {"BatchSize": 5}, "Updating", "Enabled"),
        (True, {"Enabled": True, "BatchSize": 5}, "Updating", "Enabled"),
        (True, {"Enabled": False, "BatchSize": 5}, "Disabling", "Disabled"),
        (False, {"BatchSize": 5}, "Updating", "Disabled"),
        (False, {"Enabled": True, "BatchSize": 5}, "Enabling", "Enabled"),
    ],
)
def test_updates_lead_through_a_state_of_their_own(
    bench: Bench, enabled: bool, values: dict[str, Any], transitional: str, after: str
) -> None:
    """The answer to an update shows where the mapping is on its way to; then it is there, with the new settings."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        mapping = (await created(bench, Enabled=enabled))["UUID"]
        bench.clock.advance(60)
        answer = await update(bench, mapping, **values)
        assert (answer["State"], answer["BatchSize"]) == (transitional, 5)
        assert answer["LastModified"] == datetime.fromtimestamp(bench.clock.now(), UTC)
        await bench.quiet()
        found = await get(bench, mapping)
        assert (found["State"], found["BatchSize"]) == (after, 5)

    bench.run(scenario)


@pytest.mark.parametrize("source", [STREAM, TABLE])
def test_updates_of_streams_show_late(bench: Bench, source: str) -> None:
    """The answer to an update of a stream's mapping has the former settings; a moment later the new ones are there."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        mapping = (await created(bench, source, StartingPosition="LATEST"))["UUID"]
        answer = await update(bench, mapping, BatchSize=5)
        assert (answer["State"], answer["BatchSize"]) == ("Updating", 100)
        await bench.quiet()
        found = await get(bench, mapping)
        assert (found["State"], found["BatchSize"]) == ("Enabled", 5)

    bench.run(scenario)


def test_a_deleted_mapping_says_so_and_goes(bench: Bench) -> None:
    """Deletion answers Deleting with all settings; then nobody knows the mapping."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        before = await created(bench)
        answer = await bench.call("DeleteEventSourceMapping", UUID=before["UUID"])
        assert answer == {**before, "State": "Deleting"}
        await bench.quiet()
        for operation in ("GetEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping"):
            message = await bench.refused(operation, "ResourceNotFoundException", UUID=before["UUID"])
            assert message == "The resource you requested does not exist."

    bench.run(scenario)


@pytest.mark.parametrize("state", ["Creating", "Updating", "Enabling", "Disabling", "Deleting"])
def test_a_mapping_on_its_way_is_in_use(bench: Bench, state: str) -> None:
    """Until it is at rest, a mapping can be looked at and neither updated nor deleted."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await created(bench)
        mapping = await left_in(bench, state)
        assert (await get(bench, mapping))["State"] == state
        for operation, verb in (("UpdateEventSourceMapping", "update"), ("DeleteEventSourceMapping", "delete")):
            message = await bench.refused(operation, "ResourceInUseException", UUID=mapping)
            assert message == f"Cannot {verb} the event source mapping because it is in use."

    bench.run(scenario)


@pytest.mark.parametrize(
    ("state", "enabled", "after"),
    [
        ("Creating", True, "Enabled"),
        ("Updating", True, "Enabled"),
        ("Enabling", True, "Enabled"),
        ("Creating", False, "Disabled"),
        ("Updating", False, "Disabled"),
        ("Disabling", False, "Disabled"),
        ("Enabled", True, "Enabled"),
        ("Disabled", False, "Disabled"),
        ("Deleting", True, None),
    ],
)
def test_a_restart_takes_up_what_was_on_its_way(bench: Bench, state: str, enabled: bool, after: str | None) -> None:
    """Whatever a stop interrupted comes to rest in the next life of the process, and what was at rest stays as it was."""
    mappings: list[str] = []

    async def first(bench: Bench) -> None:
        await bench.created()
        await created(bench, Enabled=enabled)
        mappings.append(await left_in(bench, state))

    async def second(bench: Bench) -> None:
        await bench.quiet()
        assert await listed(bench) == ([] if after is None else mappings)
        if after is not None:
            assert (await get(bench, mappings[0]))["State"] == after

    bench.run(first, second)


def test_a_state_that_cannot_be_stored_is_tried_again(bench: Bench) -> None:
    """A full disk keeps a mapping in its state until there is room; then it comes to rest."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        mapping = (await created(bench))["UUID"]
        put, calls = bench.store.put_resource, 0

        async def second_refused(record: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise StorageFullError("full")
            await put(record)

        bench.store.put_resource = second_refused  # pyright: ignore[reportAttributeAccessIssue]
        await update(bench, mapping, BatchSize=5)
        for _ in range(5):
            assert (await get(bench, mapping))["State"] == "Updating"
        assert calls == 2
        bench.clock.advance(bench.limits.store_retry_seconds)
        await bench.quiet()
        assert (await get(bench, mapping))["State"] == "Enabled"
        assert calls == 3

    bench.run(scenario)


def test_the_function_must_exist(bench: Bench) -> None:
    """A function, a version or an alias that is not there is refused in AWS's words, at creation and at an update."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        mapping = (await created(bench))["UUID"]
        for name in ("g", "f:2", "f:live", f"{ARN}:2", "000000000000:function:g"):
            values = {"FunctionName": name, "EventSourceArn": QUEUE}
            assert await bench.refused("CreateEventSourceMapping", INVALID, **values) == "Function does not exist"
            values = {"FunctionName": name, "UUID": mapping}
            assert await bench.refused("UpdateEventSourceMapping", INVALID, **values) == "Function does not exist"

    bench.run(scenario)


def test_functions_are_named_in_every_form(bench: Bench) -> None:
    """Name, partial ARN and ARN lead to one function; version and alias stay in FunctionArn."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        forms = {
            "f": ARN, "000000000000:function:f": ARN, ARN: ARN, "f:1": f"{ARN}:1", f"{ARN}:live": f"{ARN}:live",
        }  # fmt: skip
        for number, (name, arn) in enumerate(forms.items()):
            found = await created(bench, f"{QUEUE}{number}", name)
            assert found["FunctionArn"] == arn
            assert found["UUID"] in await listed(bench, FunctionName=name)
        assert len(await listed(bench, FunctionName="f")) == 3
        assert len(await listed(bench, FunctionName="f:live")) == 1

    bench.run(scenario)


@pytest.mark.parametrize(
    ("source", "values", "words"),
    [
        (QUEUE, {}, f'An event source mapping with SQS arn (" {QUEUE} ") and function (" f ") already exists.'),
        (
            f"{QUEUE}.fifo",
            {},
            f'An event source mapping with SQS arn (" {QUEUE}.fifo ") and function (" f ") already exists.',
        ),
        (
            STREAM,
            {"StartingPosition": "LATEST"},
            f'The event source arn (" {STREAM} ") and function (" f ") provided mapping already exists.',
        ),
        (
            TABLE,
            {"StartingPosition": "LATEST"},
            f'The event source arn (" {TABLE} ") and function (" f ") provided mapping already exists.',
        ),
        (
            None,
            {
                "StartingPosition": "LATEST",
                "Topics": ["t"],
                "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["b:1", "a:1"]}},
            },
            'The event source arn (" a:1,b:1 ") and function (" f ") provided mapping already exists.',
        ),
    ],
)
def test_a_source_and_a_function_are_mapped_once(
    bench: Bench, source: str | None, values: dict[str, Any], words: str
) -> None:
    """A second mapping of them is a conflict that names the first; another function, or an alias, may have its own."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.created("g")
        await bench.call("PublishVersion", FunctionName="f")
        first = (await created(bench, source, **values))["UUID"]
        given = {**values} if source is None else {**values, "EventSourceArn": source}
        message = await bench.refused(
            "CreateEventSourceMapping", "ResourceConflictException", FunctionName=ARN, **given
        )
        assert message == f"{words} Please update or delete the existing mapping with UUID {first}"
        await created(bench, source, "f:1", **values)
        second = (await created(bench, source, "g", **values))["UUID"]
        conflict = await bench.refused(
            "UpdateEventSourceMapping", "ResourceConflictException", UUID=second, FunctionName="f"
        )
        assert conflict == message
        await update(bench, first, FunctionName="f")
        await bench.quiet()
        await bench.call("DeleteEventSourceMapping", UUID=first)
        await bench.quiet()
        await update(bench, second, FunctionName="f")
        assert await listed(bench, FunctionName="f") == [second]

    bench.run(scenario)


def test_topics_and_collections_are_sources_of_their_own(bench: Bench) -> None:
    """One function may read several topics of a cluster, queues of a broker and collections of a database, each once."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        position = {"StartingPosition": "LATEST"}
        config = {**position, "SourceAccessConfigurations": BASIC}
        several: list[tuple[str, dict[str, Any]]] = [
            *((CLUSTER, {**position, "Topics": [name]}) for name in "tu"),
            *((BROKER, {"Queues": [name], "SourceAccessConfigurations": BASIC}) for name in "tu"),
            *(
                (DATABASE, {**config, "DocumentDBEventSourceConfig": {"DatabaseName": "d", "CollectionName": name}})
                for name in "tu"
            ),
            (DATABASE, {**config, "DocumentDBEventSourceConfig": {"DatabaseName": "d"}}),
        ]
        for source, values in several:
            await created(bench, source, **values)
        for source, values in several:
            given = {"FunctionName": "f", "EventSourceArn": source, **values}
            await bench.refused("CreateEventSourceMapping", "ResourceConflictException", **given)

    bench.run(scenario)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Unrecognized event source."),
        ({"EventSourceArn": "arn:aws:sns:us-east-1:000000000000:t"}, "Unrecognized event source."),
        (
            {
                "EventSourceArn": CLUSTER,
                "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["b:1"]}},
            },
            "Unrecognized event source.",
        ),
        (
            {"EventSourceArn": QUEUE, "StartingPosition": "LATEST"},
            "StartingPosition is not valid for SQS event sources.",
        ),
        ({"EventSourceArn": STREAM, "StartingPosition": "AT_TIMESTAMP"}, "Need to specify a timestamp"),
        (
            {"EventSourceArn": TABLE, "StartingPosition": "AT_TIMESTAMP"},
            f"Unsupported starting position for arn type: {TABLE}",
        ),
        ({"EventSourceArn": QUEUE, "Tags": {"aws:x": "y"}}, "aws: prefixed tag key names are not allowed for external use."),
        (
            {"EventSourceArn": QUEUE, "FilterCriteria": {"Filters": [{"Pattern": "x"}]}},
            "Invalid filter pattern definition.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_leaves_nothing(bench: Bench, values: dict[str, Any], message: str) -> None:
    """A creation that is refused says why and keeps nothing."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        assert await bench.refused("CreateEventSourceMapping", INVALID, FunctionName="f", **values) == message
        assert await listed(bench) == []

    bench.run(scenario)


def test_an_update_that_is_refused_changes_nothing(bench: Bench) -> None:
    """Settings are checked together with those that stay; the mapping keeps its state."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        before = await created(bench, MaximumBatchingWindowInSeconds=5, BatchSize=100)
        refused = [
            {"MaximumBatchingWindowInSeconds": 0},
            {"ParallelizationFactor": 2},
            {"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}},
            {"SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "g"}},
        ]
        for values in refused:
            await bench.refused("UpdateEventSourceMapping", INVALID, UUID=before["UUID"], **values)
            assert await get(bench, before["UUID"]) == before

    bench.run(scenario)


def test_the_time_to_start_at_is_kept(bench: Bench) -> None:
    """StartingPositionTimestamp comes back to the millisecond, in another life of the process too."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    mappings: list[str] = []

    async def first(bench: Bench) -> None:
        await bench.created()
        values: dict[str, Any] = {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": moment}
        mappings.append((await created(bench, STREAM, **values))["UUID"])

    async def second(bench: Bench) -> None:
        assert (await get(bench, mappings[0]))["StartingPositionTimestamp"] == moment

    bench.run(first, second)


def test_listings_are_filtered_and_paged(bench: Bench) -> None:
    """By source, by function or by both; in pages of at most a hundred, whose markers lead through all of them once."""

    async def scenario(bench: Bench) -> None:
        for name in "fg":
            await bench.created(name)
        for number in range(103):
            await create(bench, f"{QUEUE}{number}")
        both = [(await created(bench, f"{QUEUE}1", "g"))["UUID"], *await listed(bench, EventSourceArn=f"{QUEUE}1")]
        assert len(set(both)) == 2
        assert len(await listed(bench, EventSourceArn=f"{QUEUE}1", FunctionName="g")) == 1
        found: list[str] = []
        sizes: list[int] = []
        marker = None
        while True:
            page = await bench.call("ListEventSourceMappings", MaxItems=10_000, Marker=marker)
            found += [each["UUID"] for each in page["EventSourceMappings"]]
            sizes.append(len(page["EventSourceMappings"]))
            if (marker := page.get("NextMarker")) is None:
                break
        assert (sizes, len(set(found)), found) == ([100, 4], 104, sorted(found))
        assert len((await bench.call("ListEventSourceMappings", MaxItems=3))["EventSourceMappings"]) == 3
        await bench.refused("ListEventSourceMappings", INVALID, Marker="x")
        assert await listed(bench, FunctionName="nobody") == []

    bench.run(scenario)


def test_encrypted_filters_are_not_listed(bench: Bench) -> None:
    """With a key of one's own, filters are shown by Get and not by List; without one by both."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        criteria = {"Filters": [{"Pattern": '{"body": {"a": [1]}}'}]}
        open_ = await created(bench, QUEUE, FilterCriteria=criteria)
        closed = await created(
            bench, f"{QUEUE}2", FilterCriteria=criteria, KMSKeyArn="arn:aws:kms:us-east-1:000000000000:key/k"
        )
        assert (open_["FilterCriteria"], closed["FilterCriteria"]) == (criteria, criteria)
        page = (await bench.call("ListEventSourceMappings"))["EventSourceMappings"]
        assert {each["UUID"]: each.get("FilterCriteria") for each in page} == {
            open_["UUID"]: criteria, closed["UUID"]: None,
        }  # fmt: skip

    bench.run(scenario)


def test_mappings_belong_to_an_account_and_region(bench: Bench) -> None:
    """Callers of another account or region neither see nor reach a mapping."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        mapping = (await created(bench))["UUID"]
        for account, region in (("111111111111", "us-east-1"), ("000000000000", "eu-west-1")):
            other = CallContext(account=account, region=region, request_id="r", base_url="http://localhost:1")
            assert (await bench.api.handle("ListEventSourceMappings", {}, other))["EventSourceMappings"] == []
            with pytest.raises(ServiceError, match="does not exist"):
                await bench.api.handle("GetEventSourceMapping", {"UUID": mapping}, other)

    bench.run(scenario)


def test_deleting_the_function_leaves_its_mappings(bench: Bench) -> None:
    """As on AWS a mapping outlives its function: it can be found by the function's name, changed and deleted."""

    async def first(bench: Bench) -> None:
        await bench.created()
        await created(bench)
        await bench.call("DeleteFunction", FunctionName="f")

    async def second(bench: Bench) -> None:
        (mapping,) = await listed(bench, FunctionName="f")
        assert (await update(bench, mapping, BatchSize=3))["BatchSize"] == 3
        await bench.quiet()
        await bench.call("DeleteEventSourceMapping", UUID=mapping)
        await bench.quiet()
        assert await listed(bench) == []

    bench.run(first, second)


def test_that_nothing_polls_is_said(bench: Bench) -> None:
    """midge's log names every new mapping, once; strict mode refuses to make or change one, and deletes those there are."""
    mappings: list[dict[str, Any]] = []

    async def said(bench: Bench) -> None:
        await bench.created()
        with structlog.testing.capture_logs() as logs:
            mappings.append(await created(bench, Tags={"a": "b"}))
            await update(bench, mappings[0]["UUID"], BatchSize=2)
            await bench.quiet()
        said = [(entry["resource"], entry["members"]) for entry in logs if entry["event"] == "kept_without_effect"]
        assert said == [(mappings[0]["EventSourceMappingArn"], ["EventSourceMapping"])]

    async def refused(bench: Bench) -> None:
        mapping = mappings[0]["UUID"]
        for operation, values in (
            ("CreateEventSourceMapping", {"FunctionName": "f", "EventSourceArn": QUEUE}),
            ("UpdateEventSourceMapping", {"UUID": mapping}),
        ):
            message = await bench.refused(operation, INVALID, **values)
            assert message == f"midge does not support the operation {operation} yet."
        assert await listed(bench) == [mapping]
        await bench.call("DeleteEventSourceMapping", UUID=mapping)

    bench.run(said)
    bench.strict = True
    bench.run(refused)


def test_tags_are_kept_with_the_mapping(bench: Bench) -> None:
    """Tags of a creation are stored; more than fifty are refused."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await created(bench, Tags={"a": "b"})
        (kept,) = (await bench.store.list_resources(EventSourceMapping, SCOPE, None, 9)).items
        assert kept.tags == {"a": "b"}
        tags = {f"k{number}": "v" for number in range(51)}
        await bench.refused("CreateEventSourceMapping", INVALID, FunctionName="f", EventSourceArn=STREAM,
                            StartingPosition="LATEST", Tags=tags)  # fmt: skip

    bench.run(scenario)


def test_a_mapping_has_tags(bench: Bench) -> None:
    """Tags given at creation are listed, added to and taken away, and the mapping's state stays what it was."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        mapping = await created(bench, Tags={"a": "1"})
        arn = mapping["EventSourceMappingArn"]
        await bench.call("TagResource", Resource=arn, Tags={"b": "2"})
        await bench.call("UntagResource", Resource=arn, TagKeys=["a"])
        assert await bench.call("ListTags", Resource=arn) == {"Tags": {"b": "2"}}
        assert await get(bench, mapping["UUID"]) == mapping

    bench.run(scenario)
