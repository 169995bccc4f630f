"""boto3, unmodified, against CloudWatch Logs in this process: groups, streams, events, retention, tags, errors."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness.cloudwatch import ACCOUNT, REGION, CloudWatch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.model.limits import Limits
from midge.model.logs import DAY_MS, RETENTION_DAYS, LogGroupId
from midge.observe.log_records import InvocationEnd, LogStyle
from midge.services.logs.api import OPERATIONS
from midge.wire.model import load_service_model

GROUP = "/aws/lambda/work"
NO_GROUP = "The specified log group does not exist."
NO_STREAM = "The specified log stream does not exist."


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[CloudWatch]:
    service = CloudWatch(tmp_path)
    yield service
    service.close()


def refusal(call: Any, **values: Any) -> tuple[str, str]:
    """The error's code and message; every one here is the caller's."""
    with pytest.raises(ClientError) as refused:
        call(**values)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def stream(client: Any, group: str = GROUP, *names: str) -> None:
    """Make a group and streams in it."""
    client.create_log_group(logGroupName=group)
    for name in names or ("s",):
        client.create_log_stream(logGroupName=group, logStreamName=name)


def put(client: Any, moments: list[int], name: str = "s", message: str = "m", group: str = GROUP) -> Any:
    """Write an event for each of ``moments``."""
    events = [{"timestamp": moment, "message": f"{message}{number}"} for number, moment in enumerate(moments)]
    return client.put_log_events(logGroupName=group, logStreamName=name, logEvents=events)


def test_the_life_of_a_log_group(logs: CloudWatch) -> None:
    """A group is made, described as AWS does, made only once, and gone with all that is in it when deleted."""
    client = logs.client()
    assert client.create_log_group(logGroupName=GROUP, tags={"a": "b"})["ResponseMetadata"]["HTTPStatusCode"] == 200
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
    assert client.describe_log_groups()["logGroups"] == [
        {
            "logGroupName": GROUP,
            "creationTime": logs.now_ms(),
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "logGroupClass": "STANDARD",
            "storedBytes": 0,
        }
    ]
    assert refusal(client.create_log_group, logGroupName=GROUP) == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    client.create_log_stream(logGroupName=GROUP, logStreamName="s")
    put(client, [logs.now_ms()])
    assert client.describe_log_groups()["logGroups"][0]["storedBytes"] > 0
    client.delete_log_group(logGroupName=GROUP)
    assert client.describe_log_groups()["logGroups"] == []
    assert refusal(client.delete_log_group, logGroupName=GROUP) == ("ResourceNotFoundException", NO_GROUP)
    assert refusal(client.get_log_events, logGroupName=GROUP, logStreamName="s") == (
        "ResourceNotFoundException",
        NO_GROUP,
    )


def test_the_life_of_a_log_stream(logs: CloudWatch) -> None:
    """A stream is made once, knows the times of its events, and is gone when deleted."""
    client = logs.client()
    stream(client)
    made = logs.now_ms()
    logs.advance(10)
    put(client, [logs.now_ms() - 5_000, logs.now_ms()])
    (found,) = client.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert found.pop("uploadSequenceToken")
    assert found == {
        "logStreamName": "s",
        "creationTime": made,
        "firstEventTimestamp": made + 5_000,
        "lastEventTimestamp": made + 10_000,
        "lastIngestionTime": made + 10_000,
        "arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:log-stream:s",
        "storedBytes": 0,
    }
    assert refusal(client.create_log_stream, logGroupName=GROUP, logStreamName="s") == (
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    )
    client.delete_log_stream(logGroupName=GROUP, logStreamName="s")
    assert refusal(client.delete_log_stream, logGroupName=GROUP, logStreamName="s") == (
        "ResourceNotFoundException",
        NO_STREAM,
    )
    assert client.describe_log_streams(logGroupName=GROUP)["logStreams"] == []


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ("create_log_stream", {"logStreamName": "s"}),
        ("delete_log_stream", {"logStreamName": "s"}),
        ("describe_log_streams", {}),
        ("put_log_events", {"logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}]}),
        ("get_log_events", {"logStreamName": "s"}),
        ("filter_log_events", {}),
        ("put_retention_policy", {"retentionInDays": 1}),
        ("delete_retention_policy", {}),
        ("describe_subscription_filters", {}),
        ("delete_subscription_filter", {"filterName": "f"}),
        ("tag_log_group", {"tags": {"a": "b"}}),
        ("untag_log_group", {"tags": ["a"]}),
        ("list_tags_log_group", {}),
    ],
)
def test_a_group_that_is_not_there(logs: CloudWatch, operation: str, values: dict[str, Any]) -> None:
    """Every operation on a log group says in AWS's words that there is none, and makes none."""
    client = logs.client()
    assert refusal(getattr(client, operation), logGroupName="none", **values) == ("ResourceNotFoundException", NO_GROUP)
    assert client.describe_log_groups()["logGroups"] == []


