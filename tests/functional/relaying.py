"""A listener that relays to a neighbour, in the test's own event loop, and a client that speaks plain HTTP to it."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from midge.auth.scope import Scopes
from midge.clock import SystemClock
from midge.http.listener import Answerers, Listener
from midge.http.relay import Relay, rewrite_head
from midge.http.routes import Routes
from midge.invoke.request_ids import RequestIds
from midge.model.limits import Limits
from midge.neighbours.port import Neighbour
from midge.wire.messages import Request, Response

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Scripted:
    """A neighbour whose every connection is served by ``script``; counts the connections."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._server: asyncio.Server | None = None
        self._port = 0
        self._changed = asyncio.Event()
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.failures: list[BaseException] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self._changed.set()
        self.most_open = max(self.open, self.most_open)
        try:
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()
        except BaseException as failure:
            self.failures.append(failure)
            raise
        finally:
            self.open -= 1
            self._changed.set()
            writer.close()

    async def opened(self, connections: int) -> None:
        """Wait until so many connections are open."""
        while self.open != connections:
            self._changed.clear()
            await self._changed.wait()

    async def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()


async def _no_api(request: Request, scope: object) -> Response:
    raise AssertionError(f"not for the Lambda API: {request.path} {scope}")


@contextlib.asynccontextmanager
async def listening(neighbour: Neighbour, limits: Limits | None = None) -> AsyncGenerator[int]:
    """The port of a listener that relays everything to ``neighbour``."""
    bounds = limits or Limits()
    relay = Relay(neighbour, bounds)
    nothing: Any = SimpleNamespace()
    listener = Listener(
        Answerers(
            invocations=nothing,
            api=_no_api,
            internal=nothing,
            routes=Routes("000000000000", "us-east-1"),
            function_urls=nothing,
            scope=Scopes().of_header,
            render_error=nothing,
            ids=RequestIds(),
            clock=SystemClock(),
            limits=bounds,
            relay=relay,
            rewrite_head=rewrite_head,
        )
    )
    try:
        yield await listener.listen("127.0.0.1", 0)
    finally:
        await listener.close()
        await relay.close()


@contextlib.asynccontextmanager
async def relaying(script: Script, limits: Limits | None = None) -> AsyncGenerator[tuple[int, Scripted]]:
    """A listener's port, and the scripted neighbour behind it. A script that failed fails the test."""
    neighbour = Scripted(script)
    await neighbour.start()
    try:
        async with listening(neighbour, limits) as port:
            yield port, neighbour
    finally:
        await neighbour.close()
    assert neighbour.failures == []


class Answer(SimpleNamespace):
    """``status``, ``headers`` by lower-case name, ``body``, ``interim``: the statuses that came before."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: list[int]


class Client:
    """One connection to the listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, port: int) -> AsyncGenerator["Client"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    def reset(self) -> None:
        """Go away without a goodbye, as a process that dies with unread data does."""
        stream = self.writer.get_extra_info("socket")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def ask(self, method: str, target: str = "/", *, body: bytes = b"", **headers: str) -> Answer:
        """A whole request and its whole answer."""
        self.send(method, target, body=body, **headers)
        return await self.answer(head_only=method == "HEAD")

    def send(self, method: str, target: str = "/", *, body: bytes = b"", **headers: str) -> None:
        """A request, with Content-Length if it has a body."""
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1:4566"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def answer(self, *, head_only: bool = False) -> Answer:
        """The next answer."""
        interim: list[int] = []
        while True:
            status, headers = await read_head(self.reader)
            if status >= 200:
                break
            interim.append(int(status))
        body = b"" if head_only or status in {204, 304} else await read_body(self.reader, headers)
        return Answer(status=status, headers=headers, body=body, interim=interim)


async def read_head(reader: asyncio.StreamReader) -> tuple[Any, dict[str, str]]:
    """The status (or, of a request, the first line) and the headers by lower-case name."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return (int(first.split(" ")[1]) if first.startswith("HTTP/") else first), headers


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str], *, request: bool = False) -> bytes:
    """The body that the headers announce."""
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding") == "chunked":
        parts: list[bytes] = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
        return b"".join(parts)
    return b"" if request else await reader.read()
