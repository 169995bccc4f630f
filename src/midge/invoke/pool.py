"""The execution environments of one function version: who runs what, when to make more, when to let go.

The environment used last is used first. An invocation that finds none waits for whichever comes first: a new
environment or one that becomes free. Concurrency is taken when an invocation arrives and given back when it ends, so
no more environments are made than invocations may run; each needs room in memory, for which it may have to wait. Of
those that are provisioned as many are kept, initialised and waiting, whether anybody calls or not. Knows nothing of
qualifiers, HTTP or the store.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from midge.clock import Timer
from midge.invoke import outcome as outcomes
from midge.invoke.claims import EnvironmentClaims
from midge.invoke.environment import ExecutionEnvironment
from midge.invoke.invocation import Invocation
from midge.invoke.keep_alive import Usage
from midge.invoke.lifecycle import EnvironmentState
from midge.invoke.memory import Ask
from midge.invoke.platform import Platform
from midge.invoke.provisioned import FAILED_BY_ITSELF, INITIALISED, ProvisionedEnvironments
from midge.model.errors import ServiceError
from midge.model.functions import FunctionVersion


class EnvironmentPool:
    """See the module. ``on_empty`` is called once, when a draining pool has nothing left."""

    per_tenant = False

    def __init__(
        self,
        platform: Platform,
        version: FunctionVersion,
        task_root: Path,
        on_empty: "Callable[[EnvironmentPool], None]",
        layers_root: Path | None = None,
    ) -> None:
        self._platform = platform
        self._monotonic = platform.clock.monotonic
        self._on_empty = on_empty
        self.version = version
        self.task_root = task_root
        self.layers_root = layers_root
        self._concurrency = platform.concurrency.version(version.function)
        self._metrics = platform.metrics.version(version)
        self._room = platform.memory
        self.claims: EnvironmentClaims[ExecutionEnvironment] = EnvironmentClaims(self._room, version.memory_size_mb)
        self._environments = self.claims.held_mb
        self._shrunk = self.claims.shrunk
        self._asks: list[Ask] = []
        """For room for those who wait."""
        self._other_asks: dict[Ask, Invocation | None] = {}
        """For room for a provisioned environment, or for one that is bound to this invocation."""
        self._idle: list[ExecutionEnvironment] = []
        self._waiting: deque[Invocation] = deque()
        self._starting = 0
        self._answered = 0
        self._grace: Timer | None = None
        self._draining = False
        self._emptied = False
        self._provisioned = 0
        self._init_failed = False
        self._retry: Timer | None = None
        self.usage = Usage(platform.keep_alive())

    # for callers

    def submit(self, invocation: Invocation) -> None:
        """Run ``invocation`` now, or when an environment is free. Raises ServiceError when no place is left."""
        idle = self._idle
        needs = not idle and self._missing() >= 0
        if needs and (refused := self._room.refusal(self.version.memory_size_mb)) is not None:
            self._metrics.throttled(invocation)
            raise refused
        now = self._monotonic()
        throttle = self._concurrency.acquire(now, needs_environment=needs, synchronous=not invocation.asynchronous)
        if throttle is not None:
            self._metrics.throttled(invocation)
            raise outcomes.throttled(throttle.reason, throttle.retry_after_seconds)
        if self.usage.learns and self._concurrency.in_flight == 1:
            self.usage.begins(now)
        self._metrics.begin(invocation)
        if idle and (not self._shrunk or self.claims.grow(idle[-1])):
            idle.pop().run(invocation)
        else:
            invocation.asks_before = self._room.budget.asks
            self._waiting.append(invocation)
            self._scale_out()

    def withdraw(self, invocation: Invocation, error: ServiceError) -> None:
        """Answer an invocation that still waits with ``error``; one that runs goes on."""
        if invocation in self._waiting:
            self._waiting.remove(invocation)
            self._trim_asks()
            self._go_without(error, invocation, provisioned=False)

    def drain(self) -> None:
        """Take no further environment into use than those that are needed for what has been accepted."""
        self._draining = True
        self._keep_initialised(0)
        for environment in list(self._idle):
            environment.stop()
        self._settle()

    def stop(self) -> None:
        """End everything now; what runs or waits fails."""
        self._draining = True
        self._keep_initialised(0)
        waiting, self._waiting = self._waiting, deque()
        waiting.extend(invocation for invocation in self._other_asks.values() if invocation is not None)
        self._withdraw([*self._asks, *self._other_asks])
        for invocation in waiting:
            self._concurrency.release()
            self._metrics.abandon(invocation)
            invocation.done(outcomes.service_failure("The execution environment was shut down."))
        for environment in list(self._environments):
            environment.stop()
        self._settle()

    def reap(self, unused_since: float) -> None:
        """End the idle environments last used before ``unused_since`` (monotonic seconds) that are not provisioned."""
        spare = max(0, self._alive() - self._provisioned)
        for environment in [e for e in self._idle if e.last_used < unused_since][:spare]:
            environment.stop()

    def pre_warm(self) -> None:
        """Have an environment wait for whoever comes, if there is none and there is room."""
        if not (self._draining or self._alive()) and self._room.budget.hold(self.version.memory_size_mb):
            self._start_environment()

    def provision(self, count: int) -> None:
        """Keep at least ``count`` environments initialised from now on."""
        self._keep_initialised(count)
        self._scale_out()

    def _keep_initialised(self, count: int) -> None:
        self._provisioned = count
        self._metrics.provision(count)
        self._concurrency.provision(count)
        self._init_failed = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._withdraw([ask for ask, invocation in self._other_asks.items() if invocation is None])

    def shrink(self) -> None:
        """Hold environments that stand still to what they have used, except provisioned ones."""
        if not self._provisioned:
            self.claims.shrink(self._idle)

    def spare(self) -> list[tuple[float, Callable[[], None]]]:
        """Of each idle environment that is not provisioned: when it was used last, and what ends it."""
        count = max(0, self._alive() - self._provisioned)
        return [(environment.last_used, partial(self._end, environment)) for environment in self._idle[:count]]

    def _end(self, environment: ExecutionEnvironment) -> None:
        if environment in self._idle:
            environment.stop()

    @property
    def leaving_mb(self) -> int:
        """What its environments hold that will soon be gone."""
        return self.claims.leaving_mb

    @property
    def provisioned(self) -> ProvisionedEnvironments:
        """How far the environments that ``provision`` asked for have come."""
        ready = sum(environment.state in INITIALISED for environment in self._environments)
        return ProvisionedEnvironments(available=min(ready, self._provisioned), failed=self._init_failed)

    def states(self) -> list[EnvironmentState]:
        """The state of every environment there is."""
        return [environment.state for environment in self._environments]

    @property
    def idle(self) -> int:
        """Environments that wait for an invocation."""
        return len(self._idle)

    @property
    def asking(self) -> int:
        """Environments for which room in memory is waited for, for those invocations."""
        return len(self._asks)

    @property
    def waiting(self) -> int:
        """Invocations that wait for an environment."""
        return len(self._waiting)

    # from its environments

    def environment_ready(self, environment: ExecutionEnvironment, *, first: bool) -> None:
        if environment.bound is not None:
            environment.run(environment.bound)
            return
        if first:
            self._starting -= 1
            self._init_failed = False
        else:
            self._answered -= 1
        if self._waiting and not self._gives_way(self._waiting[0]):
            environment.run(self._waiting.popleft())
            self._trim_asks()
            return
        self._idle.append(environment)
        if self._draining and not self._waiting:
            environment.stop()
        elif self._room.budget.waiting:
            self._room.serve()
            while self._waiting and self._idle and self.claims.grow(self._idle[-1]):
                self._idle.pop().run(self._waiting.popleft())
            self._trim_asks()

    def _gives_way(self, invocation: Invocation) -> bool:
        """Whether somebody else waits for memory since before ``invocation`` came."""
        first = self._room.budget.first
        return first is not None and first.number <= invocation.asks_before and first not in self._asks

    def environment_answered(self, environment: ExecutionEnvironment) -> None:
        del environment
        self._answered += 1

    def environment_hung_up(self, environment: ExecutionEnvironment) -> None:
        self._idle.remove(environment)
        self._answered += 1

    def environment_left(self, environment: ExecutionEnvironment, before: EnvironmentState) -> None:
        if before is EnvironmentState.INIT:
            self._starting -= environment.bound is None
        elif before is EnvironmentState.ANSWERED:
            self._answered -= 1
        elif before is EnvironmentState.READY:
            self._idle.remove(environment)
        if self._provisioned and (environment.state, before) in FAILED_BY_ITSELF:
            self._init_failed = True
            self._retry_later()

    def environment_discarded(self, environment: ExecutionEnvironment) -> None:
        del environment
        self._scale_out()

    def environment_ended(self, environment: ExecutionEnvironment) -> None:
        self.claims.drop(environment)
        self._scale_out()
        self._settle()

    def init_failed(self, environment: ExecutionEnvironment) -> None:
        del environment
        if self._waiting:
            invocation = self._waiting.popleft()
            self._trim_asks()
            self._want(bound=invocation)

    def give_up(self) -> Invocation | None:
        invocation = self._waiting.popleft() if self._waiting else None
        self._trim_asks()
        return invocation

    def invocation_ended(self, invocation: Invocation, seconds: float, *, error: bool, timed_out: bool) -> None:
        self._concurrency.release()
        if self.usage.learns and not self._concurrency.in_flight:
            self.usage.ended(self._monotonic())
        self._metrics.end(invocation, seconds, error=error, timed_out=timed_out)

    # scaling

    def _scale_out(self) -> None:
        """An environment on its way, or about to ask for its next event, is counted on for one waiting invocation."""
        # Each wish can change all of this, as others may end or be served for it.
        while self._missing() > 0:
            self._want()
        while self._provisioned and not self._init_failed and self._provisioned > self._alive() + len(self._other_asks):
            self._want(provisioned=True)
        if self._missing() + self._answered > 0 and self._answered and self._grace is None:
            self._arm_grace()

    def _missing(self) -> int:
        """For how many of those who wait no environment is on its way; negative if there are more than are needed."""
        return len(self._waiting) - self._starting - self._answered - len(self._asks)

    # room in memory

    def _want(self, *, provisioned: bool = False, bound: Invocation | None = None) -> None:
        """Start an environment, or ask for room for it."""
        room, size_mb = self._room, self.version.memory_size_mb
        if room.budget.hold(size_mb):
            self._start_environment(provisioned=provisioned, bound=bound)
        elif (refused := room.refusal(size_mb)) is not None:
            self._go_without(refused, bound, provisioned=provisioned)
        else:
            ask = room.ask(size_mb, self._granted, self._refused)
            if provisioned or bound is not None:
                self._other_asks[ask] = bound
            else:
                self._asks.append(ask)
            room.serve()

    def _granted(self, ask: Ask) -> None:
        if ask in self._other_asks:
            bound = self._other_asks.pop(ask)
            self._start_environment(provisioned=bound is None, bound=bound)
            return
        self._asks.remove(ask)
        if self._waiting and self._idle:
            environment = self._idle.pop()
            self.claims.exchange(environment)
            environment.run(self._waiting.popleft())
        elif self._missing() > 0:
            self._start_environment()
        else:
            self._room.give_back(ask.size_mb)

    def _refused(self, ask: Ask) -> None:
        error = self._room.exhausted(ask.size_mb)
        if ask in self._other_asks:
            bound = self._other_asks.pop(ask)
            self._go_without(error, bound, provisioned=bound is None)
        else:
            self._asks.remove(ask)
            self._go_without(error, None, provisioned=False)

    def _go_without(self, error: ServiceError, bound: Invocation | None, *, provisioned: bool) -> None:
        """There will be no room."""
        if provisioned:
            self._init_failed = True
            self._retry_later()
            return
        invocation = bound or self.give_up()
        if invocation is not None:
            self._concurrency.release()
            self._metrics.abandon(invocation, throttled=True)
            invocation.done(error)
        self._settle()

    def _trim_asks(self) -> None:
        """Nobody asks for more than wait."""
        while len(self._asks) > len(self._waiting):
            self._room.withdraw(self._asks.pop())

    def _withdraw(self, asks: list[Ask]) -> None:
        for ask in asks:
            if self._other_asks.pop(ask, self) is self:
                self._asks.remove(ask)
            self._room.withdraw(ask)

    # scaling, in time

    def _alive(self) -> int:
        return sum(environment.state < EnvironmentState.RESET for environment in self._environments)

    def _retry_later(self) -> None:
        """Code that fails to initialise is not started over and over without anybody calling."""
        if self._retry is None:
            seconds = self._platform.limits.provisioned_retry_seconds
            self._retry = self._platform.clock.call_later(seconds, self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        self._init_failed = False
        self._scale_out()

    def _arm_grace(self) -> None:
        grace = self._platform.limits.next_request_grace_seconds
        self._grace = self._platform.clock.call_later(grace, self._grace_over, self._waiting[-1])

    def _grace_over(self, waited: Invocation) -> None:
        self._grace = None
        missing = self._missing() + self._answered
        if missing <= 0:
            return
        if any(invocation is waited for invocation in self._waiting):
            for _ in range(missing):
                if self._waiting:
                    self._want()
        else:
            self._arm_grace()

    def _start_environment(self, *, provisioned: bool = False, bound: Invocation | None = None) -> None:
        environment = ExecutionEnvironment(
            self._platform, self, self.version, self.task_root, self.layers_root, provisioned=provisioned, bound=bound
        )
        self.claims.add(environment)
        if bound is None:
            self._starting += 1
            if self._waiting and not provisioned:
                self._metrics.counters.cold_starts += 1
                self._concurrency.grew(self._monotonic())
        self._platform.tasks.start(environment.start())

    def _settle(self) -> None:
        left = self._environments or self._waiting or self._asks or self._other_asks
        if self._draining and not (self._emptied or left):
            self._emptied = True
            if self._grace is not None:
                self._grace.cancel()
            self._on_empty(self)
