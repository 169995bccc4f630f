"""An external extension that a test plays, speaking the real Extensions API in memory, beside a ``FakeRuntime``."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httptools

from midge.sandbox.port import ExtensionProcesses, ProcessExit, StartRequest

OnExtensionEvent = Callable[["FakeExtension", dict[str, Any]], None]


def ignore_event(extension: "FakeExtension", event: dict[str, Any]) -> None:
    """An extension that never asks again."""
    del extension, event


@dataclass(slots=True)
class Reply:
    """A response as far as it has come; header names are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


class MemoryTransport(asyncio.Transport):
    """The server's end of a connection without a socket."""

    def __init__(self, receive: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        super().__init__()
        self._receive = receive
        self._lost = lost
        self._closing = False
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            asyncio.get_running_loop().call_soon(self._receive, bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._lost)

    def abort(self) -> None:
        self.close()


class FakeExtension:
    """One external extension: its side of the Extensions API, over a connection of its own, and its process."""

    def __init__(self, request: StartRequest, name: str, on_event: OnExtensionEvent) -> None:
        self.name = name
        self.ended = False
        self.events: list[bytes] = []
        """Bodies of the events received."""
        self.replies: list[tuple[int, bytes]] = []
        """Status and body of every reply that was not an event."""
        self.identifier = ""
        self._request = request
        self._on_event = on_event
        self._connection: asyncio.Protocol | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply = Reply()

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        """Send a request to the API that listens inside; header names' underscores stand for hyphens."""
        if self._connection is None:
            self._connection = self._request.runtime_api()
            self._connection.connection_made(MemoryTransport(self._receive, self.disconnect))
            self._parser = httptools.HttpResponseParser(self)
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1:9001", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._connection.data_received("\r\n".join([*lines, "", ""]).encode() + body)

    def loop_soon(self, act: Callable[[], None]) -> None:
        """Do something when what has been sent has been answered."""
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, act)

    def register(self, *events: str) -> None:
        """Register under its own name."""
        body = json.dumps({"events": events}).encode()
        self.request("POST", "/2020-01-01/extension/register", body, Lambda_Extension_Name=self.name)

    def next(self) -> None:
        """Ask for an event."""
        self.request("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=self.identifier)

    def report(self, phase: str, error_type: str) -> None:
        """Give up: ``phase`` is init or exit."""
        self.request(
            "POST",
            f"/2020-01-01/extension/{phase}/error",
            Lambda_Extension_Identifier=self.identifier,
            Lambda_Extension_Function_Error_Type=error_type,
        )

    def subscribe(self, document: object, api: str = "2022-07-01/telemetry") -> None:
        """Subscribe to telemetry."""
        body = json.dumps(document).encode()
        self.request("PUT", f"/{api}", body, Lambda_Extension_Identifier=self.identifier)

    def write_output(self, data: bytes) -> None:
        """Write to stdout."""
        self._processes().on_output(data)

    def exit(self, code: int = 0, signal: int | None = None) -> None:
        """End its process."""
        if not self.ended:
            self.ended = True
            self._processes().on_ended(self.name, ProcessExit(code=code, signal=signal))
            self.disconnect()

    def fail_launch(self, number: int) -> None:
        """Be one that could not be started, for a reason of the system."""
        self.ended = True
        self._processes().on_launch_failed(self.name, number)

    def disconnect(self) -> None:
        """Close its connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.connection_lost(None)

    def _processes(self) -> ExtensionProcesses:
        processes = self._request.extensions
        assert processes is not None
        return processes

    def on_message_begin(self) -> None:
        self._reply = Reply()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._reply.body += body

    def on_message_complete(self) -> None:
        reply, status = self._reply, self._parser.get_status_code()
        self.identifier = reply.headers.get("lambda-extension-identifier", self.identifier)
        if b'"eventType"' in reply.body:
            self.events.append(reply.body)
            self._on_event(self, json.loads(reply.body))
        else:
            self.replies.append((status, reply.body))

    def _receive(self, data: bytes) -> None:
        if not self.ended and self._connection is not None:
            self._parser.feed_data(data)
