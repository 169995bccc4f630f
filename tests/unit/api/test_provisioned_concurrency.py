"""Provisioned concurrency of versions and aliases."""

from typing import Any

import pytest
from api_bench import ARN, Bench


async def put(bench: Bench, qualifier: str, count: int = 2, name: str = "f") -> dict[str, Any]:
    return await bench.call(
        "PutProvisionedConcurrencyConfig",
        FunctionName=name,
        Qualifier=qualifier,
        ProvisionedConcurrentExecutions=count,
    )


async def published(bench: Bench, count: int = 1, **values: Any) -> None:
    await bench.created(Publish=True, **values)
    for number in range(2, count + 1):
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Description=str(number))
        await bench.settle()
        await bench.call("PublishVersion", FunctionName="f")
    await bench.quiet()


def test_a_configuration_is_in_progress_until_its_environments_are_there(bench: Bench) -> None:
    """The answer is IN_PROGRESS; then the status follows the environments: READY, or FAILED with AWS's reason."""

    async def scenario(bench: Bench) -> None:
        await published(bench)
        answer = await put(bench, "1", 3)
        assert (answer["Status"], answer["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 3)
        assert bench.router.wanted["f"] == {"1": 3}

        async def status() -> tuple[str, int, str | None]:
            found = await bench.call("GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")
            return found["Status"], found["AvailableProvisionedConcurrentExecutions"], found.get("StatusReason")

        assert await status() == ("IN_PROGRESS", 0, None)
        bench.router.available, bench.router.init_fails = 1, True
        assert await status() == ("FAILED", 1, "FUNCTION_ERROR_INIT_FAILURE")
        bench.router.available, bench.router.init_fails = 7, False
        assert await status() == ("READY", 3, None)

    bench.run(scenario)


def test_an_alias_takes_its_environments_along(bench: Bench) -> None:
    """Environments are those of the version that the alias points at, also after it moved, after a restart and its end."""

    async def first(bench: Bench) -> None:
        await published(bench, 2)
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        await put(bench, "live")
        assert bench.router.wanted["f"] == {"1": 2}
        await bench.call("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2")
        assert bench.router.wanted["f"] == {"2": 2}

    async def second(bench: Bench) -> None:
        assert bench.router.wanted["f"] == {"2": 2}
        assert f"{ARN}:2" in bench.router.versions
        (listed,) = (await bench.call("ListProvisionedConcurrencyConfigs", FunctionName="f"))[
            "ProvisionedConcurrencyConfigs"
        ]
        assert listed["FunctionArn"] == f"{ARN}:live"
        await bench.call("DeleteAlias", FunctionName="f", Name="live")
        assert bench.router.wanted["f"] == {}
        listing = await bench.call("ListProvisionedConcurrencyConfigs", FunctionName="f")
        assert listing["ProvisionedConcurrencyConfigs"] == []

    bench.run(first, second)


def test_a_version_is_provisioned_once(bench: Bench) -> None:
    """A version with environments of its own shares none with an alias, and the other way round; aliases add up."""

    async def scenario(bench: Bench) -> None:
        await published(bench)
        for name in ("a", "b"):
            await bench.call("CreateAlias", FunctionName="f", Name=name, FunctionVersion="1")
            await put(bench, name)
        assert bench.router.wanted["f"] == {"1": 4}
        with pytest.raises(Exception, match="Version is pointed by a Provisioned Concurrency alias"):
            await put(bench, "1")
        for name in ("a", "b"):
            await bench.call("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier=name)
        await put(bench, "1")
        with pytest.raises(Exception, match="on an already Provisioned version"):
            await put(bench, "a")
        assert bench.router.wanted["f"] == {"1": 2}

    bench.run(scenario)


def test_there_must_be_room(bench: Bench) -> None:
    """No more is provisioned than the function has reserved, or else than the account has left above its minimum."""

    async def scenario(bench: Bench) -> None:
        await published(bench)
        with pytest.raises(Exception, match=r"account's unreserved concurrency \[900\]"):
            await put(bench, "1", 901)
        await put(bench, "1", 900)
        await put(bench, "1", 4)
        await bench.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=5)
        with pytest.raises(Exception, match="reservedConcurrentExecution for function: 5"):
            await put(bench, "1", 6)
        await put(bench, "1", 5)

    bench.run(scenario)


@pytest.mark.parametrize("operation", ["Get", "Delete"])
def test_what_is_not_there_is_told_apart(bench: Bench, operation: str) -> None:
    """No configuration to get, no such version and $LATEST each have their error; none to delete is none."""
    name = f"{operation}ProvisionedConcurrencyConfig"

    async def scenario(bench: Bench) -> None:
        await published(bench)
        if operation == "Delete":
            assert await bench.call(name, FunctionName="f", Qualifier="1") == {}
        else:
            missing = "ProvisionedConcurrencyConfigNotFoundException"
            await bench.refused(name, missing, FunctionName="f", Qualifier="1")
        await bench.refused(name, "ResourceNotFoundException", FunctionName="f", Qualifier="9")
        message = await bench.refused(name, "InvalidParameterValueException", FunctionName="f", Qualifier="$LATEST")
        assert message == "Provisioned Concurrency Configs cannot be applied to unpublished function versions."

    bench.run(scenario)
