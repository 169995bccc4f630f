"""Layers: archives that functions share, in numbered versions that never change, each with a policy of its own. Pure.

Source: https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html and ``GetLayerVersionResponse`` in the
``lambda`` service model.
"""

from dataclasses import dataclass

from midge.model.functions import Code
from midge.model.policies import PolicyStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerId:
    """A layer's identity: a name within an account and a region."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.name}"

    def version_arn(self, number: int) -> str:
        return f"{self.arn}:{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerVersion:
    """One version of a layer. Of all this only the policy (``statements`` and ``revision_id``) ever changes."""

    layer: LayerId
    number: int = 0
    """From 1; 0 before it has been published."""
    code: Code
    description: str = ""
    compatible_runtimes: tuple[str, ...] = ()
    compatible_architectures: tuple[str, ...] = ()
    license_info: str | None = None
    created_date: str
    """AWS's format: 2026-11-23T19:00:00.000+0000"""
    statements: tuple[PolicyStatement, ...] = ()
    """Of its policy, in the order in which they were added; without any it has no policy."""
    revision_id: str = ""
    """Of its policy; empty if it has none."""

    @property
    def arn(self) -> str:
        return self.layer.version_arn(self.number)

    def allows(self, account: str) -> bool:
        """Whether its policy lets another account use it.

        A statement with a condition names an organisation, and no account is in one here: it allows nobody.
        """
        wanted = {"*", f"arn:aws:iam::{account}:root"}
        return any(
            not wanted.isdisjoint(names)
            for statement in self.statements
            if not statement.conditions
            for names in statement.principals.values()
        )