@pytest.mark.parametrize(
    ("operation", "values", "message"),
    [
        ("create_log_group", {"logGroupName": "a b"}, r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"),
        ("create_log_group", {"logGroupName": "x" * 513}, "Member must have length less than or equal to 512"),
        ("create_log_group", {}, "Value null at 'logGroupName'"),
        ("create_log_group", {"logGroupName": "aws/mine"}, "Log group names can't start with the string aws/"),
        ("create_log_group", {"logGroupName": "g", "tags": {"aws:a": "b"}}, "aws: prefixed tag key names"),
        ("create_log_group", {"logGroupName": "g", "logGroupClass": "DELIVERY"}, "the log group class DELIVERY"),
        ("create_log_group", {"logGroupName": "g", "deletionProtectionEnabled": True}, "deletionProtectionEnabled"),
        ("create_log_stream", {"logGroupName": GROUP, "logStreamName": "a:b"}, "pattern: [^:*]*"),
        ("put_retention_policy", {"logGroupName": GROUP, "retentionInDays": 2}, "Member must satisfy enum value set: [1, 3, 5,"),
        ("describe_log_groups", {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}, "mutually exclusive"),
        ("describe_log_groups", {"nextToken": "x"}, "The specified nextToken is invalid."),
        ("describe_log_groups", {"limit": 51}, "Member must have value less than or equal to 50"),
        ("describe_log_streams", {}, "must be specified"),
        ("describe_log_streams", {"logGroupName": GROUP, "logGroupIdentifier": GROUP}, "mutually exclusive"),
        ("describe_log_streams", {"logGroupIdentifier": "arn:aws:s3:::bucket"}, "Invalid ARN"),
        (
            "describe_log_streams",
            {"logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "s"},
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ),
        ("describe_log_streams", {"logGroupName": GROUP, "nextToken": "WzFd"}, "The specified nextToken is invalid."),
        ("get_log_events", {"logGroupName": GROUP, "logStreamName": "s", "nextToken": "f/1"}, "nextToken is invalid"),
        ("get_log_events", {"logGroupName": GROUP, "logStreamName": "s", "limit": 10_001}, "equal to 10000"),
        ("filter_log_events", {"logGroupName": GROUP, "nextToken": "WzFd"}, "The specified nextToken is invalid."),
        ("filter_log_events", {"logGroupName": GROUP, "filterPattern": "{ $.a"}, "Invalid"),
        (
            "filter_log_events",
            {"logGroupName": GROUP, "logStreamNames": ["s"], "logStreamNamePrefix": "s"},
            "Cannot specify both",
        ),
        ("put_log_events", {"logGroupName": GROUP, "logStreamName": "s", "logEvents": []}, "greater than or equal to 1"),
        ("tag_resource", {"resourceArn": "arn:aws:s3:::bucket", "tags": {"a": "b"}}, "Invalid ARN"),
        (
            "tag_resource",
            {"resourceArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:destination:d", "tags": {"a": "b"}},
            "tags of resources of the kind destination",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused(logs: CloudWatch, operation: str, values: dict[str, Any], message: str) -> None:
    """What breaks a rule is an InvalidParameterException that says which, and changes nothing."""
    client = logs.client()
    stream(client)
    code, told = refusal(getattr(client, operation), **values)
    assert code == "InvalidParameterException"
    assert message in told
    assert [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]] == [GROUP]


def test_what_is_not_supported_is_refused_by_name(logs: CloudWatch) -> None:
    """Every operation of the service is performed or refused by its name; none is unknown, none fails."""
    client = logs.client()
    model = load_service_model("logs")
    assert set(model.operations) > set(OPERATIONS)
    code, message = refusal(client.describe_metric_filters)
    assert (code, message) == (
        "InvalidParameterException",
        "midge does not support the operation DescribeMetricFilters yet.",
    )


def test_the_page_names_what_is_answered() -> None:
    """docs/logs.md names every operation that midge performs, and none that it does not."""
    text = (Path(__file__).parents[2] / "docs" / "logs.md").read_text("utf-8")
    listed = text.partition("Answered:\n")[2].partition(".\n")[0]
    assert {name.strip() for name in listed.split(",")} == set(OPERATIONS)


def test_groups_are_listed_by_name_in_pages(logs: CloudWatch) -> None:
    """The paginator finds each group once, in order, also by prefix, pattern and identifiers."""
    client = logs.client()
    names = [f"/g/{number:03}" for number in range(7)]
    for name in reversed(names):
        client.create_log_group(logGroupName=name)
    client.create_log_group(logGroupName="/h")
    pages = client.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 3})
    assert [[group["logGroupName"] for group in page["logGroups"]] for page in pages] == [
        names[:3], names[3:6], [names[6], "/h"],
    ]  # fmt: skip
    assert len(client.describe_log_groups(logGroupNamePrefix="/g")["logGroups"]) == 7
    (found,) = client.describe_log_groups(logGroupNamePattern="g/003")["logGroups"]
    assert set(found) == {"arn", "creationTime", "logGroupName"}
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/h"
    found = client.describe_log_groups(logGroupIdentifiers=["/g/001", arn])["logGroups"]
    assert [group["logGroupName"] for group in found] == ["/g/001", "/h"]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["LogStreamName", "LastEventTime"])
def test_streams_are_listed_in_pages(logs: CloudWatch, order: str, descending: bool) -> None:
    """The paginator finds each stream once, by name or by the time of its last event, in either direction."""
    client = logs.client()
    stream(client, GROUP, *"abcde")
    for name, age in {"a": 3, "b": 1, "c": 2, "d": 1}.items():
        put(client, [logs.now_ms() - age * 1_000], name)
    paginator = client.get_paginator("describe_log_streams")
    pages = paginator.paginate(
        logGroupName=GROUP, orderBy=order, descending=descending, PaginationConfig={"PageSize": 2}
    )
    names = [found["logStreamName"] for page in pages for found in page["logStreams"]]
    expected = list("abcde") if order == "LogStreamName" else list("eacbd")
    assert names == (expected[::-1] if descending else expected)


def test_accounts_and_regions_are_strangers(logs: CloudWatch) -> None:
    """What one account has in one region nobody sees from another, by name or by ARN."""
    stream(logs.client())
    for other in (logs.client(account="210987654321"), logs.client(region="us-east-1")):
        assert other.describe_log_groups()["logGroups"] == []
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
        assert refusal(other.filter_log_events, logGroupIdentifier=arn) == ("ResourceNotFoundException", NO_GROUP)
        assert refusal(other.list_tags_for_resource, resourceArn=arn) == ("ResourceNotFoundException", NO_GROUP)


def test_a_stream_is_read_in_both_directions(logs: CloudWatch) -> None:
    """Tokens lead forward and back through a stream without a gap; at an end the same token comes back."""
    client = logs.client()
    stream(client)
    start = logs.now_ms() - 10_000
    put(client, [start + number for number in range(10)])

    def get(**values: Any) -> tuple[list[int], str, str]:
        page = client.get_log_events(logGroupName=GROUP, logStreamName="s", limit=4, **values)
        moments = [event["timestamp"] - start for event in page["events"]]
        return moments, page["nextForwardToken"], page["nextBackwardToken"]

    latest, forward, backward = get()
    assert latest == [6, 7, 8, 9]
    earlier, _, backward = get(nextToken=backward)
    assert earlier == [2, 3, 4, 5]
    first, again, backward = get(nextToken=backward)
    assert first == [0, 1]
    assert get(nextToken=backward) == ([], again.replace(again, get(nextToken=backward)[1]), backward)
    assert get(nextToken=again)[0] == [2, 3, 4, 5]
    nothing, still, _ = get(nextToken=forward, startFromHead=True)
    assert (nothing, still) == ([], forward)
    put(client, [start + 20])
    assert get(nextToken=forward, startFromHead=True)[0] == [20]
    assert get(startFromHead=True)[0] == [0, 1, 2, 3]
    assert get(startFromHead=True, startTime=start + 3, endTime=start + 5)[0] == [3, 4]
    assert get(startFromHead=True, startTime=start + 100)[0] == []


def test_an_empty_stream_can_be_followed(logs: CloudWatch) -> None:
    """The token of an empty stream leads to the first event once it is there."""
    client = logs.client()
    stream(client)
    page = client.get_log_events(logGroupName=GROUP, logStreamName="s", startFromHead=True)
    assert page["events"] == []
    put(client, [logs.now_ms()])
    token = page["nextForwardToken"]
    page = client.get_log_events(logGroupName=GROUP, logStreamName="s", startFromHead=True, nextToken=token)
    assert [event["message"] for event in page["events"]] == ["m0"]
    assert page["events"][0]["ingestionTime"] == logs.now_ms()


def test_a_page_holds_a_megabyte(logs: CloudWatch) -> None:
    """A page ends where the next event would make it more than 1 MB; an event of that size is a page of its own."""
    client = logs.client()
    stream(client)
    big = "x" * (1_048_576 - 26)
    for number in range(3):
        event = {"timestamp": logs.now_ms() + number, "message": big}
        client.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=[event])
    assert len(client.get_log_events(logGroupName=GROUP, logStreamName="s")["events"]) == 1
    page = client.filter_log_events(logGroupName=GROUP)
    assert len(page["events"]) == 1
    paginator = client.get_paginator("filter_log_events")
    assert sum(len(page["events"]) for page in paginator.paginate(logGroupName=GROUP)) == 3


