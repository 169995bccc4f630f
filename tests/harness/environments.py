"""Drives execution environments in a real sandbox as midge does, one request at a time.

A ``Workshop`` owns an event loop and a sandbox; ``open_environment`` starts a function in it and returns a ``Driven``
environment, whose Runtime API is a script: it hands out what ``invoke`` is given and keeps what comes back.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import httptools
import uvloop
from harness.toolchains import places as find_places

from midge.clock import SystemClock
from midge.model.limits import Limits
from midge.observe.log_frames import unframed
from midge.runtimes.catalogue import Catalogue, discover, node_modules_directory
from midge.runtimes.places import Places
from midge.sandbox.cgroups.discovery import open_cgroups
from midge.sandbox.cgroups.port import Cgroups, unique_name
from midge.sandbox.namespaces import NamespaceSandbox
from midge.sandbox.port import (
    ExtensionProcesses,
    ProcessExit,
    RootImage,
    Sandbox,
    SandboxedEnvironment,
    Snapshot,
    StartRequest,
)
from midge.sandbox.process import ProcessSandbox

T = TypeVar("T")
PATIENCE_SECONDS = 60.0
ENDPOINT_PORT = 4566
FOUND = find_places()
KEPT_OUTPUT_BYTES = 1 << 20
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'

RESTORED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class Call:
    """One request of a runtime's; header names are in lower case."""

    method: str = ""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def kind(self) -> str:
        """The last part of the path: next, response, error."""
        return self.path.rsplit("/", 1)[-1]

    def json(self) -> Any:
        return json.loads(self.body)


class Script(Protocol):
    """Decides what a runtime's requests are answered with; knows the connections, to end them."""

    connections: "set[ScriptedApi]"

    def on_call(self, api: "ScriptedApi", call: Call) -> None: ...


