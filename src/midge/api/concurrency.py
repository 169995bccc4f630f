"""Reserved concurrency: what one function may run at once, and nobody else may take from it.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionConcurrency.html and configuration-concurrency.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api import provisioned_concurrency
from midge.api.control_plane import ControlPlane
from midge.api.names import resolve_function
from midge.api.services import CallContext
from midge.model.errors import invalid_parameter
from midge.model.functions import FunctionId, FunctionSettings


async def put_function_concurrency(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """In force when it is answered; what runs above a lower number ends in its own time."""
    function = resolve_function("PutFunctionConcurrency", values["FunctionName"], context)
    wanted = values["ReservedConcurrentExecutions"]
    account_lock = plane.account_locks.of((function.account, function.region))
    lock = plane.locks.of(function)
    async with account_lock, lock:
        await plane.latest(function)
        settings = await plane.settings(function)
        await _check_room(plane, settings, wanted)
        await _set(plane, settings, wanted)
    return {"ReservedConcurrentExecutions": wanted}


async def _check_room(plane: ControlPlane, settings: FunctionSettings, wanted: int) -> None:
    limits, function = plane.services.limits, settings.function
    provisioned = sum(config.requested for config in await provisioned_concurrency.configs(plane, function))
    if wanted < provisioned:
        raise invalid_parameter(
            f"ReservedConcurrentExecutions  {wanted} should not be lower than function's "
            f"total provisioned concurrency [{provisioned}]."
        )
    usage = await plane.services.store.usage(function.account, function.region)
    others = usage.reserved_concurrency + usage.provisioned_concurrency
    others -= provisioned if settings.reserved_concurrency is None else settings.reserved_concurrency
    least = limits.unreserved_concurrency
    if wanted and limits.account_concurrency - others - wanted < least:
        raise invalid_parameter(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{least}]."
        )


async def _set(plane: ControlPlane, settings: FunctionSettings, count: int | None) -> None:
    await plane.services.store.put_resource(replace(settings, reserved_concurrency=count))
    plane.services.router.reserve(settings.function, count)


async def get_function_concurrency(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Empty if nothing is reserved."""
    function: FunctionId = resolve_function("GetFunctionConcurrency", values["FunctionName"], context)
    await plane.latest(function)
    reserved = (await plane.settings(function)).reserved_concurrency
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


async def delete_function_concurrency(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """The function shares again with the others; that it did already is no error."""
    function = resolve_function("DeleteFunctionConcurrency", values["FunctionName"], context)
    lock = plane.locks.of(function)
    async with lock:
        await plane.latest(function)
        await _set(plane, await plane.settings(function), None)
    return {}
