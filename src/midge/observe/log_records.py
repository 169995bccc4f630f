"""Records of the function log and their text: START, output, END, REPORT, in AWS's two formats.

Records are made on the hot path and only hold figures; the text is made later, off it. Pure.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html and
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html (the JSON format's records) and
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html (the levels of platform events)
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from midge.model.usage import billed_ms


# msgspec.Struct and not dataclasses: they may be made for every invocation, at a third of the cost.
class InvocationStart(msgspec.Struct, gc=False):
    """``time`` is seconds since 1970."""

    time: float
    request_id: bytes


class InvocationEnd(msgspec.Struct, gc=False):
    """The end of an invocation. Durations are in seconds."""

    time: float
    request_id: bytes
    duration_seconds: float
    memory_bytes: int | None = None
    init_seconds: float | None = None
    status: str = "success"
    """success, error or timeout"""
    error_type: str | None = None
    by_platform: bool = False
    """The platform noticed the fault; else the function reported it."""
    restore_seconds: float | None = None
    """Of the first in an environment that was restored: the restoration and the hooks after it."""
    billed_restore_seconds: float = 0.0
    """Of these the runtime and the hooks."""

    @property
    def starts_environment(self) -> bool:
        """Whether it tells of an initialisation or a restoration."""
        return self.init_seconds is not None or self.restore_seconds is not None

    @property
    def billed_before(self) -> float:
        """What is billed beside the run itself."""
        return (self.init_seconds or 0.0) + self.billed_restore_seconds


class InitReport(msgspec.Struct, gc=False):
    """An initialisation that failed."""

    time: float
    init_seconds: float
    phase: str
    """init, invoke or restore"""
    status: str
    error_type: str | None
    init_type: str = "on-demand"


class ExtensionInit(msgspec.Struct, gc=False):
    """How an extension stands at the end of an initialisation."""

    time: float
    name: str
    state: str
    events: tuple[str, ...]
    error_type: str | None


class Subscription(msgspec.Struct, gc=False):
    """An extension has subscribed to telemetry, or to logs (``logs_api``)."""

    time: float
    name: str
    state: str
    types: tuple[str, ...]
    logs_api: bool


class PlatformEvent(msgspec.Struct, gc=False):
    """What only the JSON format tells, from ``level`` on: a step of an initialisation."""

    time: float
    type: str
    record: dict[str, Any] | str
    level: str


class Output(msgspec.Struct, gc=False):
    """Bytes that the function wrote, or an extension."""

    time: float
    data: bytes
    framed: bool = True
    """There may be framed log messages in it."""


class Note(msgspec.Struct, gc=False):
    """A line that the platform adds, with its line end."""

    time: float
    text: str


Record = InvocationStart | InvocationEnd | InitReport | ExtensionInit | Subscription | PlatformEvent | Output | Note


class LogStyle(msgspec.Struct, frozen=True):
    """What a stream's lines depend on."""

    version: str
    memory_size_mb: int
    json_format: bool = False
    system_level: str = "INFO"
    application_level: str = "INFO"


def iso_time(seconds: float) -> str:
    """2026-11-23T19:00:00.000Z"""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def start_message(record: InvocationStart, style: LogStyle) -> str | None:
    """The line that opens an invocation; None where the system log level leaves it out."""
    request_id = record.request_id.decode()
    if not style.json_format:
        return f"START RequestId: {request_id} Version: {style.version}\n"
    if not _kept("start", style):
        return None
    return _platform(record.time, "platform.start", {"requestId": request_id, "version": style.version})


def end_messages(record: InvocationEnd, style: LogStyle) -> list[str]:
    """The lines that close an invocation."""
    if style.json_format:
        return _end_json(record, style)
    request_id = record.request_id.decode()
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {record.duration_seconds * 1000:.2f} ms\t"
        f"Billed Duration: {billed_ms(record.duration_seconds, record.billed_before)} ms\t"
        f"Memory Size: {style.memory_size_mb} MB\tMax Memory Used: {megabytes(record.memory_bytes)} MB\t"
    )
    if record.init_seconds is not None:
        report += f"Init Duration: {record.init_seconds * 1000:.2f} ms\t"
    if record.restore_seconds is not None:
        report += (
            f"Restore Duration: {record.restore_seconds * 1000:.2f} ms\t"
            f"Billed Restore Duration: {billed_ms(record.billed_restore_seconds, None)} ms\t"
        )
    if record.by_platform:
        report += f"Status: {record.status}\t"
        if record.status == "error":
            report += f"Error Type: {record.error_type}\t"
    return [f"END RequestId: {request_id}\n", report + "\n"]


