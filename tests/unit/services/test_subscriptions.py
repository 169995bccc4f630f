"""Subscription filters: who may be subscribed, what is sent, and what happens when it cannot be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness.cloudwatch import ACCOUNT, FUNCTION, REGION, CloudWatch

from midge.log_store.files import LogFiles
from midge.model.limits import Limits
from midge.model.logs import LogGroupId

GROUP = "/aws/lambda/work"


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[CloudWatch]:
    service = CloudWatch(tmp_path)
    prepare(service)
    yield service
    service.close()


def prepare(service: CloudWatch) -> None:
    client = service.client()
    client.create_log_group(logGroupName=GROUP)
    client.create_log_stream(logGroupName=GROUP, logStreamName="s")


def subscribe(service: CloudWatch, pattern: str = "", name: str = "f", arn: str = FUNCTION) -> None:
    service.client().put_subscription_filter(
        logGroupName=GROUP, filterName=name, filterPattern=pattern, destinationArn=arn
    )


def put(service: CloudWatch, *messages: str) -> None:
    events = [{"timestamp": service.now_ms(), "message": message} for message in messages]
    service.client().put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=events)
    service.settle()


def refusal(call: Any, **values: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**values)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def test_matching_events_are_sent_as_aws_sends_them(logs: CloudWatch) -> None:
    """A subscriber gets the events that match, in AWS's document, with the ids that FilterLogEvents shows."""
    subscribe(logs, "ERROR")
    put(logs, "ERROR one", "fine", "ERROR two")
    ((arn, document),) = logs.subscribers.received
    ids = [
        event["eventId"]
        for event in logs.client().filter_log_events(logGroupName=GROUP, filterPattern="ERROR")["events"]
    ]
    assert arn == FUNCTION
    assert document == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": GROUP,
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": [
            {"id": ids[0], "timestamp": logs.now_ms(), "message": "ERROR one"},
            {"id": ids[1], "timestamp": logs.now_ms(), "message": "ERROR two"},
        ],
    }


def test_fields_are_extracted(logs: CloudWatch) -> None:
    """With a space-delimited pattern each event carries its fields."""
    subscribe(logs, "[level = ERROR, text]")
    put(logs, "ERROR it broke", "INFO it did not")
    ((_, document),) = logs.subscribers.received
    (event,) = document["logEvents"]
    assert event["extractedFields"] == {"level": "ERROR", "text": "it broke"}


def test_what_was_written_before_is_not_sent(logs: CloudWatch) -> None:
    """A subscription sees what is written while it lasts."""
    put(logs, "before")
    subscribe(logs)
    put(logs, "during")
    logs.client().delete_subscription_filter(logGroupName=GROUP, filterName="f")
    put(logs, "after")
    assert logs.subscribers.messages() == ["during"]


def test_two_filters_of_one_group(logs: CloudWatch) -> None:
    """Each filter sends to its own subscriber; a third is refused, changing one is not."""
    client = logs.client()
    subscribe(logs, "a", "first", FUNCTION)
    subscribe(logs, "b", "second", f"{FUNCTION}:prod")
    code, message = refusal(
        client.put_subscription_filter,
        logGroupName=GROUP, filterName="third", filterPattern="", destinationArn=FUNCTION,
    )  # fmt: skip
    assert (code, message) == ("LimitExceededException", "Resource limit exceeded.")
    put(logs, "a", "b", "ab")
    assert {
        arn: [event["message"] for event in document["logEvents"]] for arn, document in logs.subscribers.received
    } == {
        FUNCTION: ["a", "ab"],
        f"{FUNCTION}:prod": ["b", "ab"],
    }
    logs.advance(5)
    subscribe(logs, "c", "first")
    found = client.describe_subscription_filters(logGroupName=GROUP, limit=1)
    (first,) = found["subscriptionFilters"]
    assert first == {
        "filterName": "first",
        "logGroupName": GROUP,
        "filterPattern": "c",
        "destinationArn": FUNCTION,
        "distribution": "ByLogStream",
        "creationTime": logs.now_ms() - 5_000,
    }
    rest = client.describe_subscription_filters(logGroupName=GROUP, nextToken=found["nextToken"])
    assert [each["filterName"] for each in rest["subscriptionFilters"]] == ["second"]
    found = client.describe_subscription_filters(logGroupName=GROUP, filterNamePrefix="sec")
    assert [each["filterName"] for each in found["subscriptionFilters"]] == ["second"]


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("nonsense", "Invalid destinationArn: nonsense"),
        (f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s", "midge does not support destinations of subscription filters of the"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:l:1", "Invalid destinationArn"),
        (f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f", "cannot be in another account or region"),
        (f"arn:aws:lambda:{REGION}:210987654321:function:f", "cannot be in another account or region"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:missing", "Could not execute the lambda function."),
    ],
)  # fmt: skip
def test_who_cannot_be_subscribed(logs: CloudWatch, arn: str, message: str) -> None:
    """A destination that is not there, elsewhere, or of a kind that midge does not have, is refused."""
    code, told = refusal(
        logs.client().put_subscription_filter,
        logGroupName=GROUP, filterName="f", filterPattern="", destinationArn=arn,
    )  # fmt: skip
    assert code == "InvalidParameterException"
    assert message in told


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"filterPattern": "{"}, "Invalid"),
        ({"filterPattern": "a:b"}, "Invalid character(s) in term 'a:b'"),
        ({"emitSystemFields": ["@aws.account"]}, "the parameter emitSystemFields"),
        ({"applyOnTransformedLogs": True}, "the parameter applyOnTransformedLogs"),
        ({"logGroupName": "none"}, "The specified log group does not exist."),
        ({"filterName": "a:b"}, "pattern: [^:*]*"),
    ],
)
def test_filters_that_cannot_be(logs: CloudWatch, values: dict[str, Any], message: str) -> None:
    """A pattern that is none, and what midge does not have, is refused by name; nothing is subscribed."""
    given = {"logGroupName": GROUP, "filterName": "f", "filterPattern": "", "destinationArn": FUNCTION, **values}
    assert message in refusal(logs.client().put_subscription_filter, **given)[1]
    assert logs.client().describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"] == []


