"""Which code signing configuration a function has, and what that means for code that is deployed to it.

midge knows of no signature that it could find valid: nothing here is signed by AWS Signer. So every package is untrusted,
which a configuration either lets pass with a warning in midge's log or refuses.
Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import structlog

from midge.api.code_signing_configs import config_of
from midge.api.control_plane import ControlPlane
from midge.api.images import code_signing_refused
from midge.api.names import resolve_function
from midge.api.services import CallContext
from midge.model.errors import ServiceError

_log = structlog.get_logger("midge.api")


@asynccontextmanager
async def held(plane: ControlPlane, config_arn: str | None, action: str, context: CallContext) -> AsyncGenerator[None]:
    """While this lasts the configuration, if one is named, is not deleted. Raises CodeSigningConfigNotFoundException."""
    if config_arn is None:
        yield
        return
    config = await config_of(plane, config_arn, action, context)
    async with plane.resource_locks.of(config.place):
        await config_of(plane, config_arn, action, context)
        yield


async def check_signature(
    plane: ControlPlane, config_arn: str | None, name: str, action: str, context: CallContext
) -> None:
    """Raise CodeVerificationFailedException if code for the function called ``name`` must be signed.

    Raises CodeSigningConfigNotFoundException if there is no such configuration.
    """
    if config_arn is None:
        return
    config = await config_of(plane, config_arn, action, context)
    if config.untrusted_artifact == "Enforce":
        raise ServiceError(
            "CodeVerificationFailedException",
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the "
            f"client is not configured to accept. Check the provided signature for {name}.",
            Type="User",
        )
    _log.warning("untrusted_code_deployed", function=name, code_signing_config=config_arn)


async def put_function_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """In force for the next deployment; the code that is there stays."""
    action, arn = "PutFunctionCodeSigningConfig", values["CodeSigningConfigArn"]
    function = resolve_function(action, values["FunctionName"], context)
    async with held(plane, arn, action, context), plane.locks.of(function):
        if (await plane.latest(function)).image is not None:
            raise code_signing_refused()
        settings = await plane.settings(function)
        await plane.services.store.put_resource(replace(settings, code_signing_config_arn=arn))
    return {"CodeSigningConfigArn": arn, "FunctionName": function.name}


async def get_function_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """The empty ARN is AWS's answer for a function without one."""
    function = resolve_function("GetFunctionCodeSigningConfig", values["FunctionName"], context)
    await plane.latest(function)
    settings = await plane.settings(function)
    return {"CodeSigningConfigArn": settings.code_signing_config_arn or "", "FunctionName": function.name}


async def delete_function_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """That the function had none is no error."""
    function = resolve_function("DeleteFunctionCodeSigningConfig", values["FunctionName"], context)
    async with plane.locks.of(function):
        await plane.latest(function)
        settings = await plane.settings(function)
        await plane.services.store.put_resource(replace(settings, code_signing_config_arn=None))
    return {}
