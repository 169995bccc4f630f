"""InvokeAsync, which AWS has deprecated and still answers: Invoke with the type Event, and nothing to choose.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html
"""

from collections.abc import Mapping
from typing import Any

from midge.api import loading
from midge.api.acceptance import new_event, put
from midge.api.control_plane import ControlPlane
from midge.api.invocations import payload_too_large, validate_payload
from midge.api.names import resolve_function
from midge.api.services import CallContext
from midge.api.tenancy import refuse_with_tenants
from midge.model.errors import not_found
from midge.model.functions import LATEST


async def invoke_async(plane: ControlPlane, values: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Answers when the event is on disk; what becomes of it is ``midge.events``'s."""
    services = plane.services
    function = resolve_function("InvokeAsync", values["FunctionName"], context)
    payload: bytes = values["InvokeArgs"]
    if len(payload) > services.limits.async_payload_bytes:
        raise payload_too_large(services.limits.async_payload_bytes)
    if payload:
        validate_payload(payload)
    if not services.router.knows(function, LATEST):
        await loading.load(plane, function, None)
        if not services.router.knows(function, LATEST):
            raise not_found(function.arn)
    refuse_with_tenants(await services.store.version(function, LATEST), "InvokeAsync")
    now = services.clock.now()
    await put(services.accept_event, new_event(function, None, payload, now, request_id=context.request_id))
    return {"Status": 202}
