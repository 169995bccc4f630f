"""Configurations of asynchronous invocation: of a function, a version or an alias.

Each belongs to exactly one qualifier, ``$LATEST`` if none is given, and goes with it.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html and its neighbours
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from midge.api import listing
from midge.api.control_plane import ControlPlane
from midge.api.destinations import check_destinations, destination
from midge.api.members import part
from midge.api.names import Named, resolve, resolve_function
from midge.api.services import CallContext
from midge.model.arns import parse_function_reference
from midge.model.errors import ServiceError, invalid_parameter
from midge.model.event_invoke_configs import EventInvokeConfig
from midge.model.functions import LATEST, FunctionId
from midge.store.errors import MissingError
from midge.store.port import ResourceScope


def render(config: EventInvokeConfig) -> dict[str, Any]:
    """``FunctionEventInvokeConfig``."""
    rendered: dict[str, Any] = {
        "LastModified": datetime.fromtimestamp(config.last_modified_seconds, UTC),
        "FunctionArn": config.function_arn,
        "DestinationConfig": {
            "OnSuccess": {} if config.on_success is None else {"Destination": config.on_success},
            "OnFailure": {} if config.on_failure is None else {"Destination": config.on_failure},
        },
    }
    if config.maximum_retry_attempts is not None:
        rendered["MaximumRetryAttempts"] = config.maximum_retry_attempts
    if config.maximum_event_age_seconds is not None:
        rendered["MaximumEventAgeInSeconds"] = config.maximum_event_age_seconds
    return rendered


async def put_function_event_invoke_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Replaces what there was: a setting that is left out is gone."""
    named = resolve("PutFunctionEventInvokeConfig", values["FunctionName"], values.get("Qualifier"), context)
    _check_given(values)
    lock = plane.locks.of(named.function)
    async with lock:
        blank = EventInvokeConfig(function=named.function, qualifier=_qualifier(named), last_modified_seconds=0.0)
        return render(await _store(plane, _changed(blank, values)))


async def update_function_event_invoke_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Changes the settings given, each destination by itself; an empty destination takes it away."""
    named = resolve("UpdateFunctionEventInvokeConfig", values["FunctionName"], values.get("Qualifier"), context)
    _check_given(values)
    lock = plane.locks.of(named.function)
    async with lock:
        return render(await _store(plane, _changed(await _find(plane, named), values)))


async def get_function_event_invoke_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    named = resolve("GetFunctionEventInvokeConfig", values["FunctionName"], values.get("Qualifier"), context)
    return render(await _find(plane, named))


async def delete_function_event_invoke_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    named = resolve("DeleteFunctionEventInvokeConfig", values["FunctionName"], values.get("Qualifier"), context)
    lock = plane.locks.of(named.function)
    async with lock:
        current = await _find(plane, named)
        await plane.services.store.delete_resource(EventInvokeConfig, current.place)
    return {}


async def list_function_event_invoke_configs(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Those of all qualifiers of a function, $LATEST first."""
    services = plane.services
    function = resolve_function("ListFunctionEventInvokeConfigs", values["FunctionName"], context)
    if await services.store.version(function, LATEST) is None:
        raise _no_function()
    found = await services.store.list_resources(
        EventInvokeConfig,
        ResourceScope(account=function.account, region=function.region, owner=function.name),
        listing.marker(values),
        listing.page_size(values, services.limits),
    )
    return listing.page("FunctionEventInvokeConfigs", [render(config) for config in found.items], found.next_marker)


def _qualifier(named: Named) -> str:
    return named.qualifier or LATEST


def _no_function() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "The function doesn't exist.", Type="User")


async def _config(plane: ControlPlane, named: Named) -> EventInvokeConfig | None:
    return await plane.services.store.resource(EventInvokeConfig, named.function.place(_qualifier(named)))


async def _find(plane: ControlPlane, named: Named) -> EventInvokeConfig:
    found = await _config(plane, named)
    if found is None:
        arn = named.function.qualified_arn(_qualifier(named))
        raise ServiceError(
            "ResourceNotFoundException", f"The function {arn} doesn't have an EventInvokeConfig", Type="User"
        )
    return found


def _check_given(values: Mapping[str, Any]) -> None:
    settings = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
    if all(values.get(name) is None for name in settings):
        raise invalid_parameter("You must specify at least one of error handling or destination setting.")


def _changed(config: EventInvokeConfig, values: Mapping[str, Any]) -> EventInvokeConfig:
    """``config`` with the settings given. Raises InvalidParameterValueException for what cannot be a destination."""
    given: dict[str, Any] = {}
    if values.get("MaximumRetryAttempts") is not None:
        given["maximum_retry_attempts"] = values["MaximumRetryAttempts"]
    if values.get("MaximumEventAgeInSeconds") is not None:
        given["maximum_event_age_seconds"] = values["MaximumEventAgeInSeconds"]
    destinations = part(values, "DestinationConfig")
    for member, name in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
        if destinations.get(member) is not None:
            given[name] = destination(destinations, member)
    changed = replace(config, **given)
    check_destinations(changed.on_success, changed.on_failure)
    for arn in (changed.on_success, changed.on_failure):
        if arn is not None and _names(arn, config.function):
            raise invalid_parameter("You can't specify the function as a destination for itself.")
    return changed


def _names(arn: str, function: FunctionId) -> bool:
    reference = parse_function_reference(arn)
    return reference is not None and function == FunctionId(
        account=reference.account or "", region=reference.region or "", name=reference.name
    )


async def _store(plane: ControlPlane, config: EventInvokeConfig) -> EventInvokeConfig:
    changed = replace(config, last_modified_seconds=plane.services.clock.now())
    try:
        await plane.services.store.put_resource(changed)
    except MissingError as error:
        raise _no_function() from error
    return changed
