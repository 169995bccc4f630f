"""Configurations of asynchronous invocation, per function, version and alias."""

from datetime import UTC, datetime
from typing import Any

import pytest
from api_bench import ARN, Bench

AT = "us-east-1:000000000000"
QUEUE, TOPIC = f"arn:aws:sqs:{AT}:q", f"arn:aws:sns:{AT}:t"
FUNCTION, BUS, BUCKET = (
    f"arn:aws:lambda:{AT}:function:g",
    f"arn:aws:events:{AT}:event-bus/default",
    "arn:aws:s3:::bucket",
)
INVALID = "InvalidParameterValueException"


async def put(bench: Bench, name: str = "f", **values: Any) -> dict[str, Any]:
    return await bench.call("PutFunctionEventInvokeConfig", FunctionName=name, **values)


async def update(bench: Bench, name: str = "f", **values: Any) -> dict[str, Any]:
    return await bench.call("UpdateFunctionEventInvokeConfig", FunctionName=name, **values)


async def get(bench: Bench, name: str = "f", **values: Any) -> dict[str, Any]:
    return await bench.call("GetFunctionEventInvokeConfig", FunctionName=name, **values)


def to(on_success: str | None = None, on_failure: str | None = None) -> dict[str, Any]:
    """A destination config as it is sent and as it is answered."""
    return {
        "OnSuccess": {} if on_success is None else {"Destination": on_success},
        "OnFailure": {} if on_failure is None else {"Destination": on_failure},
    }


def test_what_is_put_comes_back(bench: Bench) -> None:
    """Put answers the configuration with the ARN of $LATEST and the present; Get answers the same after a restart."""
    answers: list[dict[str, Any]] = []

    async def first(bench: Bench) -> None:
        await bench.created()
        values: dict[str, Any] = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 3600}
        answers.append(await put(bench, **values, DestinationConfig={"OnFailure": {"Destination": QUEUE}}))
        now = datetime.fromtimestamp(bench.clock.now(), UTC)
        expected = {"FunctionArn": f"{ARN}:$LATEST", "LastModified": now, "DestinationConfig": to(None, QUEUE)}
        assert answers[0] == {**expected, **values}

    async def second(bench: Bench) -> None:
        assert await get(bench) == answers[0]
        assert await get(bench, ARN, Qualifier="$LATEST") == answers[0]

    bench.run(first, second)


def test_put_replaces_and_update_merges(bench: Bench) -> None:
    """Put forgets what it does not name; Update keeps it, each destination by itself; an empty one is taken away."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await put(bench, MaximumRetryAttempts=1, DestinationConfig=to(QUEUE, TOPIC))
        bench.clock.advance(10)
        changed = await update(
            bench, MaximumEventAgeInSeconds=60, DestinationConfig={"OnSuccess": {"Destination": BUS}}
        )
        assert (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]) == (1, 60)
        assert changed["DestinationConfig"] == to(BUS, TOPIC)
        assert changed["LastModified"] == datetime.fromtimestamp(bench.clock.now(), UTC)
        for empty in ({}, {"Destination": ""}):
            await update(bench, DestinationConfig={"OnFailure": {"Destination": QUEUE}})
            assert (await update(bench, DestinationConfig={"OnFailure": empty}))["DestinationConfig"] == to(BUS)
        replaced = await put(bench, MaximumEventAgeInSeconds=21_600)
        assert "MaximumRetryAttempts" not in replaced
        assert replaced["DestinationConfig"] == to()

    bench.run(scenario)


def test_each_qualifier_has_a_configuration_of_its_own(bench: Bench) -> None:
    """Function, version and alias are configured apart, named in any form, and the configuration goes with its own."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        answers = [
            await put(bench, MaximumRetryAttempts=0),
            await put(bench, "f:1", MaximumRetryAttempts=1),
            await put(bench, ARN, Qualifier="live", MaximumRetryAttempts=2),
        ]
        assert [each["FunctionArn"] for each in answers] == [f"{ARN}:{name}" for name in ("$LATEST", "1", "live")]
        assert [(await get(bench, f"f:{name}"))["MaximumRetryAttempts"] for name in ("$LATEST", "1", "live")] == [
            0,
            1,
            2,
        ]
        await bench.call("DeleteAlias", FunctionName="f", Name="live")
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        message = await bench.refused(
            "GetFunctionEventInvokeConfig", "ResourceNotFoundException", FunctionName="f", Qualifier="live"
        )
        assert message == f"The function {ARN}:live doesn't have an EventInvokeConfig"
        await bench.call("DeleteFunction", FunctionName="f")
        await bench.created()
        message = await bench.refused("GetFunctionEventInvokeConfig", "ResourceNotFoundException", FunctionName="f")
        assert message == f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig"

    bench.run(scenario)


