"""Changes to $LATEST: its code and its configuration.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html and API_UpdateFunctionConfiguration.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api import checks, code_signing, configuration, images, members, snap_start, states
from midge.api.code_source import fetch_code
from midge.api.control_plane import ControlPlane, new_revision
from midge.api.function_layers import check_processors, check_sizes, layers_named
from midge.api.names import resolve_function
from midge.api.services import CallContext
from midge.api.versions import publish
from midge.model.errors import invalid_parameter, stale_revision
from midge.model.functions import FunctionId, FunctionVersion


async def update_function_code(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Answers LastUpdateStatus InProgress; invocations go to the old code until the new one is ready."""
    services = plane.services
    function = resolve_function("UpdateFunctionCode", values["FunctionName"], context)
    lock = plane.locks.of(function)
    async with lock:
        current = await _changeable(plane, function, values)
        changed = _merged(plane, current, members.UPDATE_FUNCTION_CODE, values)
        if current.image is not None:
            image = await images.resolve(services, images.check_source(values, "updating"))
            changed, data = replace(changed, code=image.code, image=image), None
        else:
            changed, data = await _with_package(plane, changed, values, context)
        if values.get("DryRun"):
            return configuration.render(changed)
        more_bytes = changed.code.size_bytes - current.code.size_bytes
        await plane.check_code_storage(function.account, function.region, more_bytes)
        if changed.image is not None:
            await plane.codes.keep_image(changed.image)
        elif data is not None:
            await plane.codes.keep(changed.code, data)
        plane.codes.use_layers(changed)
        stored = await _store(plane, changed, current)
        if values.get("Publish"):
            published = await publish(plane, stored, description=None)
            return configuration.render(published, published.version)
    return configuration.render(stored)


async def _with_package(
    plane: ControlPlane, changed: FunctionVersion, values: Mapping[str, Any], context: CallContext
) -> tuple[FunctionVersion, bytes]:
    """``changed`` with the zip that ``values`` names, and that zip."""
    if values.get("ImageUri"):
        raise invalid_parameter("Please don't provide ImageUri when updating a function with packageType Zip.")
    plane.services.runtimes.check(changed.runtime, changed.architecture)
    code, data = await fetch_code(plane.services, values, "UpdateFunctionCode")
    await _check_signature(plane, changed.function, "UpdateFunctionCode", context)
    check_processors(code, changed.layers)
    await check_sizes(plane, code, changed.layers)
    return replace(changed, code=code), data


async def update_function_configuration(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Changes the members given; answers LastUpdateStatus InProgress."""
    services = plane.services
    function = resolve_function("UpdateFunctionConfiguration", values["FunctionName"], context)
    rules = members.UPDATE_FUNCTION_CONFIGURATION
    checks.check_configuration(values, services.limits)
    lock = plane.locks.of(function)
    async with lock:
        current = await _changeable(plane, function, values)
        images.check_members(values, image=current.image is not None)
        changed = _merged(plane, current, rules, values)
        snap_start.check(changed)
        if changed.runtime != current.runtime:
            services.runtimes.check(changed.runtime, changed.architecture)
        if values.get("Layers") is not None:
            changed = replace(changed, layers=await layers_named(plane, values["Layers"], context))
            check_processors(changed.code, changed.layers)
            await check_sizes(plane, changed.code, changed.layers)
            if changed.layers != current.layers:
                await _check_signature(plane, function, "UpdateFunctionConfiguration", context)
        plane.codes.use_version(changed)
        stored = await _store(plane, changed, current)
    return configuration.render(stored)


async def _check_signature(plane: ControlPlane, function: FunctionId, action: str, context: CallContext) -> None:
    """Raise CodeVerificationFailedException if what is deployed to the function must be signed."""
    signing = (await plane.settings(function)).code_signing_config_arn
    await code_signing.check_signature(plane, signing, function.name, action, context)


async def _changeable(plane: ControlPlane, function: FunctionId, values: Mapping[str, Any]) -> FunctionVersion:
    """$LATEST, if it is at rest and is the revision that the caller means."""
    current = await plane.latest(function)
    states.refuse_while_busy(current)
    if values.get("RevisionId") not in (None, "", current.revision_id):
        raise stale_revision()
    return current


def _merged(
    plane: ControlPlane, current: FunctionVersion, rules: Mapping[str, members.Rule], values: Mapping[str, Any]
) -> FunctionVersion:
    """``current`` with the members given; says aloud which of them are new and without effect."""
    before = {"Architectures": [current.architecture], **current.kept}
    said = members.worth_saying(rules, {name: value for name, value in before.items() if name in rules})
    plane.say_kept(current.function.arn, [name for name in members.worth_saying(rules, values) if name not in said])
    return configuration.merge_kept(configuration.merge(current, values), members.kept(rules, values))


async def _store(plane: ControlPlane, changed: FunctionVersion, current: FunctionVersion) -> FunctionVersion:
    """Keep the change, whose code and layers are in use by now, and let it take effect in the background."""
    stored = states.updating(replace(changed, revision_id=new_revision(), last_modified=plane.now()))
    try:
        await plane.services.store.replace_version(stored, current.revision_id)
    except BaseException:
        plane.codes.release_version(stored)
        raise
    plane.preparation.begin(stored, replaced=current)
    return stored