class ScriptedApi(asyncio.Protocol):
    """The Runtime API of one environment, over one of its connections."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._parser = httptools.HttpRequestParser(self)
        self._call = Call()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._script.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._script.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._call = Call()

    def on_url(self, url: bytes) -> None:
        self._call.path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._call.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._call.body += body

    def on_message_complete(self) -> None:
        self._call.method = self._parser.get_method().decode()
        self._script.on_call(self, self._call)


def hang_up(script: Script) -> None:
    """End every connection of a runtime that is gone."""
    for api in list(script.connections):
        api.transport.abort()


class Driven:
    """An environment and the script of its Runtime API."""

    def __init__(self) -> None:
        self.handle: SandboxedEnvironment | None = None
        self.output = b""
        self.output_bytes = 0
        self.exits: list[ProcessExit] = []
        self.extensions_output = b""
        self.told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        """What the sandbox says of processes beside which others go on: an extension's name, or "runtime"."""
        self.connections: set[ScriptedApi] = set()
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.restored = False
        """It is restored from a snapshot: GET /restore/next is answered."""
        self.restorable = asyncio.Event()
        self.restore_nexts = 0
        self.waiting_port = 0
        """Of the connection on which GET /restore/next hangs."""
        self._hanging: ScriptedApi | None = None
        self._events: deque[bytes] = deque()
        self._answers: asyncio.Queue[Call] = asyncio.Queue()
        self._numbers = 0

    # the sandbox's side

    def on_output(self, data: bytes) -> None:
        assert not self.exits, "output after the end"
        self.output_bytes += len(data)
        if self.output_bytes <= KEPT_OUTPUT_BYTES:
            self.output += data

    def on_exit(self, end: ProcessExit) -> None:
        self.exits.append(end)
        self.ended.set()
        hang_up(self)

    def processes(self, names: tuple[str, ...], environment: Mapping[str, str]) -> ExtensionProcesses | None:
        """External extensions of these names."""

        def on_output(data: bytes) -> None:
            self.extensions_output += data

        def on_runtime_ended(end: ProcessExit) -> None:
            self.told.put_nowait(("runtime", end))
            self.ready.clear()

        def tell(name: str, what: ProcessExit | int) -> None:
            self.told.put_nowait((name, what))

        if not names:
            return None
        return ExtensionProcesses(
            names=names,
            environment=environment,
            on_output=on_output,
            on_launch_failed=tell,
            on_ended=tell,
            on_runtime_ended=on_runtime_ended,
        )

    def runtime_api(self) -> ScriptedApi:
        return ScriptedApi(self)

    def on_call(self, api: ScriptedApi, call: Call) -> None:
        if call.path.endswith("/restore/next"):
            self._on_restore_next(api)
        elif call.kind == "next":
            self._hanging = api
            self.ready.set()
            self._deliver()
        else:
            api.transport.write(ACCEPTED)
            self._answers.put_nowait(call)

    def _on_restore_next(self, api: ScriptedApi) -> None:
        self.restore_nexts += 1
        if self.restored:
            api.transport.write(RESTORED)
        else:
            self.waiting_port = api.transport.get_extra_info("peername")[1]
            self.restorable.set()

    def _deliver(self) -> None:
        if self._hanging is None or not self._events:
            return
        api, self._hanging = self._hanging, None
        self.ready.clear()
        body = self._events.popleft()
        self._numbers += 1
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-{self._numbers:012}\r\n"
            "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:example\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        api.transport.write(head.encode() + body)

    # the test's side

    async def until_ready(self) -> None:
        """Wait for GET /next; fails with the environment's output if it ends instead."""
        await self._either(self.ready.wait())

    async def until_restorable(self) -> None:
        """Wait for GET /restore/next."""
        await self._either(self.restorable.wait())

    async def give(self, event: Any) -> None:
        """Send ``event``, now or as soon as the runtime asks."""
        self._events.append(json.dumps(event).encode())
        self._deliver()

    async def answer(self, event: Any = None) -> Call:
        """Send ``event`` and return what the runtime posts."""
        await self.give(event)
        return await self._either(self._answers.get())

    async def invoke(self, event: Any = None) -> Any:
        """The handler's result; AssertionError if it failed."""
        call = await self.answer(event)
        assert call.kind == "response", call.body.decode()
        return call.json()

    async def post(self) -> Call:
        """What the runtime posts without having been given an event."""
        return await self._either(self._answers.get())

    async def end(self) -> ProcessExit:
        """Wait for the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.ended.wait()
        return self.exits[0]

    @property
    def environment(self) -> SandboxedEnvironment:
        assert self.handle is not None
        return self.handle

    @property
    def text(self) -> str:
        """The output so far, log messages without their frames."""
        if not self.exits:
            self.environment.drain_output()
        return unframed(self.output).decode("utf-8", "replace")

    async def _either(self, wanted: Coroutine[Any, Any, T]) -> T:
        """``wanted``, unless the environment ends first."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(wanted)
                end = group.create_task(self.ended.wait())
                await asyncio.wait([task, end], return_when=asyncio.FIRST_COMPLETED)
                done = task.done()
                task.cancel()
                end.cancel()
        if not done:
            raise AssertionError(f"it ended: {self.exits}\n{self.output.decode('utf-8', 'replace')}")
        return task.result()


def variables(handler: str, memory_size_mb: int = 128, **more: str) -> dict[str, str]:
    """What midge itself would set."""
    return {
        "_HANDLER": handler,
        "AWS_LAMBDA_FUNCTION_NAME": "example",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_size_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/example",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_REGION": "us-east-1",
        "TZ": ":UTC",
        **more,
    }


