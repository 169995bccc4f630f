"""What becomes of asynchronous invocations of a function, a version or an alias: retries, age, destinations.

Source: ``FunctionEventInvokeConfig`` in the ``lambda`` service model.
"""

from dataclasses import dataclass

from midge.model.functions import FunctionId
from midge.model.resources import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInvokeConfig:
    """The configuration of exactly one qualifier; None stands for what nobody set."""

    function: FunctionId
    qualifier: str
    """A version, an alias or ``$LATEST``."""
    maximum_retry_attempts: int | None = None
    maximum_event_age_seconds: int | None = None
    on_success: str | None = None
    """The ARN of the destination."""
    on_failure: str | None = None
    last_modified_seconds: float
    """Since 1970 UTC."""

    @property
    def place(self) -> Place:
        return self.function.place(self.qualifier)

    @property
    def function_arn(self) -> str:
        return self.function.qualified_arn(self.qualifier)
