"""Provisioned concurrency: execution environments that are kept initialised for a version or an alias.

Source: https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from dataclasses import dataclass

from midge.model.functions import FunctionId
from midge.model.resources import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionedConcurrency:
    """``qualifier`` is a version's number or an alias's name."""

    function: FunctionId
    qualifier: str
    requested: int
    last_modified: str
    """AWS's format: 2026-11-23T19:00:00.000+0000"""

    @property
    def place(self) -> Place:
        return self.function.place(self.qualifier)
