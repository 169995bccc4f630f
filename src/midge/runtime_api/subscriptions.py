"""What an extension says when it subscribes to telemetry, checked. Pure.

Both APIs take the same document: the Telemetry API 2022-07-01 and the Logs API 2020-08-15, which it superseded. All
that is wrong with a document is told at once, in AWS's error shape.
Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html and runtimes-logs-api.html
"""

import json
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from midge.model.limits import Limits
from midge.model.telemetry import TELEMETRY_TYPES, Buffering, TelemetrySubscription

TELEMETRY_SCHEMAS = ("2022-07-01", "2022-12-13", "2025-01-29")
LOGS_SCHEMAS = ("2020-08-15", "2021-03-18")
_HOSTS = ("sandbox.localdomain", "sandbox")
_RESERVED_PORT = 9001


class SubscriptionError(Exception):
    """The document is no subscription; the text says all that is wrong with it."""


def parse_subscription(extension: str, body: bytes, limits: Limits, *, logs_api: bool) -> TelemetrySubscription:
    """The subscription of ``extension``. Raises SubscriptionError."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise SubscriptionError("the request body is not valid JSON") from None
    if not isinstance(document, dict):
        raise SubscriptionError("the request body is not a JSON object")
    checked = _Document(cast("dict[str, Any]", document), limits)
    schema = checked.schema(logs_api=logs_api)
    types = checked.types()
    port, path = checked.destination(logs_api=logs_api)
    buffering = checked.buffering()
    if checked.problems:
        raise SubscriptionError("; ".join(checked.problems))
    return TelemetrySubscription(
        extension=extension,
        schema_version=schema,
        types=types,
        port=port,
        path=path,
        buffering=buffering,
        logs_api=logs_api,
    )


class _Document:
    """Reads members and collects what is wrong with them."""

    def __init__(self, values: dict[str, Any], limits: Limits) -> None:
        self.problems: list[str] = []
        self._values = values
        self._limits = limits

    def schema(self, *, logs_api: bool) -> str:
        known = LOGS_SCHEMAS if logs_api else TELEMETRY_SCHEMAS
        given = self._values.get("schemaVersion")
        if given is None:
            if not logs_api:
                self.problems.append("schemaVersion is not provided")
            return known[0]  # the Logs API had no versions at first
        if given not in known:
            self.problems.append(f"schemaVersion should be one of {', '.join(known)}")
        return str(given)

    def types(self) -> tuple[str, ...]:
        given = self._values.get("types")
        if not isinstance(given, list) or not given:
            self.problems.append("types should not be empty")
            return ()
        names = [str(name) for name in cast("list[Any]", given)]
        unknown = [name for name in names if name not in TELEMETRY_TYPES]
        if unknown:
            self.problems.append(f"types should be of {', '.join(TELEMETRY_TYPES)}, not {unknown[0][:64]}")
        return tuple(dict.fromkeys(name for name in names if name in TELEMETRY_TYPES))

    def destination(self, *, logs_api: bool) -> tuple[int, str | None]:
        """The port, and the path of an HTTP sink."""
        given = self._values.get("destination")
        if not isinstance(given, dict):
            self.problems.append("destination is not provided")
            return 0, None
        destination = cast("dict[str, Any]", given)
        protocol = destination.get("protocol")
        if protocol == "TCP":
            return self._tcp_port(destination), None
        if protocol != "HTTP":
            self.problems.append("destination protocol should be HTTP or TCP")
            return 0, None
        self._check_http(destination, logs_api=logs_api)
        uri = destination.get("URI")
        if not isinstance(uri, str) or not uri:
            self.problems.append("destination URI is not provided")
            return 0, None
        return self._uri(uri, "http")

    def _tcp_port(self, destination: dict[str, Any]) -> int:
        uri = destination.get("URI")
        if isinstance(uri, str) and uri:
            return self._uri(uri, "tcp")[0]
        port = destination.get("port")
        if isinstance(port, bool) or not isinstance(port, int):
            self.problems.append("destination port is not provided")
            return 0
        return self._port(port)

    def _check_http(self, destination: dict[str, Any], *, logs_api: bool) -> None:
        if not logs_api:
            return
        if destination.get("method", "POST") not in ("POST", "PUT"):
            self.problems.append("destination method should be POST or PUT")
        if destination.get("method") == "PUT":
            self.problems.append("destination method PUT is not supported by midge, which sends by POST")
        if destination.get("encoding", "JSON") != "JSON":
            self.problems.append("destination encoding should be JSON")

    def _uri(self, uri: str, scheme: str) -> tuple[int, str]:
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:
            self.problems.append("destination URI is not valid")
            return 0, "/"
        if parts.scheme != scheme:
            self.problems.append(f"URI scheme should be {scheme}")
        if parts.hostname not in _HOSTS:
            self.problems.append(f"URI host should be {_HOSTS[0]}")
        if port is None:
            self.problems.append("URI port is not provided")
            return 0, "/"
        return self._port(port), self._path(parts)

    def _path(self, parts: SplitResult) -> str:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not path.isascii() or not path.isprintable() or " " in path or len(path) > self._limits.telemetry_path_bytes:
            self.problems.append("URI path is not valid")
        return path

    def _port(self, port: int) -> int:
        if not 0 < port < 65536 or port == _RESERVED_PORT:
            self.problems.append(f"destination port should be from 1 to 65535 and not {_RESERVED_PORT}")
        return port

    def buffering(self) -> Buffering:
        limits = self._limits
        given = self._values.get("buffering")
        if given is not None and not isinstance(given, dict):
            self.problems.append("buffering should be an object")
        values = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        return Buffering(
            max_items=self._number(values, "maxItems", 1_000, 1_000, limits.telemetry_items),
            max_bytes=self._number(values, "maxBytes", 262_144, 262_144, limits.telemetry_bytes),
            timeout_seconds=self._number(values, "timeoutMs", 1_000, 25, limits.telemetry_timeout_ms) / 1000,
        )

    def _number(self, values: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
        given = values.get(name, default)
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            self.problems.append(f"{name} should be an integer from {least} to {most}")
            return default
        return given
