"""Event source mappings: created, looked at, listed, changed and deleted. Kept; nothing polls their sources yet.

A change is answered with the state that leads to the next one; ``transitions`` goes on from there. Whoever connects a
source with a function holds the lock of the account and region, because no two mappings may connect the same ones.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html and its neighbours
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from midge.api import listing
from midge.api.control_plane import ControlPlane
from midge.api.event_source_settings import check_given, check_settings, check_start, check_update, merge
from midge.api.members import part
from midge.api.names import Named, resolve
from midge.api.services import CallContext
from midge.api.tags import check_tags
from midge.api.tenancy import refuse_with_tenants
from midge.model.errors import ServiceError, conflict, invalid_parameter
from midge.model.event_source_mappings import AT_REST, EventSourceMapping, deleting, updating
from midge.model.functions import LATEST
from midge.model.resources import Place
from midge.sources.types import SQS, SQS_FIFO, SourceType, source_type_of
from midge.store.port import ResourceScope


def render(mapping: EventSourceMapping) -> dict[str, Any]:
    """``EventSourceMappingConfiguration``."""
    rendered: dict[str, Any] = {
        "UUID": mapping.uuid,
        **mapping.settings,
        "FunctionArn": mapping.function_arn,
        "EventSourceMappingArn": mapping.arn,
        "LastModified": datetime.fromtimestamp(mapping.last_modified_seconds, UTC),
        "State": mapping.state,
        "StateTransitionReason": mapping.state_transition_reason,
    }
    if mapping.event_source_arn is not None:
        rendered["EventSourceArn"] = mapping.event_source_arn
    if mapping.last_processing_result is not None:
        rendered["LastProcessingResult"] = mapping.last_processing_result
    if mapping.starting_position_timestamp_seconds is not None:
        rendered["StartingPositionTimestamp"] = datetime.fromtimestamp(mapping.starting_position_timestamp_seconds, UTC)
    return rendered


def _render_listed(mapping: EventSourceMapping) -> dict[str, Any]:
    """As AWS, a listing does not show filter criteria that are encrypted with a key of the caller's own."""
    rendered = render(mapping)
    if "KMSKeyArn" in rendered:
        rendered.pop("FilterCriteria", None)
    return rendered


