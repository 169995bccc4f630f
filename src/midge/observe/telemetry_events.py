"""Telemetry events and their text: what happens in an environment, as the Telemetry API and the Logs API word it. Pure.

An event belongs to one of the three streams platform, function and extension. The Logs API, which came first, knows
fewer platform events, some under other names, and two that the Telemetry API does not have.
Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html and runtimes-logs-api.html
"""

from typing import Any, NamedTuple

import msgspec

from midge.model.telemetry import TelemetrySubscription
from midge.model.usage import billed_ms
from midge.observe.log_records import InvocationEnd, LogStyle, iso_time, megabytes

_LOGS_API_KINDS = {
    "platform.start": "platform.start",
    "platform.end": "platform.end",
    "platform.report": "platform.report",
    "platform.runtimeDone": "platform.runtimeDone",
    "platform.fault": "platform.fault",
    "platform.extension": "platform.extension",
    "platform.telemetrySubscription": "platform.logsSubscription",
    "platform.logsDropped": "platform.logsDropped",
}
_LOGS_API_ONLY = frozenset({"platform.end", "platform.fault"})
_LOGS_API_MEMBERS = {
    "platform.start": ("requestId", "version"),
    "platform.report": ("requestId", "metrics"),
    "platform.runtimeDone": ("requestId", "status"),
}
_STRUCTURED_SINCE = "2022-12-13"
"""From this schema on the output of a function with the JSON log format is told as objects."""


class TelemetryEvent(NamedTuple):
    """``time`` is seconds since 1970; ``kind`` is the event's type, whose part before the dot is its stream."""

    time: float
    kind: str
    record: dict[str, Any] | str

    @property
    def stream(self) -> str:
        return self.kind.split(".", 1)[0]


def wanted(event: TelemetryEvent, subscription: TelemetrySubscription) -> bool:
    """Whether a subscriber is told of an event."""
    if event.stream not in subscription.types:
        return False
    if not subscription.logs_api:
        return event.kind not in _LOGS_API_ONLY
    if event.kind == "platform.runtimeDone" and subscription.schema_version < "2021-03-18":
        return False
    return event.stream != "platform" or event.kind in _LOGS_API_KINDS


def render(event: TelemetryEvent, subscription: TelemetrySubscription, *, json_format: bool) -> bytes:
    """An event as a subscriber gets it. ``json_format``: the function's log format is JSON."""
    kind, record = event.kind, event.record
    if isinstance(record, dict) and subscription.logs_api:
        members = _LOGS_API_MEMBERS.get(kind)
        record = record if members is None else {name: record[name] for name in members if name in record}
        kind = _LOGS_API_KINDS[kind]
    elif isinstance(record, str) and json_format and kind == "function" and not subscription.logs_api:
        record = _structured(record, subscription.schema_version)
    return msgspec.json.encode({"time": iso_time(event.time), "type": kind, "record": record})


def _structured(line: str, schema_version: str) -> dict[str, Any] | str:
    if schema_version < _STRUCTURED_SINCE:
        return line
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line


def init_start(time: float, *, init_type: str, phase: str, version: tuple[str, str], runtime: str) -> TelemetryEvent:
    """``version`` is the function's name and version, ``runtime`` what runs it."""
    record = {
        "initializationType": init_type,
        "phase": phase,
        "functionName": version[0],
        "functionVersion": version[1],
        "runtimeVersion": runtime,
    }
    return TelemetryEvent(time, "platform.initStart", record)


def init_runtime_done(
    time: float, *, init_type: str, phase: str, status: str, error_type: str | None
) -> TelemetryEvent:
    """The runtime has asked for its first event, or never will."""
    record = {"initializationType": init_type, "phase": phase, "status": status}
    return TelemetryEvent(time, "platform.initRuntimeDone", _with_error(record, error_type))


