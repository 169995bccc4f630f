"""Two small questions that templates ask about every function: recursive loops and code signing."""

from typing import Any

import pytest
from api_bench import ARN, Bench


async def loop_of(bench: Bench) -> str:
    return (await bench.call("GetFunctionRecursionConfig", FunctionName="f"))["RecursiveLoop"]


def test_recursive_loops_end_unless_allowed(bench: Bench) -> None:
    """Terminate is the default; what is put is answered, returned, in another life of the process too, and goes with the function."""

    async def first(bench: Bench) -> None:
        before = await bench.created()
        assert await loop_of(bench) == "Terminate"
        put = await bench.call("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow")
        assert put == {"RecursiveLoop": "Allow"}
        assert await loop_of(bench) == "Allow"
        assert await bench.settle() == before

    async def second(bench: Bench) -> None:
        await bench.call("TagResource", Resource=ARN, Tags={"a": "b"})
        assert await loop_of(bench) == "Allow"
        await bench.call("DeleteFunction", FunctionName="f")
        await bench.created()
        assert await loop_of(bench) == "Terminate"

    bench.run(first, second)


def test_a_function_without_code_signing_says_so(bench: Bench) -> None:
    """The answer has the function's name and an empty ARN, however the function was named."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        for name in ("f", ARN):
            found = await bench.call("GetFunctionCodeSigningConfig", FunctionName=name)
            assert found == {"CodeSigningConfigArn": "", "FunctionName": "f"}

    bench.run(scenario)


@pytest.mark.parametrize(
    ("operation", "values"),
    [
        ("PutFunctionRecursionConfig", {"RecursiveLoop": "Allow"}),
        ("GetFunctionRecursionConfig", {}),
        ("GetFunctionCodeSigningConfig", {}),
    ],
)
def test_only_functions_that_are_there_answer(bench: Bench, operation: str, values: dict[str, Any]) -> None:
    """An unknown function is a ResourceNotFoundException with its ARN."""

    async def scenario(bench: Bench) -> None:
        message = await bench.refused(operation, "ResourceNotFoundException", FunctionName="f", **values)
        assert message == f"Function not found: {ARN}"

    bench.run(scenario)