def test_a_filter_that_is_not_there(logs: CloudWatch) -> None:
    """Deleting it says so."""
    assert refusal(logs.client().delete_subscription_filter, logGroupName=GROUP, filterName="f") == (
        "ResourceNotFoundException",
        "The specified subscription filter does not exist.",
    )


def test_what_cannot_be_taken_now_is_tried_again(logs: CloudWatch) -> None:
    """While a subscriber takes nothing its events wait, in order, with growing pauses."""
    subscribe(logs)
    logs.subscribers.refusals = 3
    put(logs, "one")
    put(logs, "two")
    assert (logs.subscribers.attempts, logs.subscribers.messages()) == (1, [])
    for seconds in (1, 2, 3):
        logs.advance(seconds)
    assert (logs.subscribers.attempts, logs.subscribers.messages()) == (3, [])
    logs.advance(1)
    assert logs.subscribers.messages() == ["one", "two"]
    assert logs.subscriptions.dropped_bytes == 0


def test_trying_ends_after_a_day(logs: CloudWatch) -> None:
    """Who takes nothing for a day has lost the events of that day's beginning, and is told those that follow."""
    subscribe(logs)
    logs.subscribers.refusals = 1_000_000
    put(logs, "one")
    for _ in range(50):
        logs.advance(1_800)
    assert logs.subscriptions.dropped_bytes > 0
    attempts = logs.subscribers.attempts
    logs.advance(1_800)
    assert logs.subscribers.attempts == attempts
    logs.subscribers.refusals = 0
    put(logs, "two")
    assert logs.subscribers.messages() == ["two"]


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    """A subscriber that does not keep up loses what exceeds the limit; the log itself loses nothing."""
    logs = CloudWatch(tmp_path, Limits(log_subscription_bytes=2_000))
    prepare(logs)
    subscribe(logs)
    logs.subscribers.refusals = 1_000
    for number in range(30):
        put(logs, f"message {number}")
    assert logs.subscriptions.dropped_bytes > 0
    assert len(logs.client().filter_log_events(logGroupName=GROUP)["events"]) == 30
    logs.close()


def test_much_at_once_becomes_several_events(tmp_path: Path) -> None:
    """One invocation is given a bounded amount; all of it arrives, in order."""
    logs = CloudWatch(tmp_path, Limits(log_subscription_event_bytes=25))
    prepare(logs)
    subscribe(logs)
    messages = [f"message {number:02}" for number in range(10)]
    put(logs, *messages)
    assert logs.subscribers.messages() == messages
    assert [len(document["logEvents"]) for _, document in logs.subscribers.received] == [2] * 5
    logs.close()


def test_subscriptions_outlive_the_process(tmp_path: Path) -> None:
    """A filter is there after a restart and goes on sending."""
    logs = CloudWatch(tmp_path)
    prepare(logs)
    subscribe(logs, "x")
    logs.close()
    again = CloudWatch(tmp_path)
    put(again, "x", "y")
    assert again.subscribers.messages() == ["x"]
    again.close()
    settings = LogFiles(tmp_path, Limits()).group(LogGroupId(account=ACCOUNT, region=REGION, name=GROUP))
    assert settings is not None
    assert [each.name for each in settings.subscriptions] == ["f"]
