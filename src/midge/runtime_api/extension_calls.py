"""The HTTP side of the Extensions API 2020-01-01, the Telemetry API 2022-07-01 and the Logs API 2020-08-15.

Turns a request that has been read (method, path, headers in lower case, body) into a call of ``ExtensionsSession`` or a
subscription, and makes the reply. The refusals are those of AWS's own emulator of the runtime interface.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html, telemetry-api-reference.html
"""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, cast

from midge.model.functions import FunctionVersion
from midge.model.limits import Limits
from midge.model.telemetry import TelemetrySubscription
from midge.runtime_api import replies
from midge.runtime_api.extension_protocol import ExtensionCall
from midge.runtime_api.extensions import Extension, ExtensionsSession
from midge.runtime_api.session import EventSink
from midge.runtime_api.subscriptions import SubscriptionError, parse_subscription

PREFIXES = (b"/2020-", b"/2022-")
"""What the paths begin with that are not the Runtime API's."""

_EXTENSION = b"/2020-01-01/extension/"
_TELEMETRY = b"/2022-07-01/telemetry"
_LOGS = b"/2020-08-15/logs"
_NAME, _IDENTIFIER = b"lambda-extension-name", b"lambda-extension-identifier"
_FEATURES, _ERROR_TYPE = b"lambda-extension-accept-feature", b"lambda-extension-function-error-type"
_NAME_BYTES = 128

Headers = Mapping[bytes, bytes]
Subscribe = Callable[[TelemetrySubscription], bool]
"""Takes a subscription; False when it is too late for one."""


class ExtensionCalls:
    """See the module. One for an environment, whatever connections it opens."""

    __slots__ = ("_limits", "_subscribe", "_version", "session")

    def __init__(
        self, session: ExtensionsSession, version: FunctionVersion, limits: Limits, subscribe: Subscribe
    ) -> None:
        self.session = session
        self._version = version
        self._limits = limits
        self._subscribe = subscribe

    def handle(self, connection: EventSink, method: bytes, url: bytes, headers: Headers, body: bytes) -> bytes | None:
        """The reply, or None when it will come through ``connection.send_event``."""
        path = url.split(b"?", 1)[0].rstrip(b"/")
        if path in (_TELEMETRY, _LOGS):
            return self._subscription(method, headers, body, logs_api=path == _LOGS)
        if not path.startswith(_EXTENSION):
            return replies.NOT_FOUND
        action = path[len(_EXTENSION) :]
        if action == b"register":
            return replies.WRONG_METHOD if method != b"POST" else self._register(headers, body)
        if action not in (b"event/next", b"init/error", b"exit/error"):
            return replies.NOT_FOUND
        if method != (b"GET" if action == b"event/next" else b"POST"):
            return replies.WRONG_METHOD
        found = self._identify(headers)
        if isinstance(found, bytes):
            return found
        if action == b"event/next":
            return self.session.next(found, connection)
        call = ExtensionCall.INIT_ERROR if action == b"init/error" else ExtensionCall.EXIT_ERROR
        return self._report(found, call, headers)

    def hang_up(self, connection: EventSink) -> None:
        """``connection`` is closed."""
        if self.session.all:
            self.session.hang_up(connection)

    def _identify(self, headers: Headers) -> Extension | bytes:
        """The extension that calls, or the refusal."""
        given = headers.get(_IDENTIFIER, b"")
        if not given:
            kind, message = "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"
            return replies.error(403, kind, message)
        try:
            identifier = str(uuid.UUID(given.decode("ascii", "replace")))
        except ValueError:
            kind, message = "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"
            return replies.error(403, kind, message)
        found = self.session.find(identifier)
        return found or replies.error(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")

    def _register(self, headers: Headers, body: bytes) -> bytes:
        name = headers.get(_NAME, b"").decode("utf-8", "replace")
        if not name or len(name) > _NAME_BYTES or not name.isprintable():
            message = "Invalid extension name" if name else "Empty extension name"
            return replies.error(403, "Extension.InvalidExtensionName", message)
        events = _events(body)
        if isinstance(events, str):
            return replies.error(403, "InvalidRequestFormat", events)
        features = [feature.strip() for feature in headers.get(_FEATURES, b"").split(b",")]
        return self.session.register(name, events, lambda identifier: self._registered(identifier, features))

    def _registered(self, identifier: str, features: list[bytes]) -> bytes:
        version = self._version
        document = {
            "functionName": version.function.name,
            "functionVersion": version.version,
            "handler": version.handler,
        }
        if b"accountId" in features:
            document["accountId"] = version.function.account
        return replies.reply(200, document, headers={"Lambda-Extension-Identifier": identifier})

    def _report(self, extension: Extension, call: ExtensionCall, headers: Headers) -> bytes:
        given = headers.get(_ERROR_TYPE, b"")[:_NAME_BYTES].decode("ascii", "replace")
        if not given or not given.isprintable():
            kind, message = "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"
            return replies.error(403, kind, message)
        return self.session.report(extension, call, given)

    def _subscription(self, method: bytes, headers: Headers, body: bytes, *, logs_api: bool) -> bytes:
        if method != b"PUT":
            return replies.WRONG_METHOD
        found = self._identify(headers)
        if isinstance(found, bytes):
            return found
        try:
            subscription = parse_subscription(found.name, body, self._limits, logs_api=logs_api)
        except SubscriptionError as error:
            return replies.error(400, "ValidationError", str(error))
        if not self._subscribe(subscription):
            name, words = ("Logs", "Logs API") if logs_api else ("Telemetry", "Telemetry API")
            return replies.error(403, f"{name}.SubscriptionClosed", f"{words} subscription is closed already")
        return replies.OK


def _events(body: bytes) -> tuple[str, ...] | str:
    """The events that a registration names, or what is wrong with it."""
    try:
        document: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return "invalid JSON in the request body"
    if not isinstance(document, dict):
        return "the request body is not a JSON object"
    values = cast("dict[str, Any]", document)
    if values.get("configurationKeys"):
        return "configurationKeys are deprecated; use environment variables instead"
    given: Any = values.get("events") or []
    if not isinstance(given, list):
        return "events is not a list of strings"
    events = cast("list[Any]", given)
    if not all(isinstance(event, str) for event in events):
        return "events is not a list of strings"
    return tuple(str(event)[:64] for event in events)
