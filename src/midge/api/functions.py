"""Functions: create, look at, list, delete.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html and its neighbours
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api import checks, code_signing, configuration, images, listing, members, snap_start, states, tenancy
from midge.api.code_source import fetch_code
from midge.api.control_plane import ControlPlane, new_revision
from midge.api.function_layers import check_processors, check_sizes, layers_named
from midge.api.names import Named, resolve, resolve_new
from midge.api.services import CallContext
from midge.api.tags import check_tags
from midge.api.versions import publish
from midge.model.errors import conflict, invalid_parameter, not_found
from midge.model.functions import LATEST, Code, FunctionId, FunctionLayer, FunctionSettings, FunctionVersion
from midge.store.errors import ExistsError, InUseError, MissingError
from midge.store.port import Scope


async def create_function(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Answers State Pending; the function becomes Active in the background."""
    services = plane.services
    function = resolve_new(values["FunctionName"], context)
    checks.check_create(values, services.limits)
    snap_start.check_create(values)
    tags = dict(values.get("Tags") or {})
    check_tags(tags, services.limits)
    if not images.is_image(values):
        services.runtimes.check(values["Runtime"], (values.get("Architectures") or ["x86_64"])[0])
    signing = values.get("CodeSigningConfigArn") or None
    settings = FunctionSettings(function=function, tags=tags, code_signing_config_arn=signing)
    async with code_signing.held(plane, signing, "CreateFunction", context), plane.locks.of(function):
        if await services.store.version(function, LATEST) is not None:
            raise conflict(f"Function already exist: {function.name}")
        if images.is_image(values):
            latest = await _new_image(plane, function, values)
        else:
            latest = await _new_package(plane, function, values, signing, context)
        try:
            await services.store.create_function(latest, settings if tags or signing else None)
        except ExistsError as error:
            plane.codes.release_version(latest)
            raise conflict(f"Function already exist: {function.name}") from error
        except BaseException:
            plane.codes.release_version(latest)
            raise
        plane.services.put_in_router(latest)
        plane.preparation.begin(latest)
        plane.say_kept(function.arn, members.worth_saying(members.CREATE_FUNCTION, values))
        if values.get("Publish"):
            return configuration.render(await publish(plane, latest, description=None))
    return configuration.render(latest)


async def _new_package(
    plane: ControlPlane, function: FunctionId, values: Mapping[str, Any], signing: str | None, context: CallContext
) -> FunctionVersion:
    """$LATEST of a new function whose zip and layers are in use from now on."""
    code, data = await fetch_code(plane.services, values["Code"], "CreateFunction")
    layers = await layers_named(plane, values.get("Layers") or (), context)
    check_processors(code, layers)
    await check_sizes(plane, code, layers)
    await code_signing.check_signature(plane, signing, function.name, "CreateFunction", context)
    await plane.check_code_storage(function.account, function.region, code.size_bytes)
    await plane.codes.keep(code, data)
    latest = _new_latest(plane, function, values, code, layers)
    plane.codes.use_layers(latest)
    return latest


async def _new_image(plane: ControlPlane, function: FunctionId, values: Mapping[str, Any]) -> FunctionVersion:
    """$LATEST of a new function whose image is in use from now on."""
    image = await images.resolve(plane.services, images.check_source(values["Code"], "creating"))
    await plane.codes.keep_image(image)
    return replace(_new_latest(plane, function, values, image.code, ()), image=image)


def _new_latest(
    plane: ControlPlane, function: FunctionId, values: Mapping[str, Any], code: Code, layers: tuple[FunctionLayer, ...]
) -> FunctionVersion:
    blank = FunctionVersion(
        function=function,
        version=LATEST,
        runtime=values.get("Runtime") or "",
        handler=values.get("Handler") or "",
        role=values["Role"],
        code=code,
        layers=layers,
        logging=configuration.default_logging(function),
        tenant_isolation=tenancy.isolation_of(values),
        revision_id=new_revision(),
        last_modified=plane.now(),
    )
    kept = {
        **members.kept(members.CREATE_FUNCTION, values),
        **members.kept(members.UPDATE_FUNCTION_CODE, values["Code"]),
    }
    return states.pending(configuration.merge_kept(configuration.merge(blank, values), kept))


