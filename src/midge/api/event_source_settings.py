"""From what a caller sends to the settings of an event source mapping: merged, with defaults, and checked. Pure.

Which kind of source takes what is ``midge.sources.types``' table; here are the rules that hold members together, in
AWS's words where they are known. Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

from collections.abc import Mapping
from typing import Any

from midge.api.destinations import KAFKA, check_event_source_destination, destination
from midge.api.event_source_access import check_access, check_kafka, missing
from midge.api.members import is_empty, part
from midge.model.errors import ServiceError, invalid_parameter
from midge.model.limits import Limits
from midge.sources.filtering import PatternError, parse_pattern
from midge.sources.types import EVERY_MEMBER, SQS, SQS_FIFO, SourceType

_KAFKA_CONFIGS = ("AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig")
_MERGED = ("ProvisionedPollerConfig", "DocumentDBEventSourceConfig", *_KAFKA_CONFIGS)
"""Structures of which an update changes the members it names."""
SETTINGS = (
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "StartingPosition",
    "FilterCriteria",
    "KMSKeyArn",
    "MetricsConfig",
    "LoggingConfig",
    "ScalingConfig",
    "ParallelizationFactor",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "TumblingWindowInSeconds",
    "Topics",
    "Queues",
    "SourceAccessConfigurations",
    "SelfManagedEventSource",
    "FunctionResponseTypes",
    *_MERGED,
)
"""Members that settings are made of."""
_LEAST_RECORD_AGE_SECONDS, _MOST_RECORD_AGE_SECONDS = 60, 604_800
_SMALL_BATCH = 10


def merge(kind: SourceType, current: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``current`` with the members given; an empty one goes back to what the kind has by itself."""
    merged = {**current}
    for name in SETTINGS:
        value = values.get(name)
        if value is None:
            continue
        if name in _MERGED:
            _merge_structure(merged, name, value)
        elif isinstance(value, bool | int) or not is_empty(value):
            merged[name] = value
        else:
            merged.pop(name, None)
    return complete(kind, merged)


def _merge_structure(settings: dict[str, Any], name: str, value: Mapping[str, Any]) -> None:
    if value and not (is_empty(value) and name not in settings):
        changed = {**part(settings, name), **value}
        if is_empty(changed.get("SchemaRegistryConfig")):
            changed.pop("SchemaRegistryConfig", None)
        settings[name] = changed
    elif name == "ProvisionedPollerConfig":
        settings.pop(name, None)


