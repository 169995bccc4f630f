"""Every member of every request about functions has a treatment, and it is the one that is carried out."""

import logging
from typing import Any

import pytest
import structlog
from api_bench import ROLE, Bench, make_zip

from midge.api import members
from midge.api.members import Treatment
from midge.model.errors import ServiceError

TABLES = {
    "CreateFunction": members.CREATE_FUNCTION,
    "UpdateFunctionConfiguration": members.UPDATE_FUNCTION_CONFIGURATION,
    "UpdateFunctionCode": members.UPDATE_FUNCTION_CODE,
    "PublishVersion": members.PUBLISH_VERSION,
}


SAMPLES: dict[str, Any] = {
    "PublishTo": "LATEST_PUBLISHED",
    "CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "a"}},
    "DurableConfig": {"ExecutionTimeout": 60},
    "RuntimeConfig": {"RuntimeArn": "a"},
    "AcceleratorConfig": {"AcceleratorMemorySize": 1},
    "S3ObjectStorageMode": "REFERENCE",
}
"""A value that would change behaviour, for every member that is refused."""
HARMLESS: dict[str, Any] = {
    "S3ObjectStorageMode": "COPY",
}
KEPT: dict[str, Any] = {
    "FileSystemConfigs": [{"Arn": "a", "LocalMountPath": "/mnt/x"}],
    "VpcConfig": {"SubnetIds": ["subnet-1"]},
    "KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k",
    "TracingConfig": {"Mode": "Active"},
    "Architectures": ["arm64"],
    "SourceKMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k",
}


def last(path: str) -> str:
    return path.rpartition(".")[2]


def at(path: str, value: Any) -> dict[str, Any]:
    """A request that has nothing but ``value``, at ``path``."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def test_the_samples_cover_the_tables() -> None:
    """Each refused and each kept member of any table has a sample here."""
    for treatment, samples in ((Treatment.REFUSED, SAMPLES), (Treatment.KEPT, KEPT)):
        named = {last(path) for table in TABLES.values() for path, rule in table.items() if rule.treatment is treatment}
        assert named == samples.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_what_would_change_behaviour_is_refused_by_name(name: str) -> None:
    """In every request that has it, the member is refused with its name; an empty or harmless value of it is not."""
    for table in TABLES.values():
        for path in (path for path in table if last(path) == name):
            with pytest.raises(ServiceError, match=f"midge does not support the parameter {path} yet"):
                members.refuse_unsupported(table, at(path, SAMPLES[name]))
            members.refuse_unsupported(table, at(path, None))
            if name in HARMLESS:
                members.refuse_unsupported(table, at(path, HARMLESS[name]))


def creation(**values: Any) -> dict[str, Any]:
    return {
        "FunctionName": "f", "Runtime": "python3.12", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": make_zip()},
        **values,
    }  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "a"}}},
        {"Code": {"S3Bucket": "b", "S3Key": "k", "S3ObjectStorageMode": "REFERENCE"}},
    ],
)
def test_refusals_reach_the_caller(bench: Bench, values: dict[str, Any]) -> None:
    """A creation with a member that midge cannot honour fails and leaves nothing."""

    async def scenario(bench: Bench) -> None:
        message = await bench.refused("CreateFunction", "InvalidParameterValueException", **creation(**values))
        assert message.startswith("midge does not support the parameter ")
        assert (await bench.call("ListFunctions"))["Functions"] == []

    bench.run(scenario)


def test_what_is_kept_is_said_once(bench: Bench) -> None:
    """midge's log names the members that have no effect when they are first given, and not again."""

    async def scenario(bench: Bench) -> None:
        with structlog.testing.capture_logs() as logs:
            await bench.created(VpcConfig=KEPT["VpcConfig"], TracingConfig={"Mode": "PassThrough"})
            await bench.call("UpdateFunctionConfiguration", FunctionName="f", VpcConfig=KEPT["VpcConfig"])
            await bench.settle()
            await bench.call("UpdateFunctionConfiguration", FunctionName="f", TracingConfig={"Mode": "Active"})
        said = [entry["members"] for entry in logs if entry["event"] == "kept_without_effect"]
        assert said == [["VpcConfig"], ["TracingConfig"]]

    bench.run(scenario)


def test_strict_refuses_what_would_only_be_kept(bench: Bench) -> None:
    """In strict mode members without effect are refused by name; their harmless values are not."""
    bench.strict = True

    async def scenario(bench: Bench) -> None:
        for name, value in KEPT.items():
            if name in members.CREATE_FUNCTION:
                message = await bench.refused(
                    "CreateFunction", "InvalidParameterValueException", **creation(**{name: value})
                )
                assert name in message
        await bench.created(TracingConfig={"Mode": "PassThrough"}, Architectures=["x86_64"], VpcConfig={})

    bench.run(scenario)


def test_the_source_key_is_shown_with_the_code(bench: Bench) -> None:
    """SourceKMSKeyArn is kept and shown by GetFunction beside the location."""

    async def scenario(bench: Bench) -> None:
        key = KEPT["SourceKMSKeyArn"]
        found = await bench.created(Code={"ZipFile": make_zip(), "SourceKMSKeyArn": key})
        assert "SourceKMSKeyArn" not in found
        assert (await bench.call("GetFunction", FunctionName="f"))["Code"]["SourceKMSKeyArn"] == key

    bench.run(scenario)


def test_nothing_secret_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Values of environment variables never reach midge's log."""

    async def scenario(bench: Bench) -> None:
        with structlog.testing.capture_logs() as logs, caplog.at_level(logging.DEBUG):
            await bench.created(Environment={"Variables": {"PASSWORD": "hunter2"}}, VpcConfig=KEPT["VpcConfig"])
        assert "hunter2" not in f"{logs}{caplog.text}"

    bench.run(scenario)


@pytest.mark.parametrize(
    "target", ["arn:aws:lambda:us-east-1:000000000000:function:g", "arn:aws:sqs:us-east-1:000000000000:q.fifo"]
)
def test_dead_letters_go_to_queues_and_topics(bench: Bench, target: str) -> None:
    """A dead-letter target is kept as given and can be taken away; what is no standard queue or topic is refused."""

    async def scenario(bench: Bench) -> None:
        queue = {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}
        assert (await bench.created(DeadLetterConfig=queue))["DeadLetterConfig"] == queue
        changed = await bench.call("UpdateFunctionConfiguration", FunctionName="f", DeadLetterConfig={"TargetArn": ""})
        assert "DeadLetterConfig" not in changed
        message = await bench.refused(
            "UpdateFunctionConfiguration",
            "InvalidParameterValueException",
            FunctionName="f",
            DeadLetterConfig={"TargetArn": target},
        )
        assert target in message

    bench.run(scenario)
