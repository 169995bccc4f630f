"""A whole data plane on virtual time with fake runtimes: what the tests of ``invoke`` and ``http`` stand on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from midge.auth.credentials import Credentials
from midge.clock import VirtualClock
from midge.invoke.concurrency import ConcurrencyBook
from midge.invoke.invocation import Invocation, Target
from midge.invoke.keep_alive import keep_alive_rule
from midge.invoke.outcome import Outcome
from midge.invoke.platform import Platform
from midge.invoke.pools import EnvironmentPools
from midge.invoke.request_ids import RequestIds
from midge.invoke.room import MemoryRoom
from midge.invoke.router import Router
from midge.invoke.snapshots import Snapshots
from midge.invoke.watch import Watch
from midge.log_store.files import LogFiles
from midge.log_store.reading import EventRange, LogReader
from midge.model.errors import ServiceError
from midge.model.functions import Code, FunctionId, FunctionVersion, Logging
from midge.model.limits import Limits
from midge.model.logs import LogGroupId
from midge.observe.log_records import LogStyle
from midge.observe.logs import LogStream, LogWriter
from midge.observe.metrics import Metrics
from midge.observe.telemetry_buffer import TelemetryBudget
from midge.sandbox.fake import FakeRuntime, FakeSandbox
from midge.tasks import TaskOwner

FUNCTION = FunctionId(account="123456789012", region="eu-west-1", name="work")
VERSION = FunctionVersion(
    function=FUNCTION,
    version="$LATEST",
    runtime="python3.11",
    handler="app.handler",
    role="arn:aws:iam::123456789012:role/r",
    code=Code(digest="ab" * 32, sha256="q6s=", size_bytes=1),
    logging=Logging(group="/aws/lambda/work"),
    revision_id="1",
    last_modified="2026-11-23T19:00:00.000+0000",
    state="Active",
)


class Call:
    """One invocation, as its caller sees it."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.results: list[Outcome | ServiceError] = []

    @property
    def ended(self) -> bool:
        return bool(self.results)

    @property
    def outcome(self) -> Outcome:
        """Its outcome; fails the test unless there is exactly one."""
        (result,) = self.results
        assert isinstance(result, Outcome)
        return result

    @property
    def error(self) -> ServiceError:
        """The platform's refusal; fails the test unless there is exactly one."""
        (result,) = self.results
        assert isinstance(result, ServiceError)
        return result


class OrderedLogs(LogWriter):
    """Remembers in which order streams were made: on a clock that stands still several are made at one time."""

    def __init__(self, files: LogFiles, clock: VirtualClock, limits: Limits) -> None:
        super().__init__(files, clock, limits)
        self.names: list[str] = []

    def open(self, group: LogGroupId, name: str, style: LogStyle) -> LogStream:
        self.names.append(name)
        return super().open(group, name, style)


