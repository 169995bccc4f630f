"""The pool under random histories: whatever runtimes and callers do, the invariants hold."""

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

LIMIT = 3


class Histories(RuleBasedStateMachine):
    """Calls, answers, crashes, time-outs, updates and the passing of time, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.calls: list[Call] = []
        self.throttled = 0
        self.memory = 128
        self.served: dict[FakeRuntime, int] = {}
        self.world = self.loop.run_until_complete(self.begin())

    limits = Limits(account_concurrency=LIMIT)

    async def begin(self) -> World:
        sandbox = FakeSandbox(do_nothing, on_start=lambda runtime: None)
        sandbox.ends_when_killed = False
        world = World(Path(self.directory.name), sandbox, self.limits)
        world.put()
        return world

    @rule(payload=st.binary(max_size=4))
    def call(self, payload: bytes) -> None:
        async def step() -> None:
            before = self.world.platform.concurrency.total()
            try:
                self.calls.append(self.world.call(payload))
            except ServiceError:
                self.throttled += 1
                assert before == LIMIT
            else:
                assert before < LIMIT
            await self.world.settle()

        self.loop.run_until_complete(step())

    @precondition(lambda self: self.world.sandbox.running())
    @rule(data=st.data())
    def runtime_goes_on(self, data: st.DataObject) -> None:
        """A runtime does what it should: it asks, answers what is open and asks for more."""
        runtime = data.draw(st.sampled_from(self.world.sandbox.running()))

        async def step() -> None:
            for _ in range(2):
                if len(runtime.events) > self.served.get(runtime, 0):
                    self.served[runtime] = len(runtime.events)
                    runtime.respond(b"1", then_next=True)
                elif not runtime.events:
                    runtime.next()
                await self.world.settle()

        self.loop.run_until_complete(step())

    @precondition(lambda self: self.world.sandbox.running())
    @rule(
        data=st.data(),
        act=st.sampled_from(["next", "respond", "respond+next", "fail", "exit", "hang up", "init error"]),
    )
    def runtime_acts(self, data: st.DataObject, act: str) -> None:
        """Any running runtime does anything, sensible or not."""
        runtime = data.draw(st.sampled_from(self.world.sandbox.running()))

        async def step() -> None:
            self.act(runtime, act)
            await self.world.settle()

        self.loop.run_until_complete(step())

    @staticmethod
    def act(runtime: FakeRuntime, act: str) -> None:
        if act == "next":
            runtime.next()
        elif act == "exit":
            runtime.exit(1)
        elif act == "hang up":
            runtime.disconnect()
        elif act == "init error":
            runtime.fail_init("Runtime.X", b"{}")
        elif runtime.events:
            if act == "fail":
                runtime.fail("X", b"{}")
            else:
                runtime.respond(b"1", then_next=act == "respond+next")

    @rule(seconds=st.sampled_from([0.01, 0.03, 0.06, 1.0, 3.1, 13.5, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(self.world.advance(seconds))

    @rule()
    def update(self) -> None:
        async def step() -> None:
            self.memory += 1
            self.world.put(memory_size_mb=self.memory)
            await self.world.settle()

        self.loop.run_until_complete(step())

    @invariant()
    def every_call_ends_at_most_once(self) -> None:
        assert all(len(call.results) <= 1 for call in self.calls)

    @invariant()
    def what_is_counted_is_what_runs_or_waits(self) -> None:
        open_calls = sum(not call.ended for call in self.calls)
        assert self.world.platform.concurrency.total() == open_calls <= LIMIT

    @invariant()
    def who_waits_is_waited_for(self) -> None:
        """For every waiting call an environment is on its way, or about to ask again."""
        for pool in self.world.pools.pools():
            states = pool.states()
            coming = states.count(EnvironmentState.INIT) + states.count(EnvironmentState.ANSWERED)
            assert pool.waiting <= coming + pool.asking
            assert pool.asking <= pool.waiting
            assert not (pool.waiting and EnvironmentState.READY in states and not pool.asking)

    @invariant()
    def memory_is_held_by_those_who_are_there_and_never_more_than_there_is(self) -> None:
        budget = self.world.platform.memory.budget
        held = sum(sum(pool.claims.held_mb.values()) for pool in self.world.pools.pools())
        assert budget.held_mb == held
        assert budget.held_mb <= (budget.total_mb or held)
        assert all(size <= self.memory for pool in self.world.pools.pools() for size in pool.claims.held_mb.values())
        assert not (budget.waiting and budget.fits_first)

    def teardown(self) -> None:
        """In the end every call has ended exactly once and no environment is left."""

        async def end() -> None:
            await self.world.pools.close()
            assert all(runtime.killed for runtime in self.world.sandbox.running())
            for runtime in self.world.sandbox.running():
                runtime.exit(0, 9)
            await self.world.settle()
            assert not self.world.pools.environments()
            await self.world.close()

        self.loop.run_until_complete(end())
        assert all(len(call.results) == 1 for call in self.calls)
        assert self.world.platform.concurrency.total() == 0
        self.loop.close()
        self.directory.cleanup()


class CrampedHistories(Histories):
    """The same where there is memory for two environments: the third waits, or is refused."""

    limits = Limits(account_concurrency=LIMIT, functions_memory_mb=300)


TestCrampedHistories = CrampedHistories.TestCase
TestCrampedHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
