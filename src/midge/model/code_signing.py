"""Code signing configurations: whose signatures an account accepts on code, and what becomes of code without one.

Source: ``CodeSigningConfig`` in the ``lambda`` service model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from midge.model.resources import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSigningConfig:
    """One configuration; functions name it by its ARN."""

    account: str
    region: str
    id: str
    """``csc-`` and 17 characters."""
    description: str = ""
    signing_profile_version_arns: tuple[str, ...]
    untrusted_artifact: str = "Warn"
    """What happens to code without a valid signature: ``Warn`` or ``Enforce``."""
    last_modified: str
    """AWS's format: 2026-11-23T19:00:00.000+0000"""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def place(self) -> Place:
        return Place(account=self.account, region=self.region, name=self.id)

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:code-signing-config:{self.id}"
