"""A connection to the Runtime API without a socket, and what is heard of it: for the tests of ``runtime_api``."""

import asyncio
import json
from typing import Any

from midge.model.limits import Limits
from midge.runtime_api.connection import RuntimeConnection
from midge.runtime_api.session import RuntimeSession, StreamSource

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
ID = b"8476a536-e9f4-41e8-9739-2dfe598c3fcd"
EVENT_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def post(action: str, body: bytes, *headers: str, request_id: bytes = ID) -> bytes:
    lines = [f"POST /2018-06-01/runtime/invocation/{request_id.decode()}/{action} HTTP/1.1", "Host: x", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class Transport(asyncio.Transport):
    """Keeps what is written, one entry per write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 12345) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Parts:
    """Notes the parts of a streamed response."""

    def __init__(self, heard: list[tuple[Any, ...]]) -> None:
        self.heard = heard

    def feed(self, data: bytes) -> None:
        self.heard.append(("part", data))


class Owner:
    """Notes what the session tells."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.takes_streams = False
        self.restored = False
        self.source: StreamSource | None = None

    def runtime_ready(self) -> None:
        self.heard.append(("ready",))

    def runtime_responded(self, payload: bytes) -> None:
        self.heard.append(("responded", payload))

    def runtime_failed(self, error_type: str, payload: bytes) -> None:
        self.heard.append(("failed", error_type, payload))

    def runtime_init_failed(self, error_type: str, payload: bytes) -> None:
        self.heard.append(("init failed", error_type, payload))

    def runtime_streams(self, content_type: bytes, source: StreamSource) -> Parts | None:
        if not self.takes_streams:
            return None
        self.heard.append(("streams", content_type))
        self.source = source
        return Parts(self.heard)

    def runtime_broke_off(self) -> None:
        self.heard.append(("broke off",))

    def runtime_restorable(self, port: int) -> bool:
        self.heard.append(("restorable", port))
        return self.restored

    def runtime_restore_failed(self, error_type: str, payload: bytes) -> None:
        self.heard.append(("restore failed", error_type, payload))

    def runtime_gone(self) -> None:
        self.heard.append(("gone",))


class Runtime:
    """One connection, its session and what was heard of it."""

    def __init__(self, limits: Limits | None = None, *, snap_start: bool = False) -> None:
        self.owner = Owner()
        self.limits = limits or Limits()
        self.session = RuntimeSession(self.owner, snap_start=snap_start)
        self.connection = RuntimeConnection(self.session, self.limits)
        self.transport = Transport()
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.connection.data_received(data)

    def give_event(self, payload: bytes = b"{}") -> None:
        self.session.send(ID, EVENT_HEAD, payload)

    def running(self) -> "Runtime":
        """Bring it to where it owes an answer."""
        self.send(NEXT)
        self.give_event()
        self.transport.writes.clear()
        self.owner.heard.clear()
        return self


def status(written: bytes) -> int:
    return int(written.split(b" ", 2)[1])


def document(written: bytes) -> dict[str, str]:
    return json.loads(written.split(b"\r\n\r\n", 1)[1])
