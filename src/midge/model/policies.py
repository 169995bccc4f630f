"""Resource policies: who else may use a function, a version, an alias or a layer. Statements, not text: ready to be evaluated.

Source: https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from midge.model.functions import FunctionId
from midge.model.resources import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatement:
    """One permission or, with the effect Deny, its opposite. Where AWS takes one value or a list, this has all values."""

    sid: str = ""
    """Unique within its policy, unless empty."""
    effect: str = "Allow"
    principals: Mapping[str, tuple[str, ...]]
    """By kind: ``Service`` (a service's name), ``AWS`` (the ARN of an account, a user or a role), ``*`` (everybody)."""
    actions: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] = field(
        default_factory=dict[str, dict[str, tuple[str, ...]]]
    )
    """By operator (``ArnLike``) and key (``AWS:SourceArn``), both spelled as AWS returns them; all must hold, each for
    one of its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy:
    """The statements of one function (``qualifier`` None), version or alias, in the order in which they were added."""

    function: FunctionId
    qualifier: str | None
    statements: tuple[PolicyStatement, ...]
    revision_id: str
    id: str | None = "default"
    """The document's own name; ``default`` for policies that were made statement by statement."""

    @property
    def place(self) -> Place:
        return self.function.place(self.qualifier)

    @property
    def resource(self) -> str:
        """The ARN of what it is attached to."""
        return self.function.arn if self.qualifier is None else self.function.qualified_arn(self.qualifier)
