"""Event source mappings: which source feeds which function, with what settings, and the states of a mapping's life. Pure.

Source: ``EventSourceMappingConfiguration`` in the ``lambda`` service model and
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from midge.model.resources import Place

AT_REST = ("Enabled", "Disabled")
"""The states in which a mapping can be changed; every other is on the way to one of them or to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSourceMapping:
    """One mapping. It outlives its function, as on AWS."""

    account: str
    region: str
    uuid: str
    function_arn: str
    """With the qualifier, if the caller gave one."""
    event_source_arn: str | None = None
    """None for a self-managed Kafka cluster, which its settings name."""
    settings: Mapping[str, Any]
    """Members of ``CreateEventSourceMapping`` by their wire names, defaults filled in, validated together."""
    starting_position_timestamp_seconds: float | None = None
    """Since 1970 UTC."""
    enabled: bool = True
    """Where its state leads."""
    state: str = "Creating"
    state_transition_reason: str = "USER_INITIATED"
    last_processing_result: str | None = None
    last_modified_seconds: float
    """Since 1970 UTC; changes of the state count."""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def place(self) -> Place:
        return Place(account=self.account, region=self.region, name=self.uuid)

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:event-source-mapping:{self.uuid}"


def updating(mapping: EventSourceMapping, *, enabled: bool) -> EventSourceMapping:
    """A mapping at rest on its way to new settings, which it has, and to ``enabled``."""
    towards = "Enabling" if enabled else "Disabling"
    state = "Updating" if enabled == mapping.enabled else towards
    return replace(mapping, state=state, enabled=enabled)


def deleting(mapping: EventSourceMapping) -> EventSourceMapping:
    """A mapping at rest on its way out."""
    return replace(mapping, state="Deleting")


def settled(mapping: EventSourceMapping) -> EventSourceMapping | None:
    """Where its state leads by itself; None if the mapping ceases to be."""
    if mapping.state == "Deleting":
        return None
    return replace(mapping, state="Enabled" if mapping.enabled else "Disabled")
