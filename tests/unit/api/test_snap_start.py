"""SnapStart through the control plane's entrance: who may have it, and what publishing a version does."""

from typing import Any

import pytest
from api_bench import ARN, Bench

from midge.invoke.snapshot_maker import SnapshotFailure

ON = {"ApplyOn": "PublishedVersions"}


def test_publishing_takes_a_snapshot(bench: Bench) -> None:
    """A version is Pending until its snapshot is there, then Active and optimised; $LATEST never is, and has none."""

    async def scenario(bench: Bench) -> None:
        created = await bench.created(Runtime="python3.12", SnapStart=ON)
        assert created["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
        published = await bench.call("PublishVersion", FunctionName="f")
        assert (published["State"], published["SnapStart"]["OptimizationStatus"]) == ("Pending", "Off")
        await bench.settle()
        found = await bench.call("GetFunctionConfiguration", FunctionName="f", Qualifier="1")
        assert (found["State"], found["SnapStart"]["OptimizationStatus"]) == ("Active", "On")
        assert bench.snapshots == [f"{ARN}:1"]
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", SnapStart={"ApplyOn": "None"})
        await bench.settle()
        again = await bench.call("PublishVersion", FunctionName="f")
        assert (again["Version"], again["State"], again["SnapStart"]["ApplyOn"]) == ("2", "Active", "None")
        assert bench.snapshots == [f"{ARN}:1"]

    bench.run(scenario)


def test_failure(bench: Bench) -> None:
    """A version whose snapshot cannot be made is Failed, with the reason."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Runtime="python3.12", SnapStart=ON)
        bench.snapshot_failure = SnapshotFailure("FunctionError", "ValueError", "ValueError: no")
        await bench.call("PublishVersion", FunctionName="f")
        await bench.settle()
        found = await bench.call("GetFunctionConfiguration", FunctionName="f", Qualifier="1")
        assert (found["State"], found["StateReasonCode"], found["StateReason"]) == (
            "Failed",
            "FunctionError",
            "ValueError: no",
        )
        assert found["SnapStart"]["OptimizationStatus"] == "Off"

    bench.run(scenario)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"Runtime": "python3.11"}, "python3.11 is not supported for SnapStart enabled functions."),
        ({"Runtime": "nodejs20.x"}, "nodejs20.x is not supported for SnapStart enabled functions."),
        ({"Runtime": "java21"}, "midge does not support SnapStart for java21"),
        ({"EphemeralStorage": {"Size": 513}}, "ephemeral storage"),
        ({"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}, "tenant isolation"),
    ],
)
def test_refused(bench: Bench, settings: dict[str, Any], text: str) -> None:
    """What AWS does not restore, and what midge cannot, is refused by name when a function is created or changed."""

    async def scenario(bench: Bench) -> None:
        message = await bench.refused(
            "CreateFunction",
            "InvalidParameterValueException",
            FunctionName="f",
            **{**bench.settings(Runtime="python3.12", SnapStart=ON), **settings},
        )
        assert text in message
        if "TenancyConfig" not in settings and settings.get("Runtime") != "java21":
            await bench.created(**{"Runtime": "python3.12", **settings})
            message = await bench.refused(
                "UpdateFunctionConfiguration", "InvalidParameterValueException", FunctionName="f", SnapStart=ON
            )
            assert text in message

    bench.run(scenario)


def test_not_with_provisioned_concurrency(bench: Bench) -> None:
    """Provisioned concurrency of a version with SnapStart is refused."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Runtime="python3.12", SnapStart=ON)
        await bench.call("PublishVersion", FunctionName="f")
        await bench.settle()
        message = await bench.refused(
            "PutProvisionedConcurrencyConfig",
            "InvalidParameterValueException",
            FunctionName="f",
            Qualifier="1",
            ProvisionedConcurrentExecutions=1,
        )
        assert "SnapStart" in message

    bench.run(scenario)
