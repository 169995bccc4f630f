"""The pool under random histories with extensions: whatever they and their runtimes do, the invariants hold."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from unit.world import Call, World

from midge.invoke.lifecycle import EnvironmentState
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.sandbox.fake import FakeRuntime, FakeSandbox, do_nothing
from midge.sandbox.fake_extension import FakeExtension, ignore_event

LIMIT = 3
RUNTIME_ACTS = ["next", "respond", "respond+next", "fail", "exit", "exit runtime", "hang up", "init error"]
EXTENSION_ACTS = ["register", "next", "exit", "init error", "exit error", "hang up", "launch error"]


class Histories(RuleBasedStateMachine):
    """Calls, answers, crashes, time-outs, updates and the passing of time, beside two extensions."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.layers = Path(self.directory.name) / "layers"
        (self.layers / "extensions").mkdir(parents=True)
        for name in ("one", "two"):
            (self.layers / "extensions" / name).touch()
        self.loop = asyncio.new_event_loop()
        self.calls: list[Call] = []
        self.memory = 128
        self.world = self.loop.run_until_complete(self.begin())

    async def begin(self) -> World:
        sandbox = FakeSandbox(do_nothing, on_start=lambda runtime: None)
        sandbox.on_extension_start = lambda extension: None
        sandbox.on_extension_event = ignore_event
        world = World(Path(self.directory.name), sandbox, Limits(account_concurrency=LIMIT))
        world.put(layers_root=self.layers)
        return world

    def running(self) -> list[FakeRuntime]:
        return self.world.sandbox.running()

    @rule(payload=st.binary(max_size=4))
    def call(self, payload: bytes) -> None:
        async def step() -> None:
            before = self.world.platform.concurrency.total()
            try:
                self.calls.append(self.world.call(payload))
            except ServiceError:
                assert before == LIMIT
            await self.world.settle()

        self.loop.run_until_complete(step())

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def all_go_on(self, data: st.DataObject) -> None:
        """An environment does what it should: its extensions register and ask, its runtime asks and answers."""
        runtime = data.draw(st.sampled_from(self.running()))

        async def step() -> None:
            for extension in runtime.extensions:
                if not extension.identifier:
                    extension.register("INVOKE", "SHUTDOWN")
            await self.world.settle()
            if not runtime.events:
                runtime.next()
            elif not runtime.ended:
                runtime.respond(b"1", then_next=True)
            for extension in runtime.extensions:
                if not extension.ended:
                    extension.next()
            await self.world.settle()

        self.loop.run_until_complete(step())

    @precondition(lambda self: self.running())
    @rule(data=st.data(), act=st.sampled_from(RUNTIME_ACTS))
    def runtime_acts(self, data: st.DataObject, act: str) -> None:
        """Any running runtime does anything, sensible or not."""
        runtime = data.draw(st.sampled_from(self.running()))

        async def step() -> None:
            act_of_runtime(runtime, act)
            await self.world.settle()

        self.loop.run_until_complete(step())

    @precondition(lambda self: any(not e.ended for runtime in self.running() for e in runtime.extensions))
    @rule(data=st.data(), act=st.sampled_from(EXTENSION_ACTS))
    def extension_acts(self, data: st.DataObject, act: str) -> None:
        """Any running extension does anything, sensible or not."""
        alive = [extension for runtime in self.running() for extension in runtime.extensions if not extension.ended]
        extension = data.draw(st.sampled_from(alive))

        async def step() -> None:
            act_of_extension(extension, act)
            await self.world.settle()

        self.loop.run_until_complete(step())

    @rule(seconds=st.sampled_from([0.01, 0.03, 0.06, 0.4, 1.0, 2.1, 3.1, 13.5, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(self.world.advance(seconds))

    @rule()
    def update(self) -> None:
        async def step() -> None:
            self.memory += 1
            self.world.put(layers_root=self.layers, memory_size_mb=self.memory)
            await self.world.settle()

        self.loop.run_until_complete(step())

    @invariant()
    def every_call_ends_at_most_once(self) -> None:
        assert all(len(call.results) <= 1 for call in self.calls)

    @invariant()
    def what_is_counted_runs_waits_or_is_seen_off_by_extensions(self) -> None:
        open_calls = sum(not call.ended for call in self.calls)
        answered = sum(pool.states().count(EnvironmentState.ANSWERED) for pool in self.world.pools.pools())
        assert open_calls <= self.world.platform.concurrency.total() <= min(LIMIT, open_calls + answered)

    @invariant()
    def who_waits_is_waited_for(self) -> None:
        """For every waiting call an environment is on its way, or about to ask again."""
        for pool in self.world.pools.pools():
            states = pool.states()
            coming = states.count(EnvironmentState.INIT) + states.count(EnvironmentState.ANSWERED)
            assert pool.waiting <= coming
            assert not (pool.waiting and EnvironmentState.READY in states)

    def teardown(self) -> None:
        """In the end every call has ended exactly once and no environment is left."""

        async def end() -> None:
            await self.world.close()
            assert not self.world.pools.environments()

        self.loop.run_until_complete(end())
        assert all(len(call.results) == 1 for call in self.calls)
        assert self.world.platform.concurrency.total() == 0
        self.loop.close()
        self.directory.cleanup()


def act_of_runtime(runtime: FakeRuntime, act: str) -> None:
    """Let a runtime do one thing."""
    if runtime.runtime_ended:
        return
    if act == "next":
        runtime.next()
    elif act == "exit":
        runtime.exit(1)
    elif act == "exit runtime":
        runtime.exit_runtime(1)
    elif act == "hang up":
        runtime.disconnect()
    elif act == "init error":
        runtime.fail_init("Runtime.X", b"{}")
    elif runtime.events:
        if act == "fail":
            runtime.fail("X", b"{}")
        else:
            runtime.respond(b"1", then_next=act == "respond+next")


def act_of_extension(extension: FakeExtension, act: str) -> None:
    """Let an extension do one thing."""
    if act == "register":
        extension.register("INVOKE")
    elif act == "next":
        extension.next()
    elif act == "exit":
        extension.exit(1)
    elif act == "hang up":
        extension.disconnect()
    elif act == "launch error":
        extension.fail_launch(13)
    else:
        extension.report(act.partition(" ")[0], "X.Y")


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
