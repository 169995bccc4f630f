"""A subscription to telemetry: what an extension wants to receive, where, and in which portions.

Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html and runtimes-logs-api.html
"""

from dataclasses import dataclass

TELEMETRY_TYPES = ("platform", "function", "extension")


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffering:
    """A batch is sent when it has ``max_items`` events or ``max_bytes`` of them, or is ``timeout_seconds`` old."""

    max_items: int
    max_bytes: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySubscription:
    """``path`` is where an HTTP sink listens, None for a TCP sink; both are inside the environment."""

    extension: str
    schema_version: str
    types: tuple[str, ...]
    port: int
    path: str | None
    buffering: Buffering
    logs_api: bool = False
    """Made through the Logs API, whose events have fewer types and fields."""