@given(
    written=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), max_size=25),
    size=st.integers(1, 9),
    descending=st.booleans(),
    start=st.integers(0, 60),
    end=st.integers(0, 60),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_filtering_finds_each_event_once(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[str, int]],
    size: int,
    descending: bool,
    start: int,
    end: int,
) -> None:
    """Whatever is in a group, its pages together hold each event of the range once, by time, the end included."""
    logs = CloudWatch(tmp_path_factory.mktemp("logs"))
    try:
        client = logs.client()
        stream(client, GROUP, *"abc")
        base = logs.now_ms()
        for number, (name, moment) in enumerate(written):
            put(client, [base + moment], name, f"{number}-")
        paginator = client.get_paginator("filter_log_events")
        pages = paginator.paginate(
            logGroupName=GROUP,
            startFromHead=not descending,
            startTime=base + start,
            endTime=base + end,
            PaginationConfig={"PageSize": size},
        )
        found = [event for page in pages for event in page["events"]]
        moments = [event["timestamp"] - base for event in found]
        assert moments == sorted((m for _, m in written if start <= m <= end), reverse=descending)
        assert len({event["eventId"] for event in found}) == len(found)
        assert {event["message"] for event in found} == {
            f"{number}-0" for number, (_, moment) in enumerate(written) if start <= moment <= end
        }
    finally:
        logs.close()