def write_package(directory: Path, files: Mapping[str, str | bytes], executable: tuple[str, ...] = ()) -> Path:
    """A function's package as midge unpacks it: read by everybody, written by nobody else."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    directory.chmod(0o755)
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o755 if name in executable else 0o644)
    return directory


class Snapshotted:
    """A snapshot, and ways to restore environments from it. ``source`` is what it was made of."""

    def __init__(self, sandbox: Sandbox, request: StartRequest, snapshot: Snapshot, source: Driven) -> None:
        self._sandbox = sandbox
        self._request = request
        self.snapshot = snapshot
        self.source = source

    @contextlib.asynccontextmanager
    async def restore(self) -> AsyncGenerator[Driven]:
        """An environment restored from it, killed afterwards."""
        driven = Driven()
        driven.restored = True
        driven.handle = await self._sandbox.start(
            replace(
                self._request,
                runtime_api=driven.runtime_api,
                on_output=driven.on_output,
                on_exit=driven.on_exit,
                for_snapshot=False,
                snapshot=self.snapshot,
            )
        )
        try:
            yield driven
        finally:
            driven.handle.kill()
            await driven.end()


class Workshop:
    """A sandbox, the loop it lives in, and ways to run functions in it."""

    def __init__(self, make: Callable[[], Sandbox]) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.sandbox = self.run(self._make(make))

    @staticmethod
    async def _make(make: Callable[[], Sandbox]) -> Sandbox:
        return make()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end; no test waits for ever."""
        return self._runner.run(asyncio.wait_for(work, 2 * PATIENCE_SECONDS))

    @contextlib.asynccontextmanager
    async def open_environment(
        self,
        package: Path,
        runtime: str = "python3.11",
        handler: str = "app.handler",
        memory_size_mb: int = 128,
        ephemeral_storage_mb: int = 512,
        layers: Path | None = None,
        image: RootImage | None = None,
        extensions: tuple[str, ...] = (),
        **more: str,
    ) -> AsyncGenerator[Driven]:
        """A started environment, killed afterwards."""
        driven = Driven()
        driven.handle = await self.sandbox.start(
            StartRequest(
                runtime=runtime,
                handler=handler,
                task_root=package,
                layers_root=layers,
                image=image,
                environment=variables(handler, memory_size_mb, **more),
                memory_size_mb=memory_size_mb,
                ephemeral_storage_mb=ephemeral_storage_mb,
                runtime_api=driven.runtime_api,
                on_output=driven.on_output,
                on_exit=driven.on_exit,
                extensions=driven.processes(extensions, {"MINE": "1"}),
            )
        )
        try:
            yield driven
        finally:
            driven.handle.kill()
            await driven.end()

    @contextlib.asynccontextmanager
    async def snapshot(
        self,
        package: Path,
        runtime: str = "python3.13",
        handler: str = "app.handler",
        memory_size_mb: int = 128,
        **more: str,
    ) -> AsyncGenerator["Snapshotted"]:
        """An initialised function of which there is a snapshot, ended afterwards. Raises SnapshotError."""
        driven = Driven()
        request = StartRequest(
            runtime=runtime,
            handler=handler,
            task_root=package,
            environment=variables(handler, memory_size_mb, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", **more),
            memory_size_mb=memory_size_mb,
            ephemeral_storage_mb=512,
            runtime_api=driven.runtime_api,
            on_output=driven.on_output,
            on_exit=driven.on_exit,
            for_snapshot=True,
        )
        driven.handle = await self.sandbox.start(request)
        try:
            await driven.until_restorable()
            made = await driven.handle.make_snapshot(driven.waiting_port)
        except BaseException:
            driven.handle.kill()
            raise
        try:
            yield Snapshotted(self.sandbox, request, made, driven)
        finally:
            await made.end()

    def invoke(self, package: Path, event: Any = None, **settings: Any) -> Any:
        """One invocation in an environment of its own: the handler's result."""

        async def work() -> Any:
            async with self.open_environment(package, **settings) as driven:
                return await driven.invoke(event)

        return self.run(work())

    def close(self) -> None:
        self.run(self.sandbox.close())
        self.run(asyncio.sleep(0))  # for connections to notice
        self._runner.close()


def catalogue(preload: tuple[str, ...] = (), *, stock_transport: bool = False, places: Places = FOUND) -> Catalogue:
    """What this machine can run."""
    return discover(
        python_preload=preload,
        python_stock_transport=stock_transport,
        node_modules=node_modules_directory(),
        places=places,
    )


def namespace_sandbox(
    cgroups: Cgroups | None = None,
    preload: tuple[str, ...] = (),
    endpoint: Callable[[], asyncio.Protocol] = asyncio.Protocol,
    *,
    programs: Catalogue | None = None,
) -> NamespaceSandbox:
    """The sandbox as midge makes it; call it in the loop."""
    limits = Limits(stems_per_runtime=1, forked_stems_per_runtime=1, stems_after_burst=1, cells_per_runtime=2)
    return NamespaceSandbox(
        programs=programs or catalogue(preload),
        endpoint=lambda: endpoint,
        endpoint_port=ENDPOINT_PORT,
        cgroups=cgroups or open_cgroups(unique_name(), limits.processes_per_environment),
        clock=SystemClock(),
        limits=limits,
    )


def process_sandbox() -> ProcessSandbox:
    """The one that does not isolate."""
    return ProcessSandbox(programs=catalogue(), endpoint_url=f"http://127.0.0.1:{ENDPOINT_PORT}", limits=Limits())


@contextlib.contextmanager
def workshop(make: Callable[[], Sandbox]) -> Generator[Workshop]:
    """A workshop, closed afterwards."""
    shop = Workshop(make)
    try:
        yield shop
    finally:
        shop.close()
