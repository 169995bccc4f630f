"""The transport of AWS's Python runtime client, in plain Python: stands in for its native module of the same name.

Same four functions, same behaviour towards ``awslambdaric`` (one contract suite holds both to it). It keeps one
connection; a response and the following request for the next event leave together, and their answers are read
together, which halves the round trips of an invocation. The wire stays the Runtime API, 2018-06-01.
"""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False  # importing typing would cost every environment its memory
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_NEXT = "/2018-06-01/runtime/invocation/next"
_RECEIVE_BYTES = 262144
_DEADLINE = "Lambda-Runtime-Deadline-Ms"
_XRAY_CAUSE_BYTES = 16384
"""A longer cause is left out: it is a header, and only decoration."""


class RuntimeClientError(RuntimeError):
    """The Runtime API refused, or went away."""


class _Connection:
    """One kept-alive connection, replies in order of requests."""

    def __init__(self, address: str, user_agent: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.socket()
        self._socket.connect((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._common = f" HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {user_agent}\r\n"
        self.get_next = f"GET {_NEXT}{self._common}\r\n".encode("latin-1")

    def post(self, path: str, headers: Iterable[tuple[str, str | None]], body: bytes, flags: int) -> None:
        """Send a request whose answer is read later, in its turn."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers if value)
        head = f"POST {path}{self._common}{lines}Content-Length: {len(body)}\r\n\r\n"
        self.send(head.encode("utf-8") + body, flags)

    def send(self, data: bytes, flags: int = 0) -> None:
        if len(data) <= _RECEIVE_BYTES:
            self._socket.sendall(data, flags)
        else:
            self._socket.sendall(data)

    def receive(self) -> tuple[int, dict[str, str], bytes]:
        """The next reply: status, headers, body."""
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end >= 0:
                lines = self._buffer[:end].decode("latin-1").split("\r\n")
                headers: dict[str, str] = {}
                for line in lines[1:]:
                    name, _, value = line.partition(":")
                    headers[name] = value.strip()
                body_end = end + 4 + int(headers.get("Content-Length", 0))
                while len(self._buffer) < body_end:
                    self._fill(body_end - len(self._buffer))
                body = self._buffer[end + 4 : body_end]
                self._buffer = self._buffer[body_end:]
                return int(lines[0].split(" ", 2)[1]), headers, body
            self._fill(0)

    def _fill(self, missing: int) -> None:
        if missing <= _RECEIVE_BYTES:
            data = self._socket.recv(_RECEIVE_BYTES)
            if not data:
                raise RuntimeClientError("the Runtime API closed the connection")
            self._buffer += data
            return
        chunks = [self._buffer]
        while missing > 0:
            data = self._socket.recv(min(missing, 1 << 20))
            if not data:
                raise RuntimeClientError("the Runtime API closed the connection")
            chunks.append(data)
            missing -= len(data)
        self._buffer = b"".join(chunks)


_user_agent = "aws-lambda-python"
_connection: _Connection | None = None
_owner: int | None = None
_unread = 0


def initialize_client(user_agent: str) -> None:
    """Remember how to introduce ourselves. The connection is made with the first request, after any fork."""
    global _user_agent
    _user_agent = user_agent


def _connected() -> _Connection:
    global _connection, _owner, _unread
    if _connection is None or _owner != os.getpid():
        _connection = _Connection(os.environ["AWS_LAMBDA_RUNTIME_API"], _user_agent)
        _owner = os.getpid()
        _unread = 0
    return _connection


def _settle(connection: _Connection) -> None:
    """Read the answers to what was posted; each must be an acceptance."""
    global _unread
    while _unread:
        status, _, body = connection.receive()
        _unread -= 1
        if status != 202:
            raise RuntimeClientError(f"the Runtime API answered {status}: {body.decode('utf-8', 'replace')}")


def next() -> tuple[bytes, dict[str, Any]]:
    """Wait for the next event: its body and the headers that came with it."""
    connection = _connected()
    connection.send(connection.get_next)
    _settle(connection)
    status, headers, body = connection.receive()
    if status != 200:
        raise RuntimeClientError(f"the Runtime API answered {status}: {body.decode('utf-8', 'replace')}")
    event_headers: dict[str, Any] = headers
    if _DEADLINE in headers:
        event_headers[_DEADLINE] = int(headers[_DEADLINE])
    return body, event_headers


def _post(path: str, headers: Iterable[tuple[str, str | None]], body: bytes) -> None:
    global _unread
    connection = _connected()
    connection.post(path, headers, body, socket.MSG_MORE)  # GET next follows at once and takes it along
    _unread += 1


def post_invocation_result(invoke_id: str, data: bytes, content_type: str, invocation_id: str | None = None) -> None:
    """Answer an invocation with ``data`` (bytes)."""
    headers = (("Content-Type", content_type), ("Lambda-Runtime-Invocation-Id", invocation_id))
    _post(f"/2018-06-01/runtime/invocation/{invoke_id}/response", headers, data)


def post_error(invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
    """Answer an invocation with an error (JSON text), and what X-Ray shall know of it."""
    cause = xray_fault if len(xray_fault) <= _XRAY_CAUSE_BYTES else None
    headers = (
        ("Content-Type", "application/json"),
        ("Lambda-Runtime-Function-XRay-Error-Cause", cause),
        ("Lambda-Runtime-Invocation-Id", invocation_id),
    )
    _post(f"/2018-06-01/runtime/invocation/{invoke_id}/error", headers, error.encode("utf-8"))