def test_filtering_looks_at_a_bounded_amount_for_a_page(tmp_path: Path) -> None:
    """A page may be empty and say that there is more to look at; the paginator goes on to what matches."""
    logs = CloudWatch(tmp_path, Limits(log_search_bytes=500))
    try:
        client = logs.client()
        stream(client)
        put(client, [logs.now_ms() + number for number in range(100)])
        page = client.filter_log_events(logGroupName=GROUP, filterPattern="m99")
        assert page["events"] == []
        assert page["nextToken"]
        pages = client.get_paginator("filter_log_events").paginate(logGroupName=GROUP, filterPattern="m99")
        assert [event["message"] for page in pages for event in page["events"]] == ["m99"]
    finally:
        logs.close()


def test_filtering_by_streams_and_patterns(logs: CloudWatch) -> None:
    """Streams by name or prefix, events by pattern; a stream that is not there is an error."""
    client = logs.client()
    stream(client, GROUP, "a1", "a2", "b")
    for name, message in (("a1", "ERROR x"), ("a2", "fine"), ("b", "ERROR y"), ("b", '{"level":"warn","n":7}')):
        put(client, [logs.now_ms()], name, message)

    def find(**values: Any) -> list[str]:
        return [event["message"] for event in client.filter_log_events(logGroupName=GROUP, **values)["events"]]

    assert find(filterPattern="ERROR") == ["ERROR x0", "ERROR y0"]
    assert find(filterPattern="ERROR", logStreamNamePrefix="b") == ["ERROR y0"]
    assert find(logStreamNames=["a2"]) == ["fine0"]
    assert find(filterPattern='{ $.level = "warn" && $.n > 5 }') == []
    assert refusal(client.filter_log_events, logGroupName=GROUP, logStreamNames=["no"]) == (
        "ResourceNotFoundException",
        NO_STREAM,
    )