class World:
    """Everything below the API, with one function version in it unless told otherwise."""

    def __init__(
        self,
        data: Path,
        sandbox: FakeSandbox | None = None,
        limits: Limits | None = None,
        keep_alive: str = "fixed",
    ) -> None:
        self.clock = VirtualClock()
        self.limits = limits or Limits()
        self.log_root = data / "logs"
        self.sandbox = sandbox or FakeSandbox()
        self.logs = OrderedLogs(LogFiles(self.log_root, self.limits), self.clock, self.limits)
        self.stream_names = self.logs.names
        self.metrics = Metrics(self.clock)
        self.ids = RequestIds()
        self.credentials = Credentials(b"k" * 32, {"AKID": "secret"})
        self.failures: list[BaseException] = []
        self.platform = Platform(
            snapshots=Snapshots(),
            sandbox=self.sandbox,
            clock=self.clock,
            limits=self.limits,
            logs=self.logs,
            metrics=self.metrics,
            concurrency=ConcurrencyBook(self.limits),
            memory=MemoryRoom(self.clock, self.limits, self.limits.functions_memory_mb),
            keep_alive=keep_alive_rule(keep_alive, self.limits),
            ids=self.ids,
            tasks=TaskOwner(self.failures.append),
            session_secret=self.credentials.session_secret,
            watch=Watch(self.clock, self.limits),
            telemetry_budget=TelemetryBudget(self.limits.telemetry_pending_bytes),
        )
        self.pools = EnvironmentPools(self.platform)
        self.random = 0.5
        self.router = Router(self.pools, lambda: self.random)
        self.root = data / "code"

    def put(self, layers_root: Path | None = None, **changes: Any) -> None:
        """Make a version known that differs from ``VERSION`` in ``changes``."""
        self.router.put_version(replace(VERSION, **changes), self.root, layers_root)

    def target(self, qualifier: str | None = None) -> Target:
        found = self.router.find(FUNCTION, qualifier)
        assert found is not None
        return found

    def call(
        self, payload: bytes = b"{}", *, tail: bool = False, target: Target | None = None, asynchronous: bool = False
    ) -> Call:
        """Invoke the function. Raises ServiceError for what is refused at once."""
        request_id = self.ids.request_id()
        call = Call(request_id.decode())
        target = target or self.target()
        trace = self.ids.trace_id(self.clock.now())
        target.pool.submit(
            Invocation(target, request_id, trace, payload, call.results.append, tail, asynchronous=asynchronous)
        )
        return call

    @property
    def runtime(self) -> FakeRuntime:
        """The environment started last."""
        return self.sandbox.runtimes[-1]

    async def settle(self, turns: int = 30) -> None:
        """Let everything happen that is due now, as far as it needs no more than so many turns of the event loop."""
        for _ in range(turns):
            await asyncio.sleep(0)

    async def advance(self, seconds: float, turns: int = 30) -> None:
        """Move time on and let happen what falls due."""
        self.clock.advance(seconds)
        await self.settle(turns)

    async def pass_time(self, seconds: float, turns: int = 30) -> None:
        """Move time on from one thing that falls due to the next, as it really passes: what follows from each happens
        before the next.
        """
        end = self.clock.monotonic() + seconds
        while (due := self.clock.due_in()) is not None and self.clock.monotonic() + due <= end:
            await self.advance(due, turns)
        await self.advance(max(0.0, end - self.clock.monotonic()))

    async def invoke(self, payload: bytes = b"{}", *, tail: bool = False) -> Outcome:
        """Invoke and wait for the outcome, as far as it needs no time."""
        call = self.call(payload, tail=tail)
        await self.settle()
        return call.outcome

    async def log(self) -> list[str]:
        """Every message in the function's log group, streams in the order of their making."""
        await self.logs.flush()
        function = VERSION.function
        group = LogGroupId(account=function.account, region=function.region, name=VERSION.logging.group)
        reader = LogReader(self.log_root, self.limits)
        streams = sorted(reader.streams(group), key=lambda stream: self.stream_names.index(stream.name))
        return [event.message for stream in streams for event in reader.events([stream], EventRange())]

    async def close_pools(self) -> None:
        """End every environment, as midge does when it closes."""
        closing = asyncio.ensure_future(self.pools.close())
        while not closing.done():  # extensions may have to be waited for
            await self.advance(0.05)
        await closing

    async def close(self) -> None:
        await self.close_pools()
        await self.logs.close()
        assert not self.failures, self.failures


def in_world(
    data: Path,
    scenario: Callable[[World], Awaitable[None]],
    sandbox: FakeSandbox | None = None,
    limits: Limits | None = None,
    keep_alive: str = "fixed",
) -> None:
    """Run ``scenario`` in a world of its own and close it."""

    async def main() -> None:
        world = World(data, sandbox, limits, keep_alive)
        try:
            await scenario(world)
        finally:
            await world.close()

    asyncio.run(main())
