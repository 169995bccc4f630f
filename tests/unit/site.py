"""A whole AWS endpoint over the bytes of a connection, down to fake runtimes: what the tests of ``http`` stand on."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.eventstream import EventStreamBuffer
from unit.world import World, in_world

from midge.api.invocations import Invocations
from midge.api.url_directory import UrlDirectory
from midge.auth.scope import Scopes
from midge.auth.sigv4 import Verifier
from midge.http.connection import AwsEndpoint
from midge.http.function_urls import UrlAccess
from midge.http.hosts import HostRules
from midge.http.internal import InternalPages
from midge.http.listener import Answerers, Listener
from midge.http.ports import Scope
from midge.http.routes import Routes
from midge.invoke.recursion import RecursiveLoops
from midge.model.errors import ServiceError
from midge.model.functions import FunctionId, FunctionVersion
from midge.model.limits import Limits
from midge.queue.port import AsyncEvent
from midge.sandbox.fake import FakeSandbox
from midge.store.memory import MemoryStore
from midge.wire.messages import Request, Response

INVOKE = "/2015-03-31/functions/work/invocations"
SIGNED = (
    "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261123/{region}/{service}/aws4_request, "
    "SignedHeaders=host, Signature=" + "0" * 64
)


class Transport(asyncio.Transport):
    """The client's view: what has been written to it, and whether it may send."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.aborted = self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Relayed:
    """A request on its way to another service; notes what happens to it."""

    def __init__(self, head: bytes, transport: asyncio.Transport, done: Callable[[bool], None]) -> None:
        self.head = head
        self.transport = transport
        self.done = done
        self.body = b""
        self.heard: list[str] = []

    def feed(self, data: bytes) -> None:
        self.body += data

    def finish(self) -> None:
        self.heard.append("finish")

    def abort(self) -> None:
        self.heard.append("abort")

    def pause_writing(self) -> None:
        self.heard.append("pause")

    def resume_writing(self) -> None:
        self.heard.append("resume")


class FakeRelay:
    def __init__(self) -> None:
        self.requests: list[Relayed] = []

    def open(self, head: bytes, client_transport: asyncio.Transport, done: Callable[[bool], None]) -> Relayed:
        self.requests.append(Relayed(head, client_transport, done))
        return self.requests[-1]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def document(self) -> dict[str, str]:
        return json.loads(self.body)


def parse(written: bytes) -> list[Answer]:
    """Every answer in ``written``; fails the test if the last one is not whole."""
    answers: list[Answer] = []
    while written:
        head, found, rest = written.partition(b"\r\n\r\n")
        assert found
        first, *lines = head.decode().split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
        size = int(headers.get("content-length", "0"))
        assert len(rest) >= size
        answers.append(Answer(int(first.split(" ")[1]), headers, rest[:size]))
        written = rest[size:]
    return answers


def request(target: str = INVOKE, body: bytes = b"{}", *headers: str, method: str = "POST") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *headers, f"Content-Length: {len(body)}"]
    if not any(line.lower().startswith("host:") for line in headers):
        lines.insert(1, "Host: 127.0.0.1:4566")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Site:
    """A listener in a world, with one connection."""

    def __init__(self, world: World, hosts: HostRules | None = None) -> None:
        self.world = world
        self.seen: list[tuple[Request, Scope | None]] = []
        self.stored: dict[FunctionId, list[FunctionVersion]] = {}
        self.relay = FakeRelay()
        self.accepted: list[AsyncEvent] = []
        self.looping: set[FunctionId] = set()
        self.store = MemoryStore()
        self.urls = UrlDirectory(self.store, world.limits)
        self.listener = Listener(
            Answerers(
                invocations=Invocations(
                    world.router,
                    world.limits,
                    self.load,
                    world.platform.tasks,
                    accept=self.accept,
                    loops=RecursiveLoops(world.limits.recursive_invocations, self.loops_allowed, world.metrics),
                    clock=world.clock,
                ),
                api=self.api,
                internal=InternalPages(world.metrics, self.health, {}),
                routes=Routes("123456789012", "eu-west-1"),
                function_urls=UrlAccess(directory=self.urls, verify=Verifier(world.credentials.secret_of).verify),
                scope=Scopes().of_header,
                render_error=self.render_error,
                ids=world.ids,
                clock=world.clock,
                limits=world.limits,
                relay=self.relay,
                rewrite_head=lambda method, target, headers: method + b" " + target,
                hosts=hosts or HostRules(),
            )
        )
        self.protocols = self.listener.protocols(world.limits.connections)
        self.connection, self.transport = self.connect()

    async def accept(self, event: AsyncEvent) -> None:
        self.accepted.append(event)

    def connect(self, factory: Callable[[], AwsEndpoint] | None = None) -> tuple[AwsEndpoint, Transport]:
        connection, transport = (factory or self.protocols)(), Transport()
        connection.connection_made(transport)
        return connection, transport

    async def health(self) -> dict[str, str]:
        return {"status": "ok"}

    async def loops_allowed(self, function: FunctionId) -> bool:
        return function in self.looping

    async def load(self, function: FunctionId, qualifier: str | None) -> None:
        """Nothing is stored but what the test lays down here."""
        if qualifier == "broken":
            raise RuntimeError("a mistake in loading")
        for version in self.stored.pop(function, []):
            self.world.router.put_version(version, self.world.root)

    async def api(self, request: Request, scope: Scope | None) -> Response:
        self.seen.append((request, scope))
        if request.path.endswith("/broken"):
            raise RuntimeError("a mistake in an operation")
        return Response(headers={"X-Seen": "line\r\nInjected: yes"}, body=request.body)

    @staticmethod
    def render_error(error: ServiceError) -> Response:
        status = {"ResourceNotFoundException": 404, "TooManyRequestsException": 429, "RequestTooLargeException": 413}
        body = json.dumps({"message": error.message}).encode()
        return Response(status=status.get(error.code, 400), headers={"x-amzn-ErrorType": error.code}, body=body)

    def send(self, data: bytes) -> None:
        self.connection.data_received(data)

    async def ask(self, data: bytes) -> Answer:
        """Send a request on the connection and return its one answer."""
        self.transport.written = b""
        self.send(data)
        await self.world.settle()
        (answer,) = parse(self.transport.written)
        return answer


def on_site(
    data: Path,
    scenario: Callable[[Site], Awaitable[None]],
    sandbox: FakeSandbox | None = None,
    limits: Limits | None = None,
    hosts: HostRules | None = None,
) -> None:
    async def inside(world: World) -> None:
        world.put()
        site = Site(world, hosts)
        await scenario(site)
        await site.listener.close()

    in_world(data, inside, sandbox, limits)


@dataclass
class Seen:
    """What has come of one answer so far."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    """Its last chunk is there."""

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Kind and payload of every event."""
        buffer = EventStreamBuffer()
        buffer.add_data(self.body)
        found = [(event.headers[":event-type"], event.payload) for event in buffer]
        return [(kind, json.loads(payload) if kind == "InvokeComplete" else payload) for kind, payload in found]


def seen(site: Site) -> Seen:
    """The answer on the site's connection, with its chunks put together."""
    head, _, rest = site.transport.written.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
    if "transfer-encoding" not in headers:
        return Seen(
            int(first.split(" ")[1]), headers, rest, whole=len(rest) == int(headers.get("content-length", "-1"))
        )
    body = b""
    while rest and not rest.startswith(b"0\r\n\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return Seen(int(first.split(" ")[1]), headers, body, whole=rest == b"0\r\n\r\n")