def test_put_log_events_takes_what_is_neither_too_old_nor_too_new(logs: CloudWatch) -> None:
    """Events beyond 14 days, the retention or two hours ahead are rejected by index; the others are kept."""
    client = logs.client()
    stream(client)
    now = logs.now_ms()
    answer = put(client, [now - 15 * DAY_MS, now - 14 * DAY_MS - 1, now - 1_000, now, now + 7_200_000, now + 7_200_001])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 5}
    assert answer["nextSequenceToken"]
    client.put_retention_policy(logGroupName=GROUP, retentionInDays=3)
    answer = put(client, [now - 4 * DAY_MS, now - 3 * DAY_MS, now - 3 * DAY_MS + 1])
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    events = client.filter_log_events(logGroupName=GROUP)["events"]
    assert [event["timestamp"] - now for event in events] == [-3 * DAY_MS, -3 * DAY_MS + 1, -1_000, 0, 7_200_000]
    answer = put(client, [now - 20 * DAY_MS])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 1}
    assert "rejectedLogEventsInfo" not in put(client, [now])


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([(0, "b"), (-1, "a")], "Log events in a single PutLogEvents request must be in chronological order."),
        ([(-DAY_MS - 1, "a"), (0, "b")], "cannot span more than 24 hours"),
        ([(0, "x" * (1_048_576 - 25))], "Log event too large: 1048577 bytes exceeds limit of 1048576"),
        ([(0, "x" * 600_000)] * 2, "Upload too large: 1200052 bytes exceeds limit of 1048576"),
        ([(0, "m")] * 10_001, "Member must have length less than or equal to 10000"),
    ],
)
def test_put_log_events_refuses_a_batch(logs: CloudWatch, events: list[tuple[int, str]], message: str) -> None:
    """A batch that breaks a rule is refused whole, and nothing of it is kept."""
    client = logs.client()
    stream(client)
    batch = [{"timestamp": logs.now_ms() + offset, "message": text} for offset, text in events]
    code, told = refusal(client.put_log_events, logGroupName=GROUP, logStreamName="s", logEvents=batch)
    assert code == "InvalidParameterException"
    assert message in told
    assert client.filter_log_events(logGroupName=GROUP)["events"] == []


