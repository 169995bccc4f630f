"""A bare Node.js that streams to a Runtime API which only takes the bytes: what streaming costs without a platform."""

import contextlib
import json
import select
import socket
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.functions import variables

SECONDS = 60.0
_END = b"\r\n0\r\n\r\n"
_EVENT = (
    b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
    b"Lambda-Runtime-Deadline-Ms: 4102444800000\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
)
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'


@dataclass(frozen=True, slots=True)
class Streamed:
    """One response: from the request sent to its first byte, and to its last."""

    first_byte_ms: float
    whole_ms: float


def drain(connection: socket.socket, before: float, received: bytes = b"") -> Streamed:
    """Read one chunked message to its end; ``before`` is when it was asked for. Raises ConnectionError if it is cut."""
    first: float | None = None
    head, _, tail = received.partition(b"\r\n\r\n")
    while True:
        if first is None and (found := received.partition(b"\r\n\r\n"))[2]:
            first, (head, _, tail) = time.perf_counter(), found
        if first is not None and tail.endswith(_END):
            break
        piece = connection.recv(1 << 18)
        if not piece:
            raise ConnectionError(f"the stream was cut: {head!r}")
        if first is None:
            received += piece
        else:
            tail = (tail + piece)[-len(_END) :]
    return Streamed((first - before) * 1e3, (time.perf_counter() - before) * 1e3)


class BareStream:
    """One process that has asked for its event."""

    def __init__(self, task_root: Path, bootstrap: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._process = subprocess.Popen(
            [machine.node(), str(bootstrap)],
            env={**variables(address, task_root), "_HANDLER": "stream.handler"},
            cwd=task_root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._connections: list[socket.socket] = []
        self._waiting, _ = self._request(b"GET ")

    def _request(self, method: bytes) -> tuple[socket.socket, bytes]:
        """The connection on which the next request begins, of which so much has been read."""
        while True:
            ready, _, _ = select.select([self._listener, *self._connections], [], [], SECONDS)
            if not ready:
                raise ConnectionError("the bare Node.js asks for nothing")
            for each in ready:
                if each is self._listener:
                    connection, _ = self._listener.accept()
                    connection.settimeout(SECONDS)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._connections.append(connection)
                    continue
                data = each.recv(1 << 18)
                if data:
                    assert data.startswith(method), data[:80]
                    return each, data
                self._connections.remove(each)
                each.close()

    def stream(self, size: int) -> Streamed:
        """One invocation that streams ``size`` bytes."""
        event = json.dumps({"bytes": size}).encode()
        before = time.perf_counter()
        self._waiting.sendall(_EVENT % (len(event), event))
        connection, received = self._request(b"POST ")
        found = drain(connection, before, received)
        connection.sendall(_ACCEPTED)
        self._waiting, _ = self._request(b"GET ")
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for each in (*self._connections, self._listener):
            each.close()


@contextlib.contextmanager
def bare_stream(task_root: Path, bootstrap: Path) -> Generator[BareStream]:
    """A bare Node.js that is gone afterwards."""
    started = BareStream(task_root, bootstrap)
    try:
        yield started
    finally:
        started.close()
