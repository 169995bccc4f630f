"""An event on its way to the queue of asynchronous invocations: how it is made, and how refusals of the disk are told."""

from collections.abc import Awaitable, Callable

from midge.model.errors import ServiceError
from midge.model.functions import FunctionId
from midge.queue.port import AsyncEvent
from midge.store.errors import StorageFullError, StoreError

AcceptEvent = Callable[[AsyncEvent], Awaitable[None]]


def new_event(
    function: FunctionId,
    qualifier: str | None,
    payload: bytes,
    now_seconds: float,
    *,
    request_id: str,
    trace_id: str = "",
    client_context: bytes | None = None,
    tenant_id: str | None = None,
) -> AsyncEvent:
    """An event that is due at once."""
    return AsyncEvent(
        function=function,
        qualifier=qualifier,
        request_id=request_id,
        trace_id=trace_id,
        payload=payload or b"{}",
        client_context=client_context,
        tenant_id=tenant_id,
        accepted_seconds=now_seconds,
        due_seconds=now_seconds,
    )


async def put(accept: AcceptEvent, event: AsyncEvent) -> None:
    """Have an event accepted. Raises ServiceError: also where the disk is full, with advice to try again."""
    try:
        await accept(event)
    except StorageFullError as error:
        raise ServiceError("ServiceException", f"The event could not be kept: {error}.", Type="Service") from error
    except StoreError as error:
        raise ServiceError("ServiceException", "The event could not be kept. Try again.", Type="Service") from error
