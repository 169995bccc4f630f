"""A seeded simulator of asynchronous invocation: the real router, counters, pools, queue rules and retries, on virtual
time, with faults. ``python -m unit.events.simulator SEED`` (from ``tests``) replays one seed and prints what happened.

A seed decides functions and their settings, when events come, what each invocation does, when the store fails before or
after it has written, when environments die, and when the server is killed. Afterwards all is well, and time passes until
nothing waits. Held against it: what ``check`` says.
"""

import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from unit.events.post import FakeDeliveries, Post
from unit.world import FUNCTION, World

from midge.model.errors import ServiceError
from midge.model.event_invoke_configs import EventInvokeConfig
from midge.model.functions import LATEST, FunctionId
from midge.model.limits import MIB, Limits
from midge.queue.memory import MemoryEventQueue
from midge.queue.port import AsyncEvent
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox
from midge.store.errors import StoreError, StoreUnavailableError

LIMITS = Limits(
    account_concurrency=12,
    unreserved_concurrency=0,
    async_events_in_memory=4,
    async_concurrency_at_first=3,
    async_concurrency=6,
)
QUIET_SECONDS = 30_000.0
"""Longer than any event may wait and everything that follows."""
TURNS = 6
"""Of the event loop, for whatever falls due at one moment: some of it is caught by the next in the middle of its work."""
DESTINATION = "arn:aws:sqs:eu-west-1:123456789012:out"


