"""Ends recursive loops: a function that is invoked again and again in one chain of requests is not invoked any more.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from collections.abc import Awaitable, Callable

import structlog

from midge.invoke import lineage
from midge.model.errors import ServiceError
from midge.model.functions import FunctionId
from midge.observe.metrics import Metrics

_log = structlog.get_logger("midge.invoke")

LoopsAllowed = Callable[[FunctionId], Awaitable[bool]]
"""Whether a function may go on in a loop, by its ``RecursiveLoop`` setting. Raises StoreError."""


class RecursiveLoops:
    """``most`` invocations of one function in one chain are no loop yet."""

    def __init__(self, most: int, allowed: LoopsAllowed, metrics: Metrics) -> None:
        self._most = most
        self._allowed = allowed
        self._metrics = metrics

    def follow(self, trace_id: bytes, function_mark: bytes) -> tuple[bytes, bool]:
        """The trace header for an invocation, and whether that goes on with a loop; then ``ends`` has the last word."""
        header, times = lineage.follow(trace_id, function_mark)
        return header, times >= self._most

    async def ends(self, function: FunctionId) -> bool:
        """Whether its loop ends here, which is counted and said aloud. Raises StoreError."""
        if await self._allowed(function):
            return False
        _log.warning("a recursive loop was stopped", function=function.arn)
        self._metrics.function(function.name).recursive_invocations_dropped += 1
        self._metrics.event(function, None, "RecursiveInvocationsDropped")
        return True


def recursive_invocation() -> ServiceError:
    """The refusal of an invocation that goes on with a loop."""
    return ServiceError(
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources "
        "and stopped your function's invocation.",
        Type="User",
    )
