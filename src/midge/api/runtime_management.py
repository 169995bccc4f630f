"""Runtime management: when a version moves to a newer build of its runtime.

midge has one build of each runtime, the one on this machine: no version ever moves, which every mode allows. The mode
Manual must name that build.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_PutRuntimeManagementConfig.html
"""

from collections.abc import Mapping
from typing import Any

from midge.api.configuration import runtime_version_arn
from midge.api.control_plane import ControlPlane
from midge.api.functions import find
from midge.api.names import Named, resolve
from midge.api.services import CallContext
from midge.model.errors import invalid_parameter
from midge.model.functions import LATEST, FunctionVersion
from midge.model.runtime_management import RuntimeManagement


def _render(version: FunctionVersion, management: RuntimeManagement) -> dict[str, Any]:
    return {
        "UpdateRuntimeOn": management.update_runtime_on,
        "FunctionArn": version.arn,
        "RuntimeVersionArn": management.runtime_version_arn,
    }


def _named(action: str, values: Mapping[str, Any], context: CallContext) -> Named:
    named = resolve(action, values["FunctionName"], values.get("Qualifier"), context)
    return Named(function=named.function, qualifier=named.qualifier or LATEST)


async def put_runtime_management_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    named = _named("PutRuntimeManagementConfig", values, context)
    mode, arn = values["UpdateRuntimeOn"], values.get("RuntimeVersionArn")
    async with plane.locks.of(named.function):
        version = await find(plane, named)
        if version.image is not None:
            raise invalid_parameter("Runtime management is not supported for functions created with container images.")
        if mode == "Manual":
            _check_build(version, arn)
        elif arn is not None:
            raise invalid_parameter(f"RuntimeVersionArn cannot be set when UpdateRuntimeOn is {mode}.")
        management = RuntimeManagement(
            function=named.function, version=version.version, update_runtime_on=mode, runtime_version_arn=arn
        )
        await plane.services.store.put_resource(management)
    return _render(version, management)


def _check_build(version: FunctionVersion, arn: str | None) -> None:
    if arn is None:
        raise invalid_parameter("You must specify a RuntimeVersionArn when UpdateRuntimeOn is Manual.")
    here = runtime_version_arn(version.function.region, version.runtime)
    if arn != here:
        raise invalid_parameter(f"Runtime version {arn} is not available for {version.runtime}; midge has {here}.")


async def get_runtime_management_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Auto, unless something else was put."""
    named = _named("GetRuntimeManagementConfig", values, context)
    version = await find(plane, named)
    found = await plane.services.store.resource(RuntimeManagement, named.function.place(version.version))
    return _render(version, found or RuntimeManagement(function=named.function, version=version.version))
