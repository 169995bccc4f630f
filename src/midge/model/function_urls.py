"""Function URLs: an HTTP address of a function or of one of its aliases.

Source: ``FunctionUrlConfig`` in the ``lambda`` service model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from midge.model.functions import FunctionId
from midge.model.resources import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUrl:
    """The address of one function (``alias`` None) or alias."""

    function: FunctionId
    alias: str | None
    url_id: str
    """32 small letters and digits that no other function URL has; stays as long as the URL does."""
    auth_type: str
    """``NONE`` or ``AWS_IAM``."""
    cors: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Members of ``Cors`` by their wire names; empty if the function answers such requests itself."""
    invoke_mode: str = "BUFFERED"
    """Or ``RESPONSE_STREAM``."""
    creation_time: str
    """ISO 8601 with microseconds: 2026-11-23T19:00:00.000000Z"""
    last_modified_time: str

    @property
    def place(self) -> Place:
        return self.function.place(self.alias)

    @property
    def function_arn(self) -> str:
        return self.function.arn if self.alias is None else self.function.qualified_arn(self.alias)
