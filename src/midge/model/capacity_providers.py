"""Capacity providers: the instances in a customer's VPC that Lambda Managed Instances run on.

They describe AWS's hardware, which midge does not have: kept in wire form and returned.
Source: ``CapacityProvider`` in the ``lambda`` service model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from midge.model.resources import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityProvider:
    """``configuration`` has the members that the caller gave, by their wire names."""

    account: str
    region: str
    name: str
    configuration: Mapping[str, Any]
    last_modified: str
    """AWS's format: 2026-11-23T19:00:00.000+0000"""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def place(self) -> Place:
        return Place(account=self.account, region=self.region, name=self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:capacity-provider:{self.name}"
