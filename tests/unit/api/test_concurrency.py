"""Reserved concurrency through the control plane's entrance."""

import asyncio

import pytest
from api_bench import ARN, Bench

TOO_MUCH = (
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
    "below its minimum value of [100]."
)


async def reserve(bench: Bench, count: int, name: str = "f") -> dict[str, int]:
    return await bench.call("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=count)


async def unreserved(bench: Bench) -> int:
    return (await bench.call("GetAccountSettings"))["AccountLimit"]["UnreservedConcurrentExecutions"]


def test_a_reservation_is_shown_everywhere_and_ends(bench: Bench) -> None:
    """It is answered, returned by both getters, taken from the account's rest, told the router; and gone when deleted."""

    async def scenario(bench: Bench) -> None:
        before = await bench.created()
        assert await bench.call("GetFunctionConcurrency", FunctionName="f") == {}
        assert "Concurrency" not in await bench.call("GetFunction", FunctionName="f")
        for count in (10, 0, 900):
            assert await reserve(bench, count) == {"ReservedConcurrentExecutions": count}
            shown = await bench.call("GetFunctionConcurrency", FunctionName="f")
            assert shown == {"ReservedConcurrentExecutions": count}
            assert (await bench.call("GetFunction", FunctionName="f"))["Concurrency"] == shown
            assert await unreserved(bench) == 1_000 - count
            assert bench.router.reserved == {ARN: count}
        for _ in range(2):
            assert await bench.call("DeleteFunctionConcurrency", FunctionName="f") == {}
            assert await bench.call("GetFunctionConcurrency", FunctionName="f") == {}
            assert bench.router.reserved == {}
        assert await unreserved(bench) == 1_000
        assert await bench.settle() == before

    bench.run(scenario)


def test_a_hundred_stay_unreserved(bench: Bench) -> None:
    """What all functions reserve together leaves 100; a function's own former reservation does not count against it."""

    async def scenario(bench: Bench) -> None:
        await bench.created("f")
        await bench.created("g")
        await reserve(bench, 500, "f")
        await reserve(bench, 400, "g")
        message = await bench.refused(
            "PutFunctionConcurrency",
            "InvalidParameterValueException",
            FunctionName="g",
            ReservedConcurrentExecutions=401,
        )
        assert message == TOO_MUCH
        assert await bench.call("GetFunctionConcurrency", FunctionName="g") == {"ReservedConcurrentExecutions": 400}
        await reserve(bench, 499, "f")
        await reserve(bench, 401, "g")

    bench.run(scenario)


def test_rivals_cannot_reserve_the_same_places(bench: Bench) -> None:
    """Of many functions that reserve at the same moment only as many succeed as there is room for."""

    async def scenario(bench: Bench) -> None:
        names = "fghijk"
        for name in names:
            await bench.created(name)
        outcomes = await asyncio.gather(*(reserve(bench, 300, name) for name in names), return_exceptions=True)
        assert sum(isinstance(outcome, dict) for outcome in outcomes) == 3
        assert await unreserved(bench) == 100

    bench.run(scenario)


def test_a_small_account_can_still_switch_off(bench: Bench) -> None:
    """Where fewer than 100 are there at all nothing can be reserved, but 0 takes from nobody and is allowed."""
    bench.limits = type(bench.limits)(account_concurrency=50)

    async def scenario(bench: Bench) -> None:
        await bench.created()
        message = await bench.refused(
            "PutFunctionConcurrency", "InvalidParameterValueException", FunctionName="f", ReservedConcurrentExecutions=1
        )
        assert message == TOO_MUCH
        await reserve(bench, 0)

    bench.run(scenario)


def test_a_reservation_survives_a_restart_and_goes_with_the_function(bench: Bench) -> None:
    """Another life of the process tells its router; a deleted function gives its places back."""

    async def first(bench: Bench) -> None:
        await bench.created()
        await reserve(bench, 7)

    async def second(bench: Bench) -> None:
        assert bench.router.reserved == {ARN: 7}
        await bench.call("TagResource", Resource=ARN, Tags={"a": "b"})
        assert await bench.call("GetFunctionConcurrency", FunctionName="f") == {"ReservedConcurrentExecutions": 7}
        await bench.call("DeleteFunction", FunctionName="f")
        assert bench.router.reserved == {}
        assert await unreserved(bench) == 1_000
        await bench.created()
        assert await bench.call("GetFunctionConcurrency", FunctionName="f") == {}

    bench.run(first, second)


@pytest.mark.parametrize("operation", ["PutFunctionConcurrency", "GetFunctionConcurrency", "DeleteFunctionConcurrency"])
def test_only_a_function_that_is_there_has_concurrency(bench: Bench, operation: str) -> None:
    """An unknown function is not found; a version or an alias cannot have a reservation."""
    values = {"ReservedConcurrentExecutions": 1} if operation.startswith("Put") else {}

    async def scenario(bench: Bench) -> None:
        message = await bench.refused(operation, "ResourceNotFoundException", FunctionName="f", **values)
        assert message == f"Function not found: {ARN}"
        await bench.refused(operation, "InvalidParameterValueException", FunctionName="f:1", **values)

    bench.run(scenario)


def test_what_is_provisioned_bounds_what_is_reserved(bench: Bench) -> None:
    """No less is reserved than the function has provisioned, and what others have provisioned is not to be had."""

    async def scenario(bench: Bench) -> None:
        for name, count in (("f", 200), ("g", 300)):
            await bench.created(name, Publish=True)
            await bench.call(
                "PutProvisionedConcurrencyConfig",
                FunctionName=name,
                Qualifier="1",
                ProvisionedConcurrentExecutions=count,
            )
        too_low = await bench.refused(
            "PutFunctionConcurrency",
            "InvalidParameterValueException",
            FunctionName="f",
            ReservedConcurrentExecutions=199,
        )
        assert too_low == (
            "ReservedConcurrentExecutions  199 should not be lower than function's total provisioned concurrency [200]."
        )
        too_high = await bench.refused(
            "PutFunctionConcurrency",
            "InvalidParameterValueException",
            FunctionName="f",
            ReservedConcurrentExecutions=601,
        )
        assert too_high == TOO_MUCH
        await reserve(bench, 600)
        with pytest.raises(Exception, match=r"account's unreserved concurrency \[300\]"):
            await bench.call(
                "PutProvisionedConcurrencyConfig",
                FunctionName="g",
                Qualifier="1",
                ProvisionedConcurrentExecutions=301,
            )

    bench.run(scenario)
