"""What asynchronous invocation needs of the rest of midge."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from midge.model.event_invoke_configs import EventInvokeConfig
from midge.model.functions import FunctionId

Configs = Callable[[FunctionId, str], Awaitable[EventInvokeConfig | None]]
"""The configuration of a function and a qualifier (``$LATEST`` where none was given). Raises StoreError."""

DeadLetterTargets = Callable[[FunctionId, str | None], Awaitable[str | None]]
"""The ARN of a function's dead-letter queue or topic, by function and qualifier. Raises StoreError."""


class DeliveryError(Exception):
    """A destination did not take what was sent to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent to a destination."""

    function: FunctionId
    """Whose event it is about."""
    function_arn: str
    body: bytes
    success: bool
    request_id: str
    trace_id: str
    """That of the event, the function included: who is told goes on with its chain of requests."""
    attributes: dict[str, dict[str, str]] | None = None
    """``MessageAttributes``, of a dead letter."""
    now_seconds: float


class Deliveries(Protocol):
    """Sends to queues, topics, buses and buckets."""

    async def send(self, arn: str, message: Message) -> None:
        """Raises DeliveryError."""
        ...