def init_report(
    time: float, *, init_type: str, phase: str, status: str, seconds: float, error_type: str | None
) -> TelemetryEvent:
    """Initialisation is over."""
    record = {
        "initializationType": init_type,
        "phase": phase,
        "status": status,
        "metrics": {"durationMs": _ms(seconds)},
    }
    return TelemetryEvent(time, "platform.initReport", _with_error(record, error_type))


def start(time: float, request_id: str, version: str, tracing: dict[str, str]) -> TelemetryEvent:
    """An invocation begins."""
    record = {"requestId": request_id, "version": version, "tracing": tracing}
    return TelemetryEvent(time, "platform.start", record)


def runtime_done(
    time: float, request_id: str, *, status: str, seconds: float, produced_bytes: int | None, tracing: dict[str, str]
) -> TelemetryEvent:
    """The runtime has answered, or never will; ``status`` is success, error, failure or timeout."""
    metrics: dict[str, float | int] = {"durationMs": _ms(seconds)}
    record: dict[str, Any] = {"requestId": request_id, "status": status, "tracing": tracing, "metrics": metrics}
    if produced_bytes is not None:
        metrics["producedBytes"] = produced_bytes
        began = iso_time(time - seconds)
        record["spans"] = [
            {"name": "responseLatency", "start": began, "durationMs": _ms(seconds)},
            {"name": "responseDuration", "start": iso_time(time), "durationMs": 0.0},
        ]
    return TelemetryEvent(time, "platform.runtimeDone", record)


def end(time: float, request_id: str) -> TelemetryEvent:
    """An invocation is over: the Logs API's."""
    return TelemetryEvent(time, "platform.end", {"requestId": request_id})


def fault(time: float, text: str) -> TelemetryEvent:
    """The platform ended an environment: the Logs API's."""
    return TelemetryEvent(time, "platform.fault", text.rstrip("\n"))


def report(invocation: InvocationEnd, style: LogStyle, tracing: dict[str, str]) -> TelemetryEvent:
    """An invocation is over, and what it took."""
    metrics: dict[str, float | int] = {
        "durationMs": _ms(invocation.duration_seconds),
        "billedDurationMs": billed_ms(invocation.duration_seconds, invocation.billed_before),
        "memorySizeMB": style.memory_size_mb,
        "maxMemoryUsedMB": megabytes(invocation.memory_bytes),
    }
    if invocation.init_seconds is not None:
        metrics["initDurationMs"] = _ms(invocation.init_seconds)
    if invocation.restore_seconds is not None:
        metrics["restoreDurationMs"] = _ms(invocation.restore_seconds)
        metrics["billedRestoreDurationMs"] = billed_ms(invocation.billed_restore_seconds, None)
    record = {
        "requestId": invocation.request_id.decode(),
        "metrics": metrics,
        "status": invocation.status,
        "tracing": tracing,
    }
    return TelemetryEvent(invocation.time, "platform.report", _with_error(record, invocation.error_type))


def extension(time: float, name: str, state: str, events: tuple[str, ...], error_type: str | None) -> TelemetryEvent:
    """How an extension stands at the end of initialisation."""
    record = {"name": name, "state": state, "events": list(events)}
    return TelemetryEvent(time, "platform.extension", _with_error(record, error_type))


def subscribed(time: float, subscription: TelemetrySubscription, state: str) -> TelemetryEvent:
    """An extension has subscribed."""
    record = {"name": subscription.extension, "state": state, "types": list(subscription.types)}
    return TelemetryEvent(time, "platform.telemetrySubscription", record)


def dropped(time: float, records: int, size_bytes: int, reason: str) -> TelemetryEvent:
    """A subscriber has missed something."""
    record = {"droppedRecords": records, "droppedBytes": size_bytes, "reason": reason}
    return TelemetryEvent(time, "platform.logsDropped", record)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _with_error(record: dict[str, Any], error_type: str | None) -> dict[str, Any]:
    return record if error_type is None else {**record, "errorType": error_type}
