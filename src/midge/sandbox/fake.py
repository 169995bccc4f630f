"""The Sandbox port without processes: runtimes that a test plays, speaking the real Runtime API in memory.

A ``FakeRuntime`` sends the bytes that a runtime client would send and takes apart the bytes that come back. What it
does is decided by callbacks or by the test itself. Everything passes through the event loop, so that nothing happens
inside a call that a real socket would have put between two.
"""

import asyncio
import base64
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httptools

from midge.sandbox.fake_extension import FakeExtension, MemoryTransport, OnExtensionEvent, Reply, ignore_event
from midge.sandbox.port import ProcessExit, SandboxError, Snapshot, SnapshotError, StartRequest

_PATH = "/2018-06-01/runtime"


@dataclass(frozen=True, slots=True)
class Event:
    """An invocation as the runtime sees it; header names are in lower case."""

    request_id: str
    headers: Mapping[str, str]
    payload: bytes


class FakeRuntime:
    """One environment: a runtime's side of the Runtime API, and the sandbox's side of the port."""

    def __init__(
        self, request: StartRequest, on_event: "Callable[[FakeRuntime, Event], None]", *, ends_when_killed: bool = True
    ) -> None:
        self.request = request
        self.events: list[Event] = []
        self.replies: list[tuple[int, bytes]] = []
        """Status and body of every reply that was not an event."""
        self.killed = False
        self.frozen = False
        self.cpu_held = False
        self.ended = False
        self.started = False
        """Whether the runtime itself has been let go."""
        self.runtime_ended = False
        self.signals: list[int] = []
        """Those that the runtime was sent."""
        self.extensions: list[FakeExtension] = []
        self.on_started: Callable[[], None] = lambda: None
        self.memory_bytes: int | None = 34 * 1024 * 1024
        self._on_event = on_event
        self._ends_when_killed = ends_when_killed
        self._undrained = b""
        self._connection: asyncio.Protocol | None = None
        self._transport: MemoryTransport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply = Reply()

    # what a runtime does

    def send(self, data: bytes) -> None:
        """Send bytes as they are, over the connection that is open or a new one."""
        connection = self._connection
        if connection is None:
            connection = self._connection = self.request.runtime_api()
            self._transport = MemoryTransport(self._receive, self.disconnect)
            self._parser = httptools.HttpResponseParser(self)
            connection.connection_made(self._transport)
        connection.data_received(data)

    def next(self) -> None:
        """Ask for an event."""
        self.send(_request("GET", f"{_PATH}/invocation/next"))

    def restore_next(self) -> None:
        """Ask for the end of the restoration."""
        self.send(_request("GET", f"{_PATH}/restore/next"))

    def respond(self, payload: bytes, *, request_id: str | None = None, then_next: bool = False) -> None:
        """Answer the event received last; ``then_next`` asks for another in the same segment."""
        request_id = request_id or self.events[-1].request_id
        following = _request("GET", f"{_PATH}/invocation/next") if then_next else b""
        self.send(_request("POST", f"{_PATH}/invocation/{request_id}/response", payload) + following)

    def stream(self, *parts: bytes, content_type: str = "application/octet-stream") -> None:
        """Begin to answer the event received last part by part."""
        head = f"POST {_PATH}/invocation/{self.events[-1].request_id}/response HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n"
        head += f"Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: {content_type}\r\n"
        self.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        self.stream_on(*parts)

    def stream_on(self, *parts: bytes) -> None:
        """Send further parts, none of them empty."""
        for part in parts:
            self.send(b"%x\r\n%b\r\n" % (len(part), part))

    def end_stream(self, error_type: str = "", payload: bytes = b"", *, then_next: bool = False) -> None:
        """End the answer, with an error in the trailers if one is given."""
        trailers = ""
        if error_type:
            document = base64.b64encode(payload).decode()
            trailers = f"Lambda-Runtime-Function-Error-Type: {error_type}\r\n"
            trailers += f"Lambda-Runtime-Function-Error-Body: {document}\r\n"
        following = _request("GET", f"{_PATH}/invocation/next") if then_next else b""
        self.send(f"0\r\n{trailers}\r\n".encode() + following)

    @property
    def held_back(self) -> bool:
        """Whether the platform lets it wait with what it sends."""
        return self._transport is not None and self._transport.paused

    def fail(self, error_type: str, payload: bytes) -> None:
        """Answer the event received last with an error."""
        path = f"{_PATH}/invocation/{self.events[-1].request_id}/error"
        self.send(_request("POST", path, payload, error_type))

    def fail_init(self, error_type: str, payload: bytes) -> None:
        """Report that initialisation failed."""
        self.send(_request("POST", f"{_PATH}/init/error", payload, error_type))

    def disconnect(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.connection_lost(None)

    def write_output(self, data: bytes) -> None:
        """Write to stdout; the platform reads it at once."""
        if not self.ended:
            self.request.on_output(data)

    def hold_output(self, data: bytes) -> None:
        """Write to stdout; the platform reads it only when it drains."""
        self._undrained += data

    def exit_runtime(self, code: int = 0, signal: int | None = None, *, out_of_memory: bool = False) -> None:
        """End the runtime's process beside extensions that go on."""
        assert self.request.extensions is not None
        if not self.runtime_ended:
            self.runtime_ended = True
            end = ProcessExit(code=code, signal=signal, out_of_memory=out_of_memory)
            self.request.extensions.on_runtime_ended(end)
            self.disconnect()

    def exit(self, code: int = 0, signal: int | None = None, *, out_of_memory: bool = False) -> None:
        """End all of it."""
        if self.ended:
            return
        self.drain_output()
        self.ended = True
        for extension in self.extensions:
            extension.ended = True
        self.request.on_exit(ProcessExit(code=code, signal=signal, out_of_memory=out_of_memory))
        self.disconnect()

    # the port

    def drain_output(self) -> None:
        data, self._undrained = self._undrained, b""
        if data:
            self.write_output(data)

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False

    def hold_cpu(self) -> None:
        self.cpu_held = True

    def release_cpu(self) -> None:
        self.cpu_held = False

    def kill(self) -> None:
        self.killed = True
        if not self.ended and self._ends_when_killed:
            asyncio.get_running_loop().call_soon(self.exit, 0, 9)

    def start_runtime(self) -> None:
        if not self.started:
            self.started = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        if not self.ended:
            self.on_started()

    def signal_runtime(self, number: int) -> None:
        self.signals.append(number)
        if number == SIGKILL:
            asyncio.get_running_loop().call_soon(self.exit_runtime, 0, SIGKILL)

    async def open_socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        return made

    async def make_snapshot(self, port: int) -> Snapshot:
        del port
        if not self.request.for_snapshot:
            raise SnapshotError("it was not started for this")
        self.request = replace(self.request, on_output=_hear_nothing, on_exit=_hear_nothing)
        return FakeSnapshot(self)

    def memory_peak_bytes(self) -> int | None:
        return self.memory_bytes

    # httptools

    def on_message_begin(self) -> None:
        self._reply = Reply()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._reply.body += body

    def on_message_complete(self) -> None:
        reply, status = self._reply, self._parser.get_status_code()
        if status != 200 or "lambda-runtime-aws-request-id" not in reply.headers:
            self.replies.append((status, reply.body))
            return
        assert not self.frozen, "a frozen environment was given an event"
        event = Event(reply.headers["lambda-runtime-aws-request-id"], reply.headers, reply.body)
        self.events.append(event)
        self._on_event(self, event)

    def _receive(self, data: bytes) -> None:
        if not self.ended and self._connection is not None:
            self._parser.feed_data(data)


def _hear_nothing(what: object) -> None:
    del what


class FakeSnapshot:
    """Of ``source``, which ends with it."""

    def __init__(self, source: FakeRuntime) -> None:
        self.source = source

    @property
    def usable(self) -> bool:
        return not self.source.ended

    async def end(self) -> None:
        self.source.exit(0, 9)


def _request(method: str, path: str, body: bytes = b"", error_type: str | None = None) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n"
    if error_type is not None:
        head += f"Lambda-Runtime-Function-Error-Type: {error_type}\r\n"
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def ask_at_once(runtime: FakeRuntime) -> None:
    """A runtime that initialises at once."""
    runtime.next()


def echo(runtime: FakeRuntime, event: Event) -> None:
    """A function that returns its event."""
    runtime.respond(event.payload, then_next=True)


def do_nothing(runtime: FakeRuntime, event: Event) -> None:
    """A function that never ends by itself."""
    del runtime, event


class FakeSandbox:
    """Starts fake runtimes. ``on_start`` and ``on_event`` are what they do by themselves."""

    def __init__(
        self,
        on_event: Callable[[FakeRuntime, Event], None] = echo,
        on_start: Callable[[FakeRuntime], None] = ask_at_once,
    ) -> None:
        self.on_event = on_event
        self.on_start = on_start
        self.runtimes: list[FakeRuntime] = []
        """Every environment ever started, in order."""
        self.refuses = False
        """While true, no environment can be started."""
        self.ends_when_killed = True
        """While false, a killed process goes on until the test ends it, as one that the kernel is slow to end."""
        self.on_extension_start: Callable[[FakeExtension], None] = FakeExtension.register
        self.on_extension_event: OnExtensionEvent = ignore_event
        """What an external extension does when it is started, and with an event."""

    def running(self) -> list[FakeRuntime]:
        """The environments that have not ended."""
        return [runtime for runtime in self.runtimes if not runtime.ended]

    async def start(self, request: StartRequest) -> FakeRuntime:
        if self.refuses:
            raise SandboxError("the fake sandbox was told to refuse")
        runtime = FakeRuntime(request, self._event, ends_when_killed=self.ends_when_killed)
        runtime.on_started = lambda: self.on_start(runtime)
        names = request.extensions.names if request.extensions is not None else ()
        runtime.extensions = [FakeExtension(request, name, self._extension_event) for name in names]
        self.runtimes.append(runtime)
        if request.extensions is None:
            runtime.start_runtime()
        else:
            asyncio.get_running_loop().call_soon(self._begin, runtime)
        return runtime

    def _begin(self, runtime: FakeRuntime) -> None:
        for extension in runtime.extensions:
            if not runtime.ended:
                self.on_extension_start(extension)

    def _event(self, runtime: FakeRuntime, event: Event) -> None:
        self.on_event(runtime, event)

    def _extension_event(self, extension: FakeExtension, event: dict[str, Any]) -> None:
        self.on_extension_event(extension, event)

    async def expect(self, runtime: str, task_root: Path) -> None:
        del runtime, task_root

    async def close(self) -> None:
        for runtime in self.running():
            runtime.exit(0, 9)
