"""Resource policies: who else may use a function, a version or an alias. Statements, not text: ready to be evaluated.

Source: https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from midge.model.functions import FunctionId


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatement:
    """One permission; ``sid`` is unique within its policy."""

    sid: str
    effect: str = "Allow"
    principal_kind: str
    """``Service``, ``AWS`` or, for everybody, ``*``."""
    principal: str
    """A service's name, the ARN of an account, a user or a role, or ``*``."""
    action: str
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """By operator (``ArnLike``) and key (``AWS:SourceArn``), both spelled as AWS returns them; all must hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy:
    """The statements of one function (``qualifier`` None), version or alias, in the order in which they were added."""

    function: FunctionId
    qualifier: str | None
    statements: tuple[PolicyStatement, ...]
    revision_id: str

    @property
    def resource(self) -> str:
        """The ARN of what it is attached to."""
        return self.function.arn if self.qualifier is None else self.function.qualified_arn(self.qualifier)
