"""Whether recursive loops of a function end by themselves; see ``invoke.recursion``.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionRecursionConfig.html and invocation-recursion.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from midge.api.control_plane import ControlPlane
from midge.api.names import resolve_function
from midge.api.services import CallContext


async def put_function_recursion_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    function = resolve_function("PutFunctionRecursionConfig", values["FunctionName"], context)
    wanted = values["RecursiveLoop"]
    lock = plane.locks.of(function)
    async with lock:
        await plane.latest(function)
        settings = await plane.settings(function)
        if settings.recursive_loop != wanted:
            await plane.services.store.put_resource(replace(settings, recursive_loop=wanted))
    return {"RecursiveLoop": wanted}


async def get_function_recursion_config(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    function = resolve_function("GetFunctionRecursionConfig", values["FunctionName"], context)
    await plane.latest(function)
    return {"RecursiveLoop": (await plane.settings(function)).recursive_loop}
