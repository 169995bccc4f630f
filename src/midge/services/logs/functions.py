"""Lambda functions as subscribers of log groups: what they are sent is invoked asynchronously, as CloudWatch Logs does.

Source: https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html
"""

from collections.abc import Awaitable, Callable

from midge.clock import Clock
from midge.invoke.request_ids import RequestIds
from midge.invoke.router import Router
from midge.model.arns import parse_function_reference
from midge.model.errors import ServiceError
from midge.model.functions import FunctionId
from midge.queue.port import AsyncEvent

_GONE = "ResourceNotFoundException"
Load = Callable[[FunctionId, str | None], Awaitable[None]]
"""Lets the router know of what a function and a qualifier name, if there is any. Raises ServiceError."""
Accept = Callable[[AsyncEvent], Awaitable[None]]
"""Returns when an event is on disk. Raises StoreError, ServiceError when it cannot be taken now."""


class FunctionSubscribers:
    """Functions by their ARNs, qualified or not; ``delivery.Subscribers``."""

    def __init__(self, router: Router, load: Load, accept: Accept, ids: RequestIds, clock: Clock) -> None:
        self._router = router
        self._load = load
        self._accept = accept
        self._ids = ids
        self._clock = clock

    async def exists(self, arn: str) -> bool:
        """Whether there is such a function."""
        function, qualifier = _named(arn)
        try:
            if self._router.find(function, qualifier) is None:
                await self._load(function, qualifier)
            return self._router.find(function, qualifier) is not None
        except ServiceError as error:
            if error.code == _GONE:
                return False
            raise

    async def deliver(self, arn: str, payload: bytes) -> None:
        """Have the function invoked; what is accepted is not lost. Raises as ``Accept``."""
        function, qualifier = _named(arn)
        now = self._clock.now()
        await self._accept(
            AsyncEvent(
                function=function,
                qualifier=qualifier,
                request_id=self._ids.request_id().decode("ascii"),
                trace_id=self._ids.trace_id(now).decode("ascii"),
                payload=payload,
                accepted_seconds=now,
                due_seconds=now,
            )
        )


def _named(arn: str) -> tuple[FunctionId, str | None]:
    reference = parse_function_reference(arn)
    assert reference is not None
    assert reference.account is not None
    assert reference.region is not None
    function = FunctionId(account=reference.account, region=reference.region, name=reference.name)
    return function, reference.qualifier
