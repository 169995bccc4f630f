"""Lambda functions as subscribers of log groups.

Source: https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html
"""

from enum import Enum

from midge.model.arns import parse_function_reference
from midge.model.errors import ServiceError
from midge.model.functions import FunctionId
from midge.triggers.invoker import Invoker

_GONE = frozenset({"ResourceNotFoundException", "InvalidParameterValueException"})


class Delivered(Enum):
    """What became of a delivery."""

    DONE = "done"
    FAILED = "the function failed"
    UNAVAILABLE = "the function cannot be invoked now"
    GONE = "there is no such function"


class FunctionSubscribers:
    """Functions by their ARNs, qualified or not; ``delivery.Subscribers``."""

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker

    async def exists(self, arn: str) -> bool:
        """Whether there is such a function."""
        try:
            await self._invoker.find(*_named(arn))
        except ServiceError as error:
            if error.code in _GONE:
                return False
            raise
        return True

    async def deliver(self, arn: str, payload: bytes) -> Delivered:
        """Invoke a function; returns when that has ended."""
        try:
            outcome = await self._invoker.invoke(*_named(arn), payload)
        except ServiceError as error:
            return Delivered.GONE if error.code in _GONE else Delivered.UNAVAILABLE
        return Delivered.DONE if outcome.function_error is None else Delivered.FAILED


def _named(arn: str) -> tuple[FunctionId, str | None]:
    reference = parse_function_reference(arn)
    assert reference is not None
    assert reference.account is not None
    assert reference.region is not None
    function = FunctionId(account=reference.account, region=reference.region, name=reference.name)
    return function, reference.qualifier
