"""Layers: publish, look at, list, delete.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html and its neighbours
"""

from collections.abc import Mapping
from typing import Any

from midge.api import listing
from midge.api.code_source import fetch_code
from midge.api.control_plane import ControlPlane
from midge.api.layer_names import (
    check_number,
    check_place,
    check_region,
    denied,
    parse_layer,
    parse_layer_version,
)
from midge.api.services import CallContext
from midge.model.errors import ServiceError
from midge.model.layers import LayerId, LayerVersion
from midge.store.errors import MissingError
from midge.store.port import Compatible


def _render_item(version: LayerVersion) -> dict[str, Any]:
    """``LayerVersionsListItem``."""
    rendered: dict[str, Any] = {
        "LayerVersionArn": version.arn,
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": version.created_date,
    }
    if version.compatible_runtimes:
        rendered["CompatibleRuntimes"] = list(version.compatible_runtimes)
    if version.compatible_architectures:
        rendered["CompatibleArchitectures"] = list(version.compatible_architectures)
    if version.license_info:
        rendered["LicenseInfo"] = version.license_info
    return rendered


def _render(plane: ControlPlane, version: LayerVersion, context: CallContext) -> dict[str, Any]:
    """``GetLayerVersionResponse``, with a link to the archive that works for ten minutes."""
    content = {
        "Location": plane.services.code_links.make(context.base_url, version.code.digest),
        "CodeSha256": version.code.sha256,
        "CodeSize": version.code.size_bytes,
    }
    return {"Content": content, "LayerArn": version.layer.arn, **_render_item(version)}


def own_layer(action: str, text: str, context: CallContext) -> LayerId:
    """The caller's own layer that a name or an ARN names.

    Raises AccessDeniedException for another account's, ResourceNotFoundException for another region's.
    """
    layer = parse_layer(text, context)
    check_place(action, layer, layer.arn, context)
    return layer


async def publish_layer_version(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """A new version with the next number, also when nothing has changed since the last."""
    layer = own_layer("PublishLayerVersion", values["LayerName"], context)
    code, data = await fetch_code(plane.services, values["Content"], "PublishLayerVersion")
    draft = LayerVersion(
        layer=layer,
        code=code,
        description=values.get("Description") or "",
        compatible_runtimes=tuple(values.get("CompatibleRuntimes") or ()),
        compatible_architectures=tuple(values.get("CompatibleArchitectures") or ()),
        license_info=values.get("LicenseInfo") or None,
        created_date=plane.now(),
    )
    await plane.check_code_storage(layer.account, layer.region, code.size_bytes)
    await plane.codes.keep(code, data)
    try:
        published = await plane.services.store.publish_layer_version(draft)
    except BaseException:
        plane.codes.release(code)
        raise
    return _render(plane, published, context)


async def _shared(plane: ControlPlane, layer: LayerId, number: int, context: CallContext) -> LayerVersion:
    """A version that the caller may look at: their own, or one whose policy lets them.

    Raises ResourceNotFoundException or AccessDeniedException.
    """
    check_number(number)
    check_region(layer, context)
    found = await plane.services.store.layer_version(layer, number)
    if layer.account != context.account and (found is None or not found.allows(context.account)):
        raise denied("GetLayerVersion", layer.version_arn(number), context)
    if found is None:
        raise missing()
    return found


def missing() -> ServiceError:
    """There is no such layer version."""
    return ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")


async def get_layer_version(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    layer = parse_layer(values["LayerName"], context)
    return _render(plane, await _shared(plane, layer, values["VersionNumber"], context), context)


async def get_layer_version_by_arn(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    layer, number = parse_layer_version(values["Arn"])
    return _render(plane, await _shared(plane, layer, number, context), context)


def _compatible(values: Mapping[str, Any]) -> Compatible:
    return Compatible(
        runtime=values.get("CompatibleRuntime") or None, architecture=values.get("CompatibleArchitecture") or None
    )


async def list_layers(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """By name, each with the newest of its versions that fits; layers without one are left out."""
    services = plane.services
    found = await services.store.list_layers(
        context.account,
        context.region,
        _compatible(values),
        listing.marker(values),
        listing.page_size(values, services.limits),
    )
    items = [
        {
            "LayerName": version.layer.name,
            "LayerArn": version.layer.arn,
            "LatestMatchingVersion": _render_item(version),
        }
        for version in found.items
    ]
    return listing.page("Layers", items, found.next_marker)


async def list_layer_versions(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """The newest first; none of a layer that does not exist, which is no error."""
    services = plane.services
    layer = own_layer("ListLayerVersions", values["LayerName"], context)
    found = await services.store.list_layer_versions(
        layer, _compatible(values), listing.marker(values), listing.page_size(values, services.limits)
    )
    return listing.page("LayerVersions", [_render_item(version) for version in found.items], found.next_marker)


async def delete_layer_version(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Functions that have it keep it. Deleting a version that is not there succeeds, as on AWS."""
    layer, number = own_layer("DeleteLayerVersion", values["LayerName"], context), values["VersionNumber"]
    check_number(number)
    lock = plane.layer_locks.of(layer)
    async with lock:
        found = await plane.services.store.layer_version(layer, number)
        if found is None:
            return {}
        try:
            await plane.services.store.delete_layer_version(layer, number)
        except MissingError:
            return {}
        plane.codes.release(found.code)
    return {}