@pytest.mark.parametrize(
    "operation",
    ["GetFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"],
)
def test_what_is_not_configured_says_so(bench: Bench, operation: str) -> None:
    """Without a configuration there is none to look at, change or delete, whether the function exists or not."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        for name in ("f", "g", "f:1"):
            values = {"MaximumRetryAttempts": 1} if operation.startswith("Update") else {}
            message = await bench.refused(operation, "ResourceNotFoundException", FunctionName=name, **values)
            arn = ARN.removesuffix("f") + (name if ":" in name else f"{name}:$LATEST")
            assert message == f"The function {arn} doesn't have an EventInvokeConfig"

    bench.run(scenario)


def test_only_what_exists_is_configured(bench: Bench) -> None:
    """A function, version or alias that is not there cannot be configured, and its configurations cannot be listed."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        for name in ("g", "f:1", "f:live"):
            message = await bench.refused(
                "PutFunctionEventInvokeConfig", "ResourceNotFoundException", FunctionName=name, MaximumRetryAttempts=1
            )
            assert message == "The function doesn't exist."
        await bench.refused("ListFunctionEventInvokeConfigs", "ResourceNotFoundException", FunctionName="g")

    bench.run(scenario)


def test_a_configuration_is_deleted_once(bench: Bench) -> None:
    """Deletion takes the configuration of one qualifier and leaves the others."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        await put(bench, MaximumRetryAttempts=1)
        await put(bench, "f:1", MaximumRetryAttempts=1)
        assert await bench.call("DeleteFunctionEventInvokeConfig", FunctionName="f") == {}
        await bench.refused("DeleteFunctionEventInvokeConfig", "ResourceNotFoundException", FunctionName="f")
        assert (await get(bench, "f:1"))["MaximumRetryAttempts"] == 1

    bench.run(scenario)


def test_something_must_be_set(bench: Bench) -> None:
    """A request without any setting is refused in AWS's words."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await put(bench, MaximumRetryAttempts=1)
        for operation in ("PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig"):
            message = await bench.refused(operation, INVALID, FunctionName="f")
            assert message == "You must specify at least one of error handling or destination setting."

    bench.run(scenario)


@pytest.mark.parametrize("arn", [QUEUE, TOPIC, FUNCTION, f"{FUNCTION}:live", f"{FUNCTION}:$LATEST", BUS])
def test_destinations(bench: Bench, arn: str) -> None:
    """Queues, topics, functions and event buses take records of both outcomes."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        assert (await put(bench, DestinationConfig=to(arn, arn)))["DestinationConfig"] == to(arn, arn)

    bench.run(scenario)


def test_a_bucket_takes_failures_alone(bench: Bench) -> None:
    """S3 is a destination of failures and refused as one of successes."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await put(bench, DestinationConfig=to(None, BUCKET))
        message = await bench.refused(
            "PutFunctionEventInvokeConfig", INVALID, FunctionName="f", DestinationConfig=to(BUCKET)
        )
        assert message == f"The destination ARN {BUCKET} is invalid."

    bench.run(scenario)


@pytest.mark.parametrize(
    "arn",
    [
        f"{QUEUE}.fifo",
        f"{TOPIC}.fifo",
        "kafka://topic",
        f"arn:aws:kinesis:{AT}:stream/s",
        f"arn:aws:lambda:{AT}:layer:l:1",
        f"arn:aws:events:{AT}:rule/r",
        "arn:aws:sns:us-east-1::t",
        "arn:aws:sqs::000000000000:q",
        "arn:aws:s3:::b",
    ],
)
def test_what_is_no_destination(bench: Bench, arn: str) -> None:
    """FIFO queues and topics, other services and broken ARNs are refused, by Put and Update, and change nothing."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        before = await put(bench, DestinationConfig=to(QUEUE, QUEUE))
        for config in (to(None, arn), to(arn)):
            for operation in ("PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig"):
                message = await bench.refused(operation, INVALID, FunctionName="f", DestinationConfig=config)
                assert message == f"The destination ARN {arn} is invalid."
        assert await get(bench) == before

    bench.run(scenario)


def test_a_function_is_no_destination_of_itself(bench: Bench) -> None:
    """Neither unqualified nor through a version or alias."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        for arn in (ARN, f"{ARN}:1", f"{ARN}:$LATEST"):
            message = await bench.refused(
                "PutFunctionEventInvokeConfig", INVALID, FunctionName="f", DestinationConfig=to(arn)
            )
            assert message == "You can't specify the function as a destination for itself."

    bench.run(scenario)


def test_listings_are_paged(bench: Bench) -> None:
    """All of a function's configurations, $LATEST first, page by page; another function's are not among them."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        await bench.created("g")
        await put(bench, "g", MaximumRetryAttempts=1)
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        for name in ("f:live", "f:1", "f"):
            await put(bench, name, MaximumRetryAttempts=1)
        found: list[str] = []
        marker = None
        while True:
            page = await bench.call("ListFunctionEventInvokeConfigs", FunctionName="f", MaxItems=2, Marker=marker)
            found += [each["FunctionArn"] for each in page["FunctionEventInvokeConfigs"]]
            if (marker := page.get("NextMarker")) is None:
                break
        assert found == [f"{ARN}:$LATEST", f"{ARN}:1", f"{ARN}:live"]

    bench.run(scenario)
