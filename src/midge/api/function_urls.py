"""Function URLs: of a function or of an alias, never of a version. ``http.function_urls`` answers at them.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunctionUrlConfig.html and its neighbours
"""

import secrets
import string
import urllib.parse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api import listing
from midge.api.control_plane import ControlPlane
from midge.api.cors import check_cors
from midge.api.members import part
from midge.api.names import Named, resolve, resolve_function
from midge.api.services import CallContext
from midge.api.tenancy import refuse_with_tenants
from midge.function_urls import addresses
from midge.model.errors import ServiceError, conflict
from midge.model.function_urls import FunctionUrl
from midge.model.functions import LATEST
from midge.model.timestamps import iso8601
from midge.store.port import ResourceScope

_ID_CHARACTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 32


def address(url: FunctionUrl, context: CallContext, domain: str) -> str:
    """``FunctionUrl``: a name below ``domain``, at the port by which the caller reaches midge."""
    try:
        port = urllib.parse.urlsplit(context.base_url).port
    except ValueError:  # a Host header may hold anything
        port = None
    return addresses.address(url.url_id, url.function.region, domain, port)


def _render(plane: ControlPlane, url: FunctionUrl, context: CallContext) -> dict[str, Any]:
    """``FunctionUrlConfig``."""
    rendered: dict[str, Any] = {
        "FunctionUrl": address(url, context, plane.services.url_domain),
        "FunctionArn": url.function_arn,
        "AuthType": url.auth_type,
        "CreationTime": url.creation_time,
        "LastModifiedTime": url.last_modified_time,
        "InvokeMode": url.invoke_mode,
    }
    if url.cors:
        rendered["Cors"] = dict(url.cors)
    return rendered


async def create_function_url_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """The answer has no LastModifiedTime, as on AWS."""
    named = resolve("CreateFunctionUrlConfig", values["FunctionName"], values.get("Qualifier"), context)
    check_cors(part(values, "Cors"))
    now = iso8601(plane.services.clock.now())
    url = FunctionUrl(
        function=named.function,
        alias=named.qualifier,
        url_id="".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH)),
        auth_type=values["AuthType"],
        cors=_cors(values),
        invoke_mode=values.get("InvokeMode") or "BUFFERED",
        creation_time=now,
        last_modified_time=now,
    )
    lock = plane.locks.of(named.function)
    async with lock:
        await _check_target(plane, named)
        if await _url(plane, named) is not None:
            raise conflict(
                f"Failed to create function url config for [functionArn = {url.function_arn}]. "
                "Error message:  FunctionUrlConfig exists for this Lambda function"
            )
        await plane.services.store.create_resource(url)
    rendered = _render(plane, url, context)
    del rendered["LastModifiedTime"]
    return rendered


async def update_function_url_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Changes the members given; Cors as a whole, and an empty one takes it away. The address stays."""
    named = resolve("UpdateFunctionUrlConfig", values["FunctionName"], values.get("Qualifier"), context)
    check_cors(part(values, "Cors"))
    lock = plane.locks.of(named.function)
    async with lock:
        current = await _find(plane, named)
        changed = replace(
            current,
            auth_type=values.get("AuthType") or current.auth_type,
            cors=current.cors if values.get("Cors") is None else _cors(values),
            invoke_mode=values.get("InvokeMode") or current.invoke_mode,
            last_modified_time=iso8601(plane.services.clock.now()),
        )
        await plane.services.store.put_resource(changed)
        plane.urls.forget(named.function)
    return _render(plane, changed, context)


async def get_function_url_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    named = resolve("GetFunctionUrlConfig", values["FunctionName"], values.get("Qualifier"), context)
    return _render(plane, await _find(plane, named), context)


async def delete_function_url_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    named = resolve("DeleteFunctionUrlConfig", values["FunctionName"], values.get("Qualifier"), context)
    lock = plane.locks.of(named.function)
    async with lock:
        current = await _find(plane, named)
        await plane.services.store.delete_resource(FunctionUrl, current.place)
        plane.urls.forget(named.function)
    return {}


async def list_function_url_configs(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """The function's own first, then its aliases' by name."""
    services = plane.services
    function = resolve_function("ListFunctionUrlConfigs", values["FunctionName"], context)
    if await services.store.version(function, LATEST) is None:
        raise _no_function()
    found = await services.store.list_resources(
        FunctionUrl,
        ResourceScope(account=function.account, region=function.region, owner=function.name),
        listing.marker(values),
        listing.page_size(values, services.limits),
    )
    return listing.page("FunctionUrlConfigs", [_render(plane, url, context) for url in found.items], found.next_marker)


def _cors(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part(values, "Cors").items() if value is not None}


def _no_function() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "Function does not exist", Type="User")


async def _check_target(plane: ControlPlane, named: Named) -> None:
    """Raise ResourceNotFoundException unless the function and, with a qualifier, the alias exist."""
    store = plane.services.store
    latest = await store.version(named.function, LATEST)
    if latest is None:
        raise _no_function()
    refuse_with_tenants(latest, "Function URLs")
    if named.qualifier is not None and await store.alias(named.function, named.qualifier) is None:
        raise _no_function()


async def _url(plane: ControlPlane, named: Named) -> FunctionUrl | None:
    return await plane.services.store.resource(FunctionUrl, named.function.place(named.qualifier))


async def _find(plane: ControlPlane, named: Named) -> FunctionUrl:
    found = await _url(plane, named)
    if found is None:
        raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
    return found