async def create_event_source_mapping(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Answers State Creating; the mapping becomes Enabled or Disabled in the background."""
    limits = plane.services.limits
    source = values.get("EventSourceArn") or None
    kind = source_type_of(source, self_managed=bool(values.get("SelfManagedEventSource")))
    if kind is None:
        raise invalid_parameter("Unrecognized event source.")
    check_given(kind, values)
    mapping = _new_mapping(plane, kind, values, context)
    check_settings(kind, mapping.settings, limits)
    check_start(
        kind,
        source,
        values.get("StartingPosition"),
        mapping.starting_position_timestamp_seconds,
        mapping.last_modified_seconds,
    )
    check_tags(mapping.tags, limits)
    named = await _function(plane, "CreateEventSourceMapping", values["FunctionName"], context)
    mapping = replace(mapping, function_arn=named.arn)
    lock = plane.account_locks.of((context.account, context.region))
    async with lock:
        await _check_unique(plane, mapping)
        await plane.services.store.create_resource(mapping)
    plane.say_kept(mapping.arn, ["EventSourceMapping"])
    plane.transitions.begin(mapping)
    return render(mapping)


def _new_mapping(
    plane: ControlPlane, kind: SourceType, values: Mapping[str, Any], context: CallContext
) -> EventSourceMapping:
    timestamp: datetime | None = values.get("StartingPositionTimestamp")
    mapping_id = str(uuid.uuid4())
    settings = merge(kind, {}, values)
    if kind.kafka is not None:
        settings[kind.kafka] = {"ConsumerGroupId": mapping_id, **part(settings, kind.kafka)}
    return EventSourceMapping(
        account=context.account,
        region=context.region,
        uuid=mapping_id,
        function_arn="",
        event_source_arn=values.get("EventSourceArn") or None,
        settings=settings,
        starting_position_timestamp_seconds=None if timestamp is None else timestamp.timestamp(),
        enabled=values.get("Enabled") is not False,
        state_transition_reason=kind.state_transition_reason,
        last_processing_result=kind.last_processing_result,
        last_modified_seconds=plane.services.clock.now(),
        tags=dict(values.get("Tags") or {}),
    )


async def _function(plane: ControlPlane, action: str, name: str, context: CallContext) -> Named:
    """What ``name`` names. Raises InvalidParameterValueException unless it exists, qualifier and all."""
    named = resolve(action, name, None, context)
    store, qualifier = plane.services.store, named.qualifier or LATEST
    if await store.version(named.function, qualifier) is None and await store.alias(named.function, qualifier) is None:
        raise invalid_parameter("Function does not exist")
    refuse_with_tenants(await store.version(named.function, LATEST), "Event source mappings")
    return named


async def _check_unique(plane: ControlPlane, mapping: EventSourceMapping) -> None:
    """Raise ResourceConflictException if another mapping connects the same source and function."""
    scope = ResourceScope(account=mapping.account, region=mapping.region, where={"function_arn": mapping.function_arn})
    marker: str | None = None
    while True:
        found = await plane.services.store.list_resources(
            EventSourceMapping, scope, marker, plane.services.limits.list_event_source_mappings
        )
        for other in found.items:
            if other.uuid != mapping.uuid and _source(other) == _source(mapping):
                raise _exists(other)
        if (marker := found.next_marker) is None:
            return


def _source(mapping: EventSourceMapping) -> tuple[Any, ...]:
    """What a mapping reads from, down to the topic, queue or collection."""
    settings = mapping.settings
    collection = part(settings, "DocumentDBEventSourceConfig")
    access = settings.get("SourceAccessConfigurations") or ()
    return (
        mapping.event_source_arn,
        settings.get("SelfManagedEventSource"),
        settings.get("Topics"),
        settings.get("Queues"),
        [each.get("URI") for each in access if each.get("Type") == "VIRTUAL_HOST"],
        collection.get("DatabaseName"),
        collection.get("CollectionName"),
    )


def _exists(other: EventSourceMapping) -> ServiceError:
    name = other.function_arn.partition(":function:")[2]
    source = other.event_source_arn or ",".join(
        part(other.settings["SelfManagedEventSource"], "Endpoints").get("KAFKA_BOOTSTRAP_SERVERS", ())
    )
    if source_type_of(other.event_source_arn) in (SQS, SQS_FIFO):
        found = f'An event source mapping with SQS arn (" {source} ") and function (" {name} ") already exists.'
    else:
        found = f'The event source arn (" {source} ") and function (" {name} ") provided mapping already exists.'
    return conflict(f"{found} Please update or delete the existing mapping with UUID {other.uuid}")


def _place(values: Mapping[str, Any], context: CallContext) -> Place:
    return Place(account=context.account, region=context.region, name=values["UUID"])


async def _find(plane: ControlPlane, place: Place) -> EventSourceMapping:
    found = await plane.services.store.resource(EventSourceMapping, place)
    if found is None:
        raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
    return found


async def get_event_source_mapping(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    return render(await _find(plane, _place(values, context)))


async def list_event_source_mappings(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """By UUID; those of one source, of exactly one function, version or alias, or of both. The function may be gone."""
    where: dict[str, str] = {}
    if source := values.get("EventSourceArn"):
        where["event_source_arn"] = source
    if name := values.get("FunctionName"):
        where["function_arn"] = resolve("ListEventSourceMappings", name, None, context).arn
    most = plane.services.limits.list_event_source_mappings
    found = await plane.services.store.list_resources(
        EventSourceMapping,
        ResourceScope(account=context.account, region=context.region, where=where),
        listing.marker(values),
        min(values.get("MaxItems") or most, most),
    )
    return listing.page("EventSourceMappings", [_render_listed(each) for each in found.items], found.next_marker)


async def update_event_source_mapping(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Changes the members given; answers State Updating, Enabling or Disabling.

    Of a stream the answer shows the new state beside the former settings, as AWS applies them only after it.
    """
    place = _place(values, context)
    account_lock = plane.account_locks.of((context.account, context.region))
    lock = plane.resource_locks.of(place)
    async with account_lock, lock:
        current = await _find(plane, place)
        kind = source_type_of(current.event_source_arn, self_managed=current.event_source_arn is None)
        assert kind is not None, current.arn
        _refuse_unless_at_rest(current, "update")
        check_given(kind, values)
        check_update(values)
        settings = merge(kind, current.settings, values)
        check_settings(kind, settings, plane.services.limits)
        changed = replace(current, settings=settings, last_modified_seconds=plane.services.clock.now())
        if values.get("FunctionName"):
            named = await _function(plane, "UpdateEventSourceMapping", values["FunctionName"], context)
            changed = replace(changed, function_arn=named.arn)
            await _check_unique(plane, changed)
        enabled = values.get("Enabled")
        changed = updating(changed, enabled=current.enabled if enabled is None else enabled)
        await plane.services.store.put_resource(changed)
        plane.transitions.begin(changed)
    if kind.updates_show_late:
        return render(replace(changed, settings=current.settings, function_arn=current.function_arn))
    return render(changed)


async def delete_event_source_mapping(
    plane: ControlPlane, values: Mapping[str, Any], context: CallContext
) -> dict[str, Any]:
    """Answers State Deleting; the mapping is gone a moment later."""
    place = _place(values, context)
    lock = plane.resource_locks.of(place)
    async with lock:
        current = await _find(plane, place)
        _refuse_unless_at_rest(current, "delete")
        changed = replace(deleting(current), last_modified_seconds=plane.services.clock.now())
        await plane.services.store.put_resource(changed)
        plane.transitions.begin(changed)
    return render(changed)


def _refuse_unless_at_rest(mapping: EventSourceMapping, verb: str) -> None:
    if mapping.state not in AT_REST:
        raise ServiceError(
            "ResourceInUseException",
            f"Cannot {verb} the event source mapping because it is in use.",
            Type="User",
        )
