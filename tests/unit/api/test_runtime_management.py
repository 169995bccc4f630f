"""Runtime management configurations: there is one build of each runtime."""

from typing import Any

import pytest
from api_bench import ARN, Bench


def test_a_version_is_updated_automatically_unless_told_otherwise(bench: Bench) -> None:
    """Auto is the default of every version; each has a configuration of its own, which goes with it."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Publish=True)
        auto = {"UpdateRuntimeOn": "Auto", "FunctionArn": f"{ARN}:$LATEST", "RuntimeVersionArn": None}
        assert await bench.call("GetRuntimeManagementConfig", FunctionName="f") == auto
        put = await bench.call(
            "PutRuntimeManagementConfig", FunctionName="f", Qualifier="1", UpdateRuntimeOn="FunctionUpdate"
        )
        assert put == {"UpdateRuntimeOn": "FunctionUpdate", "FunctionArn": f"{ARN}:1", "RuntimeVersionArn": None}
        assert await bench.call("GetRuntimeManagementConfig", FunctionName="f:1") == put
        assert await bench.call("GetRuntimeManagementConfig", FunctionName="f") == auto
        await bench.refused("GetRuntimeManagementConfig", "ResourceNotFoundException", FunctionName="f:2")

    bench.run(scenario)


def test_manual_names_the_build_that_is_here(bench: Bench) -> None:
    """Manual takes the ARN that the function's configuration shows and no other; other modes take none."""

    async def scenario(bench: Bench) -> None:
        here = (await bench.created())["RuntimeVersionConfig"]["RuntimeVersionArn"]

        async def put(**values: Any) -> dict[str, Any]:
            return await bench.call("PutRuntimeManagementConfig", FunctionName="f", **values)

        assert (await put(UpdateRuntimeOn="Manual", RuntimeVersionArn=here))["RuntimeVersionArn"] == here
        for values in (
            {"UpdateRuntimeOn": "Manual"},
            {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": here[:-1] + "x"},
            {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": here},
        ):
            with pytest.raises(Exception, match="InvalidParameterValueException"):
                await put(**values)
        kept = await bench.call("GetRuntimeManagementConfig", FunctionName="f")
        assert (kept["UpdateRuntimeOn"], kept["RuntimeVersionArn"]) == ("Manual", here)

    bench.run(scenario)
