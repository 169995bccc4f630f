"""Capacity providers. Kept and returned: midge has no instances of AWS, and no function can be placed on one.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateCapacityProvider.html and its neighbours
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api import listing
from midge.api.control_plane import ControlPlane
from midge.api.names import name_in
from midge.api.services import CallContext
from midge.api.tags import check_tags
from midge.model.capacity_providers import CapacityProvider
from midge.model.errors import ServiceError, conflict
from midge.model.resources import Place
from midge.store.errors import ExistsError, MissingError
from midge.store.port import ResourceScope

_KEPT = (
    "VpcConfig", "PermissionsConfig", "InstanceRequirements", "CapacityProviderScalingConfig", "KmsKeyArn",
    "PropagateTags", "TelemetryConfig",
)  # fmt: skip


def _render(provider: CapacityProvider, state: str = "Active") -> dict[str, Any]:
    return {
        "CapacityProviderArn": provider.arn,
        "State": state,
        "LastModified": provider.last_modified,
        **provider.configuration,
    }


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in _KEPT if values.get(name) is not None}


def _place(values: Mapping[str, Any], action: str, context: CallContext) -> Place:
    name: str = values["CapacityProviderName"]
    if name.startswith("arn:"):
        name = name_in(name, action, context)
    return Place(account=context.account, region=context.region, name=name)


def _missing(place: Place) -> ServiceError:
    arn = f"arn:aws:lambda:{place.region}:{place.account}:capacity-provider:{place.name}"
    return ServiceError("ResourceNotFoundException", f"Capacity provider not found: {arn}", Type="User")


async def _found(plane: ControlPlane, place: Place) -> CapacityProvider:
    found = await plane.services.store.resource(CapacityProvider, place)
    if found is None:
        raise _missing(place)
    return found


async def create_capacity_provider(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Answers State Pending; there is nothing to wait for, so whoever looks next finds Active."""
    place = _place(values, "CreateCapacityProvider", context)
    tags = dict(values.get("Tags") or {})
    check_tags(tags, plane.services.limits)
    provider = CapacityProvider(
        account=place.account,
        region=place.region,
        name=place.name,
        configuration=_given(values),
        last_modified=plane.now(),
        tags=tags,
    )
    try:
        await plane.services.store.create_resource(provider)
    except ExistsError as error:
        raise conflict(f"Capacity provider already exists: {provider.arn}") from error
    plane.say_kept(provider.arn, ["CapacityProvider"])
    return {"CapacityProvider": _render(provider, "Pending")}


async def get_capacity_provider(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    return {"CapacityProvider": _render(await _found(plane, _place(values, "GetCapacityProvider", context)))}


async def list_capacity_providers(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """By name. All are Active: with another State the listing is empty."""
    if values.get("State") not in (None, "Active"):
        return {"CapacityProviders": []}
    scope = ResourceScope(account=context.account, region=context.region)
    found = await listing.resources(plane.services, CapacityProvider, scope, values)
    return listing.page("CapacityProviders", [_render(provider) for provider in found.items], found.next_marker)


async def update_capacity_provider(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Changes the members given."""
    place = _place(values, "UpdateCapacityProvider", context)
    async with plane.resource_locks.of(place):
        provider = await _found(plane, place)
        together = {**provider.configuration, **_given(values)}
        changed = replace(provider, configuration=together, last_modified=plane.now())
        await plane.services.store.put_resource(changed)
    return {"CapacityProvider": _render(changed)}


async def delete_capacity_provider(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Answers State Deleting; no function can use it, so nothing stands in the way."""
    place = _place(values, "DeleteCapacityProvider", context)
    async with plane.resource_locks.of(place):
        provider = await _found(plane, place)
        try:
            await plane.services.store.delete_resource(CapacityProvider, place)
        except MissingError as error:
            raise _missing(place) from error
    return {"CapacityProvider": _render(provider, "Deleting")}


async def list_function_versions_by_capacity_provider(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """None: a function that asks for a capacity provider is refused."""
    provider = await _found(plane, _place(values, "ListFunctionVersionsByCapacityProvider", context))
    return {"CapacityProviderArn": provider.arn, "FunctionVersions": []}
