"""Provisioned concurrency of versions and aliases: kept, and acted on by keeping environments initialised.

An alias's environments are those of the version that it points at, and move with it.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html and its neighbours
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from midge.api import listing, loading, states
from midge.api.control_plane import ControlPlane
from midge.api.functions import find
from midge.api.names import Named, resolve, resolve_function
from midge.api.services import CallContext
from midge.api.tenancy import refuse_with_tenants
from midge.model.errors import ServiceError, conflict, invalid_parameter
from midge.model.functions import LATEST, FunctionId
from midge.model.provisioned_concurrency import ProvisionedConcurrency
from midge.store.port import ResourceScope

_INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"


def _resolve(action: str, values: Mapping[str, Any], context: CallContext) -> Named:
    named = resolve(action, values["FunctionName"], values["Qualifier"], context)
    if named.qualifier in {None, "", LATEST}:
        raise invalid_parameter("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    return named


def _none() -> ServiceError:
    return ServiceError(
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
        Type="User",
    )


async def put_provisioned_concurrency_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Answers IN_PROGRESS; environments are made in the background, as many as are missing."""
    named = _resolve("PutProvisionedConcurrencyConfig", values, context)
    function, wanted = named.function, values["ProvisionedConcurrentExecutions"]
    async with plane.account_locks.of((function.account, function.region)), plane.locks.of(function):
        version = await find(plane, named)
        states.refuse_while_busy(version)
        refuse_with_tenants(version, "Provisioned Concurrency")
        if version.snap_start:
            raise invalid_parameter("Provisioned Concurrency is not supported for SnapStart enabled functions.")
        config = ProvisionedConcurrency(
            function=function, qualifier=named.qualifier or "", requested=wanted, last_modified=plane.now()
        )
        others = [each for each in await configs(plane, function) if each.qualifier != config.qualifier]
        await _refuse_overlap(plane, config, others)
        before = sum(each.requested for each in others)
        replaced = await plane.services.store.resource(ProvisionedConcurrency, config.place)
        await _check_room(plane, function, wanted + before, before + (0 if replaced is None else replaced.requested))
        await plane.services.store.put_resource(config)
        await apply(plane, function)
    return {
        "RequestedProvisionedConcurrentExecutions": wanted,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "AvailableProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": config.last_modified,
    }


async def configs(plane: ControlPlane, function: FunctionId) -> list[ProvisionedConcurrency]:
    """All of one function."""
    scope = ResourceScope(account=function.account, region=function.region, owner=function.name)
    found: list[ProvisionedConcurrency] = []
    marker: str | None = None
    while True:
        page = await plane.services.store.list_resources(
            ProvisionedConcurrency, scope, marker, plane.services.limits.list_items
        )
        found += page.items
        if (marker := page.next_marker) is None:
            return found


async def _refuse_overlap(
    plane: ControlPlane, config: ProvisionedConcurrency, others: list[ProvisionedConcurrency]
) -> None:
    """A version has environments of its own, or those of aliases."""
    version = await _version_of(plane, config)
    for other in others:
        if config.qualifier == version and await _version_of(plane, other) == version:
            raise conflict("Version is pointed by a Provisioned Concurrency alias")
        if other.qualifier == version:
            raise conflict(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            )


async def _version_of(plane: ControlPlane, config: ProvisionedConcurrency) -> str:
    alias = await plane.services.store.alias(config.function, config.qualifier)
    return config.qualifier if alias is None else alias.version


async def _check_room(plane: ControlPlane, function: FunctionId, wanted: int, before: int) -> None:
    """What is provisioned comes out of the function's reserved concurrency, or else out of the account's.

    ``wanted`` and ``before`` are of all the function's configurations together.
    """
    limits = plane.services.limits
    reserved = (await plane.settings(function)).reserved_concurrency
    if reserved is not None:
        if wanted > reserved:
            raise invalid_parameter(
                "Requested Provisioned Concurrency should not be greater than the "
                f"reservedConcurrentExecution for function: {reserved}"
            )
        return
    usage = await plane.services.store.usage(function.account, function.region)
    others = usage.reserved_concurrency + usage.provisioned_concurrency - before
    room = limits.account_concurrency - others - limits.unreserved_concurrency
    if wanted > room:
        raise invalid_parameter(
            f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{room}]."
        )


async def apply(plane: ControlPlane, function: FunctionId) -> None:
    """Let the router keep what the function's configurations ask for; nobody else changes the function meanwhile."""
    router, store = plane.services.router, plane.services.store
    wanted: Counter[str] = Counter()
    for config in await configs(plane, function):
        wanted[await _version_of(plane, config)] += config.requested
    for version in wanted:
        if not router.knows(function, version) and (found := await store.version(function, version)) is not None:
            await loading.take_up(plane, found)
    router.provision(function, wanted)


async def get_provisioned_concurrency_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    named = _resolve("GetProvisionedConcurrencyConfig", values, context)
    await find(plane, named)
    found = await plane.services.store.resource(ProvisionedConcurrency, named.function.place(named.qualifier))
    if found is None:
        raise _none()
    return await _render(plane, found)


async def _render(plane: ControlPlane, config: ProvisionedConcurrency) -> dict[str, Any]:
    now = plane.services.router.provisioned(config.function, await _version_of(plane, config))
    available = min(now.available, config.requested)
    status = "READY" if available == config.requested else "FAILED" if now.failed else "IN_PROGRESS"
    rendered: dict[str, Any] = {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AllocatedProvisionedConcurrentExecutions": available,
        "AvailableProvisionedConcurrentExecutions": available,
        "Status": status,
        "LastModified": config.last_modified,
    }
    return rendered if status != "FAILED" else {**rendered, "StatusReason": _INIT_FAILURE}


async def list_provisioned_concurrency_configs(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """By qualifier, each with its ARN."""
    function = resolve_function("ListProvisionedConcurrencyConfigs", values["FunctionName"], context)
    await plane.latest(function)
    scope = ResourceScope(account=function.account, region=function.region, owner=function.name)
    found = await listing.resources(plane.services, ProvisionedConcurrency, scope, values)
    items = [
        {"FunctionArn": function.qualified_arn(config.qualifier), **await _render(plane, config)}
        for config in found.items
    ]
    return listing.page("ProvisionedConcurrencyConfigs", items, found.next_marker)


async def delete_provisioned_concurrency_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """The environments go when they have been idle for as long as any. That there was no configuration is no error."""
    named = _resolve("DeleteProvisionedConcurrencyConfig", values, context)
    place = named.function.place(named.qualifier)
    async with plane.locks.of(named.function):
        await find(plane, named)
        if await plane.services.store.resource(ProvisionedConcurrency, place) is not None:
            await plane.services.store.delete_resource(ProvisionedConcurrency, place)
            await apply(plane, named.function)
    return {}