class FaultyQueue(MemoryEventQueue):
    """Takes its time, and fails before or after it has done what it was asked for."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.trouble = 0.0
        self.removed: Counter[str] = Counter()

    async def _slowly(self) -> None:
        for _ in range(self._chance.randrange(3)):
            await asyncio.sleep(0)

    def _fails(self) -> bool:
        return self._chance.random() < self.trouble

    async def put(self, event: AsyncEvent, *, held: bool) -> AsyncEvent:
        await self._slowly()
        if self._fails():
            raise StoreUnavailableError("before")
        put = await super().put(event, held=held)
        await self._slowly()
        return put

    async def take(self, function: FunctionId, now_seconds: float, count: int, most_bytes: int) -> list[AsyncEvent]:
        await self._slowly()
        if self._fails():
            raise StoreUnavailableError("before")
        return await super().take(function, now_seconds, count, most_bytes)

    async def put_back(self, event: AsyncEvent) -> None:
        await self._slowly()
        if self._fails():
            raise StoreUnavailableError("before")
        await super().put_back(event)
        if self._fails():
            raise StoreUnavailableError("after")

    async def remove(self, event: AsyncEvent) -> None:
        await self._slowly()
        if self._fails():
            raise StoreUnavailableError("before")
        if event.number in self.events:
            self.removed[event.request_id] += 1
        await super().remove(event)
        if self._fails():
            raise StoreUnavailableError("after")


class Simulation:
    """One seed's run."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.chance = random.Random(seed)
        self.seed = seed
        self.directory = directory
        self.lines: list[str] = []
        self.functions = [replace(FUNCTION, name=f"f{number}") for number in range(self.chance.randint(1, 3))]
        self.configs: dict[tuple[FunctionId, str], EventInvokeConfig] = {}
        self.reserved: dict[FunctionId, int | None] = {}
        self.accepted: dict[str, AsyncEvent] = {}
        self.runs: dict[str, list[float]] = {}
        self.succeeded: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.limits = replace(LIMITS, functions_memory_mb=self.chance.choice([0, 140, 300, 700]))
        self.busy: set[int] = set()
        self.most_running: Counter[str] = Counter()
        self.dropped = 0
        self.kills = 0
        self.store_failures = False
        self.well = False
        self.queue = FaultyQueue(self.chance)
        self.world: World
        self.post: Post

    def say(self, text: str) -> None:
        self.lines.append(f"{self.world.clock.now() - 1_800_000_000.0:12.3f} {text}")

    # what a function does

    def behave(self, runtime: FakeRuntime, event: Event) -> None:
        name = runtime.request.environment["AWS_LAMBDA_FUNCTION_NAME"]
        number = id(runtime)
        assert number not in self.busy, "two invocations at once in one environment"
        self.busy.add(number)
        self.check_memory()
        now = self.world.clock.now()
        self.runs.setdefault(event.request_id, []).append(now)
        running = sum(len(each.events) > 0 and id(each) in self.busy for each in self.world.sandbox.running()
                      if each.request.environment["AWS_LAMBDA_FUNCTION_NAME"] == name)  # fmt: skip
        self.most_running[name] = max(self.most_running[name], running)
        kind = "good" if self.well else self.chance.choices(
            ["good", "slow", "bad", "dies", "hangs"], weights=[10, 5, 6, 2, 1]
        )[0]  # fmt: skip
        self.say(f"{name} runs {event.request_id} ({kind})")
        if kind == "hangs":
            return
        if kind == "slow":
            self.world.clock.call_later(self.chance.uniform(0.01, 2.0), self._end, runtime, event, "good")
        else:
            asyncio.get_running_loop().call_soon(self._end, runtime, event, kind)

    def check_memory(self) -> None:
        """Never more is held than there is; whoever runs holds all that it may use, and who stands still what it used."""
        budget = self.world.platform.memory.budget
        assert not budget.total_mb or budget.held_mb <= budget.total_mb, f"{budget.held_mb} MB held"
        needed = sum(
            runtime.request.memory_size_mb if not runtime.frozen else (runtime.memory_bytes or 0) // MIB
            for runtime in self.world.sandbox.running()
        )
        assert budget.held_mb >= needed, f"{needed} MB may be used, {budget.held_mb} are held"

    def _end(self, runtime: FakeRuntime, event: Event, kind: str) -> None:
        self.busy.discard(id(runtime))
        if runtime.ended or runtime.killed:
            return
        if kind == "good":
            self.succeeded[event.request_id] += 1
            runtime.respond(event.payload, then_next=True)
        elif kind == "bad":
            runtime.fail("E", b'{"errorType":"E","errorMessage":"no"}')
            runtime.next()
        else:
            runtime.exit(1)

    # the server

    def begin(self) -> None:
        sandbox = FakeSandbox(on_event=self.behave)
        clock = getattr(self, "world", None) and self.world.clock
        self.world = World(self.directory, sandbox, self.limits)
        if clock is not None:
            # time goes on where the last server left it
            self.world.clock.advance(clock.monotonic())
        for function in self.functions:
            self.world.put(function=function)
            self.world.router.reserve(function, self.reserved.get(function))
        self.deliveries = FakeDeliveries()
        self.post = Post(self.world, self.queue, self.deliveries)
        self.post.configs = self.configs
        self.deliveries.refuses = lambda arn: not self.well and self.chance.random() < 0.2

    async def kill(self) -> None:
        """The server is gone from one moment to the next; the queue is as it was on disk."""
        self.say("killed")
        self.kills += 1
        await self.post.tasks.close()
        self.collect()
        await self.world.pools.close()
        await self.world.logs.close()
        self.busy.clear()
        self.queue.restart()

    def collect(self) -> None:
        """What this server has told and counted."""
        for _, message in self.deliveries.sent:
            self.told[message.request_id] += 1
        self.deliveries.sent.clear()
        for function in self.functions:
            self.dropped += self.world.metrics.function(function.name).async_events_dropped

    # the run

    def arrange(self) -> None:
        for function in self.functions:
            self.reserved[function] = self.chance.choice([None, None, 0, 1, 2, 4])
            if self.chance.random() < 0.7:
                self.configs[function, LATEST] = EventInvokeConfig(
                    function=function,
                    qualifier=LATEST,
                    last_modified_seconds=0.0,
                    maximum_retry_attempts=self.chance.choice([None, 0, 1, 2]),
                    maximum_event_age_seconds=self.chance.choice([None, 60, 600]),
                    on_success=self.chance.choice([None, DESTINATION]),
                    on_failure=self.chance.choice([None, DESTINATION]),
                )

    async def send(self) -> None:
        event = self.post.event(b"1", self.chance.choice(self.functions))
        try:
            await self.post.dispatcher.accept(event)
        except (StoreError, ServiceError):
            self.say(f"refused {event.request_id}")
            return
        self.say(f"accepted {event.request_id} for {event.function.name}")
        self.accepted[event.request_id] = event

    async def main(self) -> None:
        self.arrange()
        self.begin()
        await self.post.dispatcher.start()
        for _ in range(self.chance.randint(10, 40)):
            self.queue.trouble = self.chance.choice([0.0, 0.0, 0.0, 0.1, 0.5])
            self.store_failures = self.store_failures or self.queue.trouble > 0
            what = self.chance.choices(
                ["send", "burst", "wait", "long", "kill", "die", "reserve"], [8, 2, 6, 2, 1, 1, 1]
            )[0]
            if what == "send":
                await self.send()
            elif what == "burst":
                await asyncio.gather(*(self.send() for _ in range(self.chance.randint(2, 12))))
            elif what == "wait":
                await self.world.pass_time(self.chance.uniform(0.0, 3.0), TURNS)
            elif what == "long":
                await self.world.pass_time(self.chance.uniform(10.0, 200.0), TURNS)
            elif what == "kill":
                await self.kill()
                self.queue.trouble = 0.0
                self.begin()
                await self.post.dispatcher.start()
            elif what == "die":
                for runtime in self.world.sandbox.running():
                    self.busy.discard(id(runtime))
                    runtime.exit(0, 9)
            else:
                function = self.chance.choice(self.functions)
                self.reserved[function] = self.chance.choice([None, 0, 1, 3])
                self.world.router.reserve(function, self.reserved[function])
            for _ in range(self.chance.randrange(20)):
                await asyncio.sleep(0)
            self.check_memory()
        self.well, self.queue.trouble = True, 0.0
        await self.world.pass_time(QUIET_SECONDS, TURNS)
        self.collect()
        await self.post.close()
        await self.world.close()

    def check(self) -> None:
        """What must hold, whatever happened."""
        assert self.queue.events == {}, f"left: {sorted(e.request_id for e in self.queue.events.values())}"
        for request_id, event in self.accepted.items():
            assert self.queue.removed[request_id] == 1, f"{request_id} ended {self.queue.removed[request_id]} times"
            config = self.configs.get((event.function, LATEST))
            retries = 2 if config is None or config.maximum_retry_attempts is None else config.maximum_retry_attempts
            age = (
                21_600
                if config is None or config.maximum_event_age_seconds is None
                else config.maximum_event_age_seconds
            )
            runs = self.runs.get(request_id, [])
            for moment in runs:
                assert moment - event.accepted_seconds < age, f"{request_id} ran when it was too old"
            undisturbed = not self.kills and not self.store_failures
            if undisturbed:
                assert len(runs) <= retries + 1, f"{request_id} ran {len(runs)} times"
                assert self.succeeded[request_id] <= 1
                assert self.told[request_id] <= 1
                for number, (before, after) in enumerate(pairwise(runs)):
                    assert after - before >= 60 * 2**number - 1e-3, f"{request_id} was retried too early"
        if not self.kills and not self.store_failures:
            ended = sum(bool(self.succeeded[each] or self.told[each]) for each in self.accepted)
            untold = len(self.accepted) - ended
            assert self.dropped >= untold, f"{untold} events ended in silence, {self.dropped} drops were counted"
        for name, running in self.most_running.items():
            assert running <= LIMITS.async_concurrency, f"{running} of {name} at once"


def simulate(seed: int) -> Simulation:
    """Run a seed to its end, unchecked."""
    with tempfile.TemporaryDirectory(prefix="midge-simulation-") as directory:
        simulation = Simulation(seed, Path(directory))
        asyncio.run(simulation.main())
    return simulation


if __name__ == "__main__":
    simulated = simulate(int(sys.argv[1]))
    summary = {"accepted": len(simulated.accepted), "kills": simulated.kills, "dropped": simulated.dropped}
    sys.stdout.write("\n".join([*simulated.lines, json.dumps(summary), ""]))
    simulated.check()