def test_put_log_events_ignores_sequence_tokens_and_says_that_it_keeps_no_entity(logs: CloudWatch) -> None:
    """Any token does, as AWS has it; an entity is answered as one that could not be kept."""
    client = logs.client()
    stream(client)
    event = {"timestamp": logs.now_ms(), "message": "m"}
    for extra in ({"sequenceToken": "no such token"}, {"entity": {"keyAttributes": {"Type": "Service", "Name": "n"}}}):
        answer = client.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=[event], **extra)
        assert ("rejectedEntityInfo" in answer) == ("entity" in extra)
    assert len(client.filter_log_events(logGroupName=GROUP)["events"]) == 2


def test_events_expire(logs: CloudWatch) -> None:
    """From the moment that retention ends nothing older is shown, and the files go within the hour; without, all stays."""
    client = logs.client()
    stream(client)
    put(client, [logs.now_ms()], message="old")
    client.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    assert client.describe_log_groups()["logGroups"][0]["retentionInDays"] == 1
    logs.advance(23 * 3_600)
    put(client, [logs.now_ms()], message="new")

    def messages() -> list[str]:
        found = client.get_log_events(logGroupName=GROUP, logStreamName="s")["events"]
        assert [event["message"] for event in client.filter_log_events(logGroupName=GROUP)["events"]] == [
            event["message"] for event in found
        ]
        return [event["message"] for event in found]

    assert messages() == ["old0", "new0"]
    logs.advance(3_601)
    assert messages() == ["new0"]
    logs.advance(24 * 3_600)
    assert messages() == []
    logs.advance(3_600)
    assert b"new0" not in b"".join(path.read_bytes() for path in logs.root.rglob("*.log"))
    (left,) = client.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert "lastEventTimestamp" not in left
    client.delete_retention_policy(logGroupName=GROUP)
    assert "retentionInDays" not in client.describe_log_groups()["logGroups"][0]
    put(client, [logs.now_ms()], message="kept")
    logs.advance(4_000 * 24 * 3_600)
    assert messages() == ["kept0"]


@pytest.mark.parametrize("days", RETENTION_DAYS)
def test_every_retention_that_aws_has(logs: CloudWatch, days: int) -> None:
    """All periods of the documentation are taken."""
    client = logs.client()
    client.create_log_group(logGroupName=GROUP)
    client.put_retention_policy(logGroupName=GROUP, retentionInDays=days)
    assert client.describe_log_groups()["logGroups"][0]["retentionInDays"] == days


def test_tags_in_both_forms(logs: CloudWatch) -> None:
    """Tags by ARN and by name are the same tags: added to, taken away, listed, and at most fifty."""
    client = logs.client()
    client.create_log_group(logGroupName=GROUP, tags={"a": "1"})
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
    client.tag_resource(resourceArn=arn, tags={"b": "2", "a": "3"})
    client.tag_log_group(logGroupName=GROUP, tags={"c": "4"})
    assert client.list_tags_log_group(logGroupName=GROUP)["tags"] == {"a": "3", "b": "2", "c": "4"}
    client.untag_resource(resourceArn=arn, tagKeys=["a", "zzz"])
    client.untag_log_group(logGroupName=GROUP, tags=["b"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "4"}
    many = {f"k{number}": "v" for number in range(50)}
    assert refusal(client.tag_resource, resourceArn=arn, tags=many)[0] == "TooManyTagsException"
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "4"}


def test_everything_outlives_the_process(tmp_path: Path) -> None:
    """Groups with their settings, streams and events are there again after a restart."""
    first = CloudWatch(tmp_path)
    client = first.client()
    stream(client)
    put(client, [first.now_ms()])
    client.put_retention_policy(logGroupName=GROUP, retentionInDays=5)
    client.tag_log_group(logGroupName=GROUP, tags={"a": "b"})
    expected = [client.describe_log_groups(), client.describe_log_streams(logGroupName=GROUP)]
    first.close()
    second = CloudWatch(tmp_path)
    client = second.client()
    found = [client.describe_log_groups(), client.describe_log_streams(logGroupName=GROUP)]
    for answer in itertools.chain(expected, found):
        del answer["ResponseMetadata"]
    assert found == expected
    assert client.list_tags_log_group(logGroupName=GROUP)["tags"] == {"a": "b"}
    assert [event["message"] for event in client.filter_log_events(logGroupName=GROUP)["events"]] == ["m0"]
    second.close()


