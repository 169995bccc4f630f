"""Invokes functions for whoever is not a caller of the API: by name, with an event, until the outcome is there."""

import asyncio
from collections.abc import Awaitable, Callable

from midge.clock import Clock
from midge.invoke.invocation import Invocation, Target
from midge.invoke.outcome import Outcome
from midge.invoke.request_ids import RequestIds
from midge.invoke.router import Router
from midge.model.errors import ServiceError, not_found
from midge.model.functions import FunctionId

Load = Callable[[FunctionId, str | None], Awaitable[None]]
"""Lets the router know of what a function and a qualifier name, if there is any. Raises ServiceError."""


class Invoker:
    """See the module."""

    def __init__(self, router: Router, load: Load, ids: RequestIds, clock: Clock) -> None:
        self._router = router
        self._load = load
        self._ids = ids
        self._clock = clock

    async def find(self, function: FunctionId, qualifier: str | None) -> Target:
        """What would be invoked. Raises ServiceError, ResourceNotFoundException if there is no such function."""
        target = self._router.find(function, qualifier)
        if target is None:
            await self._load(function, qualifier)
            target = self._router.find(function, qualifier)
        if target is None:
            raise not_found(function.arn if qualifier is None else function.qualified_arn(qualifier))
        return target

    async def invoke(self, function: FunctionId, qualifier: str | None, payload: bytes) -> Outcome:
        """Invoke a function with a JSON document. Raises ServiceError for what is refused.

        If the caller is cancelled, the invocation goes on.
        """
        target = await self.find(function, qualifier)
        answer: asyncio.Future[Outcome | ServiceError] = asyncio.get_running_loop().create_future()

        def done(result: Outcome | ServiceError) -> None:
            if not answer.done():
                answer.set_result(result)

        request_id, trace_id = self._ids.request_id(), self._ids.trace_id(self._clock.now())
        target.pool.submit(Invocation(target, request_id, trace_id, payload, done))
        result = await answer
        if isinstance(result, ServiceError):
            raise result
        return result