def init_report_message(record: InitReport, style: LogStyle) -> str:
    """The line about an initialisation that failed."""
    milliseconds = record.init_seconds * 1000
    if style.json_format:
        details: dict[str, Any] = {
            "initializationType": record.init_type,
            "phase": record.phase,
            "status": record.status,
            "metrics": {"durationMs": round(milliseconds, 3)},
        }
        if record.error_type is not None:
            details["errorType"] = record.error_type
        if record.phase == "restore":
            details = {"status": record.status, "metrics": details["metrics"]}
            details |= {} if record.error_type is None else {"errorType": record.error_type}
            return _platform(record.time, "platform.restoreReport", details)
        return _platform(record.time, "platform.initReport", details)
    if record.phase == "restore":
        line = f"RESTORE_REPORT Restore Duration: {milliseconds:.2f} ms"
        if record.status == "success":
            return line + "\n"
        return f"{line}\tStatus: {record.status}" + (
            f"\tError Type: {record.error_type}\n" if record.error_type else "\n"
        )
    line = f"INIT_REPORT Init Duration: {milliseconds:.2f} ms\tPhase: {record.phase}\tStatus: {record.status}"
    if record.error_type is not None and record.status == "error":
        line += f"\tError Type: {record.error_type}"
    return line + "\n"


def extension_message(record: ExtensionInit, style: LogStyle) -> str | None:
    """The line about an extension at the end of an initialisation; None where the system log level leaves it out."""
    if style.json_format:
        if not _kept("extension", style, succeeded=record.error_type is None):
            return None
        details: dict[str, Any] = {"name": record.name, "state": record.state, "events": list(record.events)}
        if record.error_type is not None:
            details["errorType"] = record.error_type
        return _platform(record.time, "platform.extension", details)
    line = f"EXTENSION\tName: {record.name}\tState: {record.state}\tEvents: [{', '.join(record.events)}]"
    return line + (f"\tError Type: {record.error_type}\n" if record.error_type is not None else "\n")


def subscription_message(record: Subscription, style: LogStyle) -> str | None:
    """The line about a subscription to telemetry; None where the system log level leaves it out."""
    if style.json_format:
        if not _kept("telemetrySubscription", style):
            return None
        kind = "platform.logsSubscription" if record.logs_api else "platform.telemetrySubscription"
        return _platform(record.time, kind, {"name": record.name, "state": record.state, "types": list(record.types)})
    types = ", ".join(name.capitalize() for name in record.types)
    word = "LOGS" if record.logs_api else "TELEMETRY"
    return f"{word}\tName: {record.name}\tState: {record.state}\tTypes: [{types}]\n"


def platform_message(record: PlatformEvent, style: LogStyle) -> str | None:
    """The line about a step of an initialisation; None in text, and where the system log level leaves it out."""
    if not style.json_format or _SYSTEM_LEVELS[record.level] < _SYSTEM_LEVELS[style.system_level]:
        return None
    return _platform(record.time, record.type, record.record)


def _end_json(record: InvocationEnd, style: LogStyle) -> list[str]:
    succeeded = record.status == "success"
    metrics: dict[str, float | int] = {"durationMs": round(record.duration_seconds * 1000, 3)}
    details: dict[str, Any] = {"requestId": record.request_id.decode(), "status": record.status}
    if record.error_type is not None:
        details["errorType"] = record.error_type
    messages: list[str] = []
    if _kept("runtimeDone", style, succeeded=succeeded):
        messages.append(_platform(record.time, "platform.runtimeDone", {**details, "metrics": metrics}))
    if _kept("report", style, succeeded=succeeded):
        metrics = {
            **metrics,
            "billedDurationMs": billed_ms(record.duration_seconds, record.billed_before),
            "memorySizeMB": style.memory_size_mb,
            "maxMemoryUsedMB": megabytes(record.memory_bytes),
        }
        if record.init_seconds is not None:
            metrics["initDurationMs"] = round(record.init_seconds * 1000, 3)
        if record.restore_seconds is not None:
            metrics["restoreDurationMs"] = round(record.restore_seconds * 1000, 3)
            metrics["billedRestoreDurationMs"] = billed_ms(record.billed_restore_seconds, None)
        messages.append(_platform(record.time, "platform.report", {**details, "metrics": metrics}))
    return messages


_SYSTEM_LEVELS = {"DEBUG": 2, "INFO": 3, "WARN": 4}
_EVENT_LEVELS = {
    "start": "INFO",
    "runtimeDone": "DEBUG",
    "report": "INFO",
    "extension": "INFO",
    "telemetrySubscription": "INFO",
}
"""Of platform events that tell of a success; all that tell of a failure are WARN."""


def _kept(event: str, style: LogStyle, *, succeeded: bool = True) -> bool:
    """Whether the system log level lets a platform event into the log."""
    level = _EVENT_LEVELS[event] if succeeded else "WARN"
    return _SYSTEM_LEVELS[level] >= _SYSTEM_LEVELS[style.system_level]


def _platform(time: float, kind: str, record: dict[str, Any] | str) -> str:
    return msgspec.json.encode({"time": iso_time(time), "type": kind, "record": record}).decode() + "\n"


def megabytes(size_bytes: int | None) -> int:
    """Rounded up, as the REPORT line shows it; 0 where nobody counted."""
    return 0 if size_bytes is None else -(-size_bytes // (1024 * 1024))
