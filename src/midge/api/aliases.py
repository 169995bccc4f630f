"""Aliases: names for one version, or for two with weights.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html and configuring-alias-routing.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api import listing, provisioned_concurrency
from midge.api.control_plane import ControlPlane, new_revision
from midge.api.members import part
from midge.api.names import resolve_function
from midge.api.services import CallContext
from midge.model.errors import ServiceError, conflict, invalid_parameter, not_found, not_supported, stale_revision
from midge.model.functions import LATEST, Alias, FunctionId
from midge.store.errors import ExistsError, MissingError

_LATEST_PUBLISHED = "$LATEST.PUBLISHED"


def render(alias: Alias) -> dict[str, Any]:
    """``AliasConfiguration``."""
    rendered: dict[str, Any] = {
        "AliasArn": alias.arn,
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.additional_version_weights:
        rendered["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.additional_version_weights)}
    return rendered


def _weights(values: Mapping[str, Any]) -> dict[str, float]:
    return dict(part(part(values, "RoutingConfig"), "AdditionalVersionWeights"))


def check_routing(version: str, weights: Mapping[str, float]) -> None:
    """Raise InvalidParameterValueException unless an alias may point at ``version`` and ``weights`` together."""
    if _LATEST_PUBLISHED in (version, *weights):
        raise not_supported(f"the version {_LATEST_PUBLISHED}")
    if not weights:
        return
    if len(weights) > 1:
        raise invalid_parameter("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if LATEST in (version, *weights):
        raise invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version")
    if version in weights:
        raise invalid_parameter(
            f"Invalid function version {version}. "
            f"Function version {version} is already included in routing configuration."
        )


async def create_alias(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    function = resolve_function("CreateAlias", values["FunctionName"], context)
    alias = Alias(
        function=function,
        name=values["Name"],
        version=values["FunctionVersion"],
        description=values.get("Description") or "",
        additional_version_weights=_weights(values),
        revision_id=new_revision(),
    )
    check_routing(alias.version, alias.additional_version_weights)
    lock = plane.locks.of(function)
    async with lock:
        await plane.latest(function)
        try:
            await plane.services.store.create_alias(alias)
        except ExistsError as error:
            raise conflict(f"Alias already exists: {alias.arn}") from error
        except MissingError as error:
            raise not_found(str(error)) from error
        plane.services.router.put_alias(alias)
    return render(alias)


def _no_alias(text: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", text, Type="User")


async def get_alias(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    function = resolve_function("GetAlias", values["FunctionName"], context)
    await plane.latest(function)
    alias = await plane.services.store.alias(function, values["Name"])
    if alias is None:
        raise _no_alias(f"Cannot find alias arn: {function.qualified_arn(values['Name'])}")
    return render(alias)


async def list_aliases(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """By name; with FunctionVersion those whose main version it is."""
    services = plane.services
    function = resolve_function("ListAliases", values["FunctionName"], context)
    version = values.get("FunctionVersion")
    if version == _LATEST_PUBLISHED:
        raise not_supported(f"the version {_LATEST_PUBLISHED}")
    await plane.latest(function)
    found = await services.store.list_aliases(
        function, listing.marker(values), listing.page_size(values, services.limits), version=version
    )
    return listing.page("Aliases", [render(alias) for alias in found.items], found.next_marker)


async def update_alias(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Changes the members given; an empty RoutingConfig ends the routing to a second version."""
    function = resolve_function("UpdateAlias", values["FunctionName"], context)
    lock = plane.locks.of(function)
    async with lock:
        current = await plane.services.store.alias(function, values["Name"])
        if current is None:
            await plane.latest(function)
            raise _no_alias(f"Alias not found: {function.qualified_arn(values['Name'])}")
        if values.get("RevisionId") not in (None, "", current.revision_id):
            raise stale_revision()
        changed = _changed(current, values)
        check_routing(changed.version, changed.additional_version_weights)
        try:
            await plane.services.store.replace_alias(changed, current.revision_id)
        except MissingError as error:
            raise not_found(str(error)) from error
        plane.services.router.put_alias(changed)
        await provisioned_concurrency.apply(plane, function)
    return render(changed)


def _changed(alias: Alias, values: Mapping[str, Any]) -> Alias:
    given: dict[str, Any] = {"revision_id": new_revision()}
    if values.get("FunctionVersion") is not None:
        given["version"] = values["FunctionVersion"]
    if values.get("Description") is not None:
        given["description"] = values["Description"]
    if values.get("RoutingConfig") is not None:
        given["additional_version_weights"] = _weights(values)
    return replace(alias, **given)


async def delete_alias(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Deleting an alias that is not there succeeds, as on AWS; its function must be there."""
    function: FunctionId = resolve_function("DeleteAlias", values["FunctionName"], context)
    lock = plane.locks.of(function)
    async with lock:
        await plane.latest(function)
        try:
            await plane.services.store.delete_alias(function, values["Name"])
        except MissingError:
            return {}
        plane.urls.forget(function)
        plane.services.router.remove_alias(function, values["Name"])
        await provisioned_concurrency.apply(plane, function)
    return {}
