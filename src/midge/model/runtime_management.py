"""When a function version moves to a newer build of its runtime.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html
"""

from dataclasses import dataclass

from midge.model.functions import FunctionId
from midge.model.resources import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeManagement:
    """Of one version; ``runtime_version_arn`` is set for the mode Manual alone."""

    function: FunctionId
    version: str
    update_runtime_on: str = "Auto"
    """Or ``FunctionUpdate``, or ``Manual``."""
    runtime_version_arn: str | None = None

    @property
    def place(self) -> Place:
        return self.function.place(self.version)