def complete(kind: SourceType, settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` with the kind's defaults, down to the members of structures."""
    full = {**kind.defaults, **settings}
    if failures := destination(part(full, "DestinationConfig"), "OnFailure"):
        full["DestinationConfig"] = {"OnFailure": {"Destination": failures}}
    if kind.pollers is not None and "ProvisionedPollerConfig" in full:
        pollers = {
            "MinimumPollers": kind.pollers.minimum,
            "MaximumPollers": kind.pollers.maximum,
            **full["ProvisionedPollerConfig"],
        }
        full["ProvisionedPollerConfig"] = {name: value for name, value in pollers.items() if value != ""}
    if endpoints := part(part(full, "SelfManagedEventSource"), "Endpoints"):
        # AWS returns the brokers sorted.
        full["SelfManagedEventSource"] = {"Endpoints": {name: sorted(each) for name, each in endpoints.items()}}
    if "DocumentDBEventSourceConfig" in full:
        full["DocumentDBEventSourceConfig"] = {"FullDocument": "Default", **full["DocumentDBEventSourceConfig"]}
    if part(full, "SelfManagedKafkaEventSourceConfig").get("ConsumptionMode") == "Queue":
        full.setdefault("MaximumRetryAttempts", 0)
    return full


def check_given(kind: SourceType, values: Mapping[str, Any]) -> None:
    """Raise InvalidParameterValueException for a member that this kind of source does not take."""
    for name in (*SETTINGS, "StartingPositionTimestamp"):
        value = values.get(name)
        if value is None or is_empty(value) or name in EVERY_MEMBER or name in kind.members:
            continue
        if name == "StartingPosition" and kind in (SQS, SQS_FIFO):
            raise invalid_parameter("StartingPosition is not valid for SQS event sources.")
        raise unsupported(name)
    if destination(part(values, "DestinationConfig"), "OnSuccess"):
        raise invalid_parameter("Unsupported DestinationConfig parameter for given event source mapping type.")


def unsupported(path: str) -> ServiceError:
    """A member that this kind of source does not take, or not at this time."""
    return invalid_parameter(
        f"Unsupported '{path[0].lower()}{path[1:]}' parameter for given event source mapping type."
    )


def check_update(values: Mapping[str, Any]) -> None:
    """Raise InvalidParameterValueException for what can be said only when a mapping is created."""
    for config in _KAFKA_CONFIGS:
        for member in ("ConsumerGroupId", "ConsumptionMode"):
            if member in part(values, config):
                raise unsupported(f"{config}.{member[0].lower()}{member[1:]}")
    for each in values.get("SourceAccessConfigurations") or ():
        if each.get("Type") == "VIRTUAL_HOST":
            raise invalid_parameter("Source access configuration type VIRTUAL_HOST cannot be updated.")


def check_settings(kind: SourceType, settings: Mapping[str, Any], limits: Limits) -> None:
    """Raise InvalidParameterValueException unless completed ``settings`` fit the kind and each other."""
    for name in kind.required:
        by_share_group = part(settings, "SelfManagedKafkaEventSourceConfig").get("ConsumptionMode") == "Queue"
        if not settings.get(name) and not (name == "StartingPosition" and by_share_group):
            raise missing(name)
    _check_batches(kind, settings)
    _check_filters(settings, limits)
    _check_failures(kind, settings)
    _check_pollers(kind, settings)
    surplus = set(part(settings, "MetricsConfig").get("Metrics") or ()) - kind.metrics
    if surplus:
        raise invalid_parameter(f"Unsupported metric {min(surplus)} for {kind.name} event sources.")
    if "DocumentDBEventSourceConfig" in settings and not settings["DocumentDBEventSourceConfig"].get("DatabaseName"):
        raise missing("DocumentDBEventSourceConfig.databaseName")
    check_access(kind, settings.get("SourceAccessConfigurations") or ())
    check_kafka(kind, settings)


def check_start(
    kind: SourceType, source: str | None, position: str | None, timestamp_seconds: float | None, now_seconds: float
) -> None:
    """Raise InvalidParameterValueException unless reading can start there; ``source`` is the event source's ARN."""
    if position is not None and position not in kind.starting_positions:
        raise invalid_parameter(f"Unsupported starting position for arn type: {source}")
    if position == "AT_TIMESTAMP":
        if timestamp_seconds is None:
            raise invalid_parameter("Need to specify a timestamp")
        if timestamp_seconds > now_seconds:
            raise invalid_parameter("StartingPositionTimestamp cannot be in the future.")
    elif timestamp_seconds is not None:
        raise invalid_parameter("StartingPositionTimestamp is only supported when StartingPosition is AT_TIMESTAMP.")


def _check_batches(kind: SourceType, settings: Mapping[str, Any]) -> None:
    window = settings.get("MaximumBatchingWindowInSeconds") or 0
    if window and not kind.batching_windows:
        raise invalid_parameter("Batching window is not supported for FIFO queues")
    # A FIFO queue, which has no window, can therefore never have more than ten.
    if kind.large_batches_need_a_window and settings["BatchSize"] > _SMALL_BATCH and not window:
        raise invalid_parameter(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )


def _check_filters(settings: Mapping[str, Any], limits: Limits) -> None:
    filters = part(settings, "FilterCriteria").get("Filters") or ()
    if len(filters) > limits.event_source_filters:
        raise invalid_parameter(f"FilterCriteria cannot have more than {limits.event_source_filters} filters.")
    for each in filters:
        try:
            parse_pattern(each.get("Pattern") or "")
        except PatternError as error:
            raise invalid_parameter("Invalid filter pattern definition.") from error


def _check_failures(kind: SourceType, settings: Mapping[str, Any]) -> None:
    age = settings.get("MaximumRecordAgeInSeconds", -1)
    if age != -1 and not _LEAST_RECORD_AGE_SECONDS <= age <= _MOST_RECORD_AGE_SECONDS:
        raise invalid_parameter(
            "MaximumRecordAgeInSeconds must be either -1 (forever) or between "
            f"{_LEAST_RECORD_AGE_SECONDS} and {_MOST_RECORD_AGE_SECONDS} (inclusive)"
        )
    failures = destination(part(settings, "DestinationConfig"), "OnFailure")
    if failures is not None and not (failures.startswith(KAFKA) and kind.kafka is not None):
        check_event_source_destination(failures)


def _check_pollers(kind: SourceType, settings: Mapping[str, Any]) -> None:
    pollers, bounds = settings.get("ProvisionedPollerConfig"), kind.pollers
    if pollers is None or bounds is None:
        return
    if "ScalingConfig" in settings:
        raise invalid_parameter("ScalingConfig and ProvisionedPollerConfig cannot be used together.")
    least, most = pollers["MinimumPollers"], pollers["MaximumPollers"]
    if not bounds.minimum <= least <= bounds.most_minimum:
        raise invalid_parameter(
            f"MinimumPollers must be between {bounds.minimum} and {bounds.most_minimum} for {kind.name} event sources."
        )
    if not bounds.minimum <= most <= bounds.most_maximum:
        raise invalid_parameter(
            f"MaximumPollers must be between {bounds.minimum} and {bounds.most_maximum} for {kind.name} event sources."
        )
    if least > most:
        raise invalid_parameter("MinimumPollers must not be greater than MaximumPollers.")
    if pollers.get("PollerGroupName") and kind.kafka is None:
        raise unsupported("ProvisionedPollerConfig.pollerGroupName")