def test_what_a_function_writes_makes_its_group_and_is_read_at_once(logs: CloudWatch) -> None:
    """An invocation's log is there for the first call after it, in the account and region of the function."""
    client = logs.client()

    async def invoke() -> None:
        place = LogGroupId(account=ACCOUNT, region=REGION, name=GROUP)
        log = logs.writer.open(place, "2027/01/15/[1]ab", LogStyle(version="1", memory_size_mb=128))
        log.start(logs.clock.now(), b"id")
        log.output(logs.clock.now(), b"hello\n")
        log.end(InvocationEnd(logs.clock.now(), b"id", 0.1))

    logs.run(invoke())
    events = client.filter_log_events(logGroupName=GROUP)["events"]
    assert [event["message"].split()[0] for event in events] == ["START", "hello", "END", "REPORT"]
    assert {event["logStreamName"] for event in events} == {"2027/01/15/[1]ab"}
    assert refusal(client.create_log_group, logGroupName=GROUP)[0] == "ResourceAlreadyExistsException"


def test_strict_refuses_what_would_only_be_kept(tmp_path: Path) -> None:
    """A key for encryption is kept and shown; in strict mode it is refused by name."""
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"
    for strict in (False, True):
        logs = CloudWatch(tmp_path / str(strict), strict=strict)
        client = logs.client()
        if strict:
            assert "kmsKeyId" in refusal(client.create_log_group, logGroupName=GROUP, kmsKeyId=key)[1]
        else:
            client.create_log_group(logGroupName=GROUP, kmsKeyId=key)
            assert client.describe_log_groups()["logGroups"][0]["kmsKeyId"] == key
        logs.close()


def test_a_store_that_fails_is_said(logs: CloudWatch) -> None:
    """When the disk refuses, the answer is the service's own error, not a hang, and it works again afterwards."""
    client = logs.client()
    stream(client)
    (logs.root / ACCOUNT / "us-east-1").write_text("in the way")
    broken = logs.client(region="us-east-1")
    with pytest.raises(ClientError) as refused:
        broken.create_log_group(logGroupName=GROUP)
    assert refused.value.response["Error"]["Code"] == "ServiceUnavailableException"
    put(client, [logs.now_ms()])
    (logs.root / ACCOUNT / "us-east-1").unlink()
    broken.create_log_group(logGroupName=GROUP)


def test_output_that_cannot_be_written_hides_nothing_else(logs: CloudWatch) -> None:
    """While one account's output fails to be written, what is there is read and what else comes is kept."""
    client = logs.client()
    stream(client)
    put(client, [logs.now_ms()])
    (logs.root / "999999999999").write_text("in the way")

    async def write() -> None:
        place = LogGroupId(account="999999999999", region=REGION, name=GROUP)
        logs.writer.open(place, "s", LogStyle(version="1", memory_size_mb=128)).output(logs.clock.now(), b"lost\n")

    logs.run(write())
    assert [event["message"] for event in client.filter_log_events(logGroupName=GROUP)["events"]] == ["m0"]
    put(client, [logs.now_ms()])
    assert len(client.filter_log_events(logGroupName=GROUP)["events"]) == 2


def test_names_of_any_kind_come_back(logs: CloudWatch) -> None:
    """Streams with the names that AWS allows, long or strange, are made, listed and read."""
    client = logs.client()
    names = ["2026/11/25/[$LATEST]ab", "../../x", ".", "ü" * 512, "a b\n", "x" * 512, "=@%2F"]
    stream(client, "#./-_" * 100, *names)
    for name in names:
        put(client, [logs.now_ms()], name, "m", "#./-_" * 100)
    found = client.describe_log_streams(logGroupName="#./-_" * 100)["logStreams"]
    assert {each["logStreamName"] for each in found} == set(names)
    assert json.dumps(client.filter_log_events(logGroupName="#./-_" * 100)["events"]).count("m0") == len(names)