async def find(plane: ControlPlane, named: Named) -> FunctionVersion:
    """The version that a name, a version or an alias leads to. Raises ResourceNotFoundException."""
    store = plane.services.store
    wanted = named.qualifier or LATEST
    if wanted != LATEST and not wanted.isdigit():
        alias = await store.alias(named.function, wanted)
        if alias is None:
            raise not_found(named.arn)
        wanted = alias.version
    found = await store.version(named.function, wanted)
    if found is None:
        raise not_found(named.arn)
    return found


async def get_function(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Configuration, a link to the code that works for ten minutes, and the tags."""
    named = resolve("GetFunction", values["FunctionName"], values.get("Qualifier"), context)
    version = await find(plane, named)
    if version.image is not None:
        location = images.render_location(version.image)
    else:
        link = plane.services.code_links.make(context.base_url, version.code.digest)
        location = {"RepositoryType": "S3", "Location": link}
    if key := version.kept.get("SourceKMSKeyArn"):
        location["SourceKMSKeyArn"] = key
    answer: dict[str, Any] = {"Configuration": configuration.render(version, named.qualifier), "Code": location}
    settings = await plane.settings(named.function)
    if settings.tags:
        answer["Tags"] = dict(settings.tags)
    if settings.reserved_concurrency is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": settings.reserved_concurrency}
    return answer


async def get_function_configuration(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    named = resolve("GetFunctionConfiguration", values["FunctionName"], values.get("Qualifier"), context)
    return configuration.render(await find(plane, named), named.qualifier)


async def list_functions(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """By name; with FunctionVersion=ALL every version of each."""
    services = plane.services
    every = values.get("FunctionVersion") == "ALL"
    if values.get("MasterRegion"):
        # Only replicas of Lambda@Edge functions have a master region; there are none here.
        if not every:
            raise invalid_parameter("MasterRegion can only be used with FunctionVersion set to ALL.")
        return listing.page("Functions", [], None)
    scope = Scope(account=context.account, region=context.region, latest_only=not every)
    found = await services.store.list_versions(
        scope, listing.marker(values), listing.page_size(values, services.limits)
    )
    items = [configuration.render_listed(version, version.version if every else None) for version in found.items]
    return listing.page("Functions", items, found.next_marker)


async def delete_function(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """The function with everything that belongs to it or, with a qualifier, one published version."""
    named = resolve("DeleteFunction", values["FunctionName"], values.get("Qualifier"), context)
    lock = plane.locks.of(named.function)
    async with lock:
        if named.qualifier is None:
            await _delete_all(plane, named.function)
        else:
            await _delete_version(plane, named.function, named.qualifier)
    return {"StatusCode": 204}


async def _delete_all(plane: ControlPlane, function: FunctionId) -> None:
    store, router = plane.services.store, plane.services.router
    versions: list[FunctionVersion] = []
    aliases: list[str] = []
    scope = Scope(account=function.account, region=function.region, name=function.name)
    marker: str | None = None
    while True:
        page = await store.list_versions(scope, marker, plane.services.limits.list_items)
        versions += page.items
        if (marker := page.next_marker) is None:
            break
    while True:
        found = await store.list_aliases(function, marker, plane.services.limits.list_items)
        aliases += [alias.name for alias in found.items]
        if (marker := found.next_marker) is None:
            break
    await store.delete_function(function)
    plane.urls.forget(function)
    router.reserve(function, None)
    for name in aliases:
        router.remove_alias(function, name)
    for version in versions:
        router.remove_version(function, version.version)
        plane.codes.release_version(version)


async def _delete_version(plane: ControlPlane, function: FunctionId, version: str) -> None:
    if version == LATEST:
        raise invalid_parameter("$LATEST version cannot be deleted without deleting the function.")
    if not version.isdigit():
        raise invalid_parameter("Deletion of aliases is not currently supported.")
    await plane.latest(function)
    store = plane.services.store
    known = await store.version(function, version)
    if known is None:
        return  # AWS answers success for a version that is not there
    try:
        await store.delete_version(function, version)
    except InUseError as error:
        raise conflict(
            f"Unable to delete version because the following aliases reference it: [{', '.join(error.aliases)}]"
        ) from error
    except MissingError:
        return
    plane.services.router.remove_version(function, version)
    plane.codes.release_version(known)
