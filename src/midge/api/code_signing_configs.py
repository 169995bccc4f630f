"""Code signing configurations themselves: create, look at, list, change, delete, and the functions that have one.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateCodeSigningConfig.html and its neighbours
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api import listing
from midge.api.control_plane import ControlPlane
from midge.api.members import part
from midge.api.names import name_in
from midge.api.services import CallContext
from midge.api.tags import check_tags
from midge.model.code_signing import CodeSigningConfig
from midge.model.errors import ServiceError, conflict, invalid_parameter
from midge.model.functions import FunctionSettings
from midge.model.resources import Place
from midge.store.port import ResourceScope

_PROFILE = ":/signing-profiles/"


def render(config: CodeSigningConfig) -> dict[str, Any]:
    """``CodeSigningConfig``."""
    return {
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": config.arn,
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.signing_profile_version_arns)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.untrusted_artifact},
        "LastModified": config.last_modified,
    }


async def config_of(plane: ControlPlane, arn: str, action: str, context: CallContext) -> CodeSigningConfig:
    """The configuration that ``arn`` names. Raises CodeSigningConfigNotFoundException."""
    place = Place(account=context.account, region=context.region, name=name_in(arn, action, context))
    found = await plane.services.store.resource(CodeSigningConfig, place)
    if found is None:
        raise ServiceError(
            "CodeSigningConfigNotFoundException", f"The code signing configuration cannot be found: {arn}", Type="User"
        )
    return found


async def _one(plane: ControlPlane, values: Mapping[str, Any], action: str, context: CallContext) -> CodeSigningConfig:
    """As ``config_of``, for operations whose model has ResourceNotFoundException instead."""
    arn: str = values["CodeSigningConfigArn"]
    try:
        return await config_of(plane, arn, action, context)
    except ServiceError as error:
        if error.code != "CodeSigningConfigNotFoundException":
            raise
        raise ServiceError("ResourceNotFoundException", error.message, Type="User") from error


def _publishers(values: Mapping[str, Any]) -> tuple[str, ...]:
    arns: list[str] = part(values, "AllowedPublishers")["SigningProfileVersionArns"]
    for arn in arns:
        if ":signer:" not in arn or _PROFILE not in arn:
            raise invalid_parameter(f"{arn} is not the ARN of a version of a signing profile.")
    return tuple(arns)


async def create_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    tags = dict(values.get("Tags") or {})
    check_tags(tags, plane.services.limits)
    config = CodeSigningConfig(
        account=context.account,
        region=context.region,
        id="csc-0" + secrets.token_hex(8),
        description=values.get("Description") or "",
        signing_profile_version_arns=_publishers(values),
        untrusted_artifact=part(values, "CodeSigningPolicies").get("UntrustedArtifactOnDeployment") or "Warn",
        last_modified=plane.now(),
        tags=tags,
    )
    await plane.services.store.create_resource(config)
    return {"CodeSigningConfig": render(config)}


async def get_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    return {"CodeSigningConfig": render(await _one(plane, values, "GetCodeSigningConfig", context))}


async def update_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Changes the members given; in force for the next deployment."""
    found = await _one(plane, values, "UpdateCodeSigningConfig", context)
    async with plane.resource_locks.of(found.place):
        config = await _one(plane, values, "UpdateCodeSigningConfig", context)
        changes: dict[str, Any] = {"last_modified": plane.now()}
        if values.get("Description") is not None:
            changes["description"] = values["Description"]
        if values.get("AllowedPublishers") is not None:
            changes["signing_profile_version_arns"] = _publishers(values)
        if untrusted := part(values, "CodeSigningPolicies").get("UntrustedArtifactOnDeployment"):
            changes["untrusted_artifact"] = untrusted
        changed = replace(config, **changes)
        await plane.services.store.put_resource(changed)
    return {"CodeSigningConfig": render(changed)}


async def delete_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Refused while a function has it."""
    found = await _one(plane, values, "DeleteCodeSigningConfig", context)
    async with plane.resource_locks.of(found.place):
        await _one(plane, values, "DeleteCodeSigningConfig", context)
        users = await plane.services.store.list_resources(FunctionSettings, _users(found.arn, context), None, 1)
        if users.items:
            raise conflict(
                "You cannot delete the code signing configuration as it is being used by one or more functions."
            )
        await plane.services.store.delete_resource(CodeSigningConfig, found.place)
    return {}


def _users(arn: str, context: CallContext) -> ResourceScope:
    return ResourceScope(account=context.account, region=context.region, where={"code_signing_config_arn": arn})


async def list_code_signing_configs(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    scope = ResourceScope(account=context.account, region=context.region)
    found = await listing.resources(plane.services, CodeSigningConfig, scope, values)
    return listing.page("CodeSigningConfigs", [render(config) for config in found.items], found.next_marker)


async def list_functions_by_code_signing_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    config = await _one(plane, values, "ListFunctionsByCodeSigningConfig", context)
    found = await listing.resources(plane.services, FunctionSettings, _users(config.arn, context), values)
    answer: dict[str, Any] = {"FunctionArns": [settings.function.arn for settings in found.items]}
    return answer if found.next_marker is None else {**answer, "NextMarker": found.next_marker}
