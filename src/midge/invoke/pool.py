"""The execution environments of one function version: who runs what, when to make more, when to let go.

The environment used last is used first. An invocation that finds none waits for whichever comes first: a new
environment or one that becomes free. Concurrency is taken when an invocation arrives and given back when it ends, so
no more environments are made than invocations may run. Of those that are provisioned as many are kept, initialised
and waiting, whether anybody calls or not. Knows nothing of qualifiers, HTTP or the store.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from midge.clock import Timer
from midge.invoke import outcome as outcomes
from midge.invoke.environment import ExecutionEnvironment
from midge.invoke.invocation import Invocation
from midge.invoke.lifecycle import EnvironmentState
from midge.invoke.platform import Platform
from midge.model.functions import FunctionVersion

_INITIALISED = frozenset({EnvironmentState.READY, EnvironmentState.BUSY, EnvironmentState.ANSWERED})

_FAILED_BY_ITSELF = frozenset(
    {
        (EnvironmentState.RESET, EnvironmentState.INIT),
        (EnvironmentState.ENDED, EnvironmentState.INIT),
        (EnvironmentState.RESET, EnvironmentState.READY),
        (EnvironmentState.ENDED, EnvironmentState.READY),
    }
)
"""The state that an environment is in now, and was in before: nobody called, and it is of no use any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionedEnvironments:
    """``failed``: the last initialisation did; another attempt follows after a while."""

    available: int
    failed: bool


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
        self._on_empty = on_empty
        self.version = version
        self.task_root = task_root
        self.layers_root = layers_root
        self._concurrency = platform.concurrency.function(version.function)
        self._metrics = platform.metrics.version(version)
        self._environments: set[ExecutionEnvironment] = set()
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

    # for callers

    def submit(self, invocation: Invocation) -> None:
        """Run ``invocation`` now, or when an environment is free. Raises ServiceError when no place is left."""
        if not self._concurrency.acquire():
            self._metrics.throttled(invocation.target.invoked_arn)
            raise outcomes.throttled(reserved=self._concurrency.reserved is not None)
        invocation.provisioned = self._metrics.begin(invocation.target.invoked_arn)
        idle = self._idle
        if idle:
            idle.pop().run(invocation)
        else:
            self._waiting.append(invocation)
            self._scale_out()

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
        for invocation in waiting:
            self._concurrency.release()
            self._metrics.abandon(invocation.target.invoked_arn, provisioned=invocation.provisioned)
            invocation.done(outcomes.service_failure("The execution environment was shut down."))
        for environment in list(self._environments):
            environment.stop()
        self._settle()

    def reap(self, unused_since: float) -> None:
        """End the idle environments last used before ``unused_since`` (monotonic seconds) that are not provisioned."""
        spare = max(0, self._alive() - self._provisioned)
        for environment in [e for e in self._idle if e.last_used < unused_since][:spare]:
            environment.stop()

    def provision(self, count: int) -> None:
        """Keep at least ``count`` environments initialised from now on."""
        self._keep_initialised(count)
        self._scale_out()

    def _keep_initialised(self, count: int) -> None:
        self._provisioned = count
        self._metrics.provision(count)
        self._init_failed = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    @property
    def provisioned(self) -> ProvisionedEnvironments:
        """How far the environments that ``provision`` asked for have come."""
        ready = sum(environment.state in _INITIALISED for environment in self._environments)
        return ProvisionedEnvironments(available=min(ready, self._provisioned), failed=self._init_failed)

    def states(self) -> list[EnvironmentState]:
        """The state of every environment there is."""
        return [environment.state for environment in self._environments]

    @property
    def lingering(self) -> bool:
        """Whether extensions of some of its environments are being given time to end."""
        return any(environment.lingering for environment in self._environments)

    @property
    def frozen(self) -> int:
        """Environments that stand still until their next event."""
        return sum(environment.frozen for environment in self._environments)

    @property
    def idle(self) -> int:
        """Environments that wait for an invocation."""
        return len(self._idle)

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
        if self._waiting:
            environment.run(self._waiting.popleft())
            return
        self._idle.append(environment)
        if self._draining:
            environment.stop()

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
        if self._provisioned and (environment.state, before) in _FAILED_BY_ITSELF:
            self._init_failed = True
            self._retry_later()

    def environment_discarded(self, environment: ExecutionEnvironment) -> None:
        del environment
        self._scale_out()

    def environment_ended(self, environment: ExecutionEnvironment) -> None:
        self._environments.discard(environment)
        self._scale_out()
        self._settle()

    def init_failed(self, environment: ExecutionEnvironment) -> None:
        del environment
        if self._waiting:
            self._start_environment(bound=self._waiting.popleft())

    def give_up(self) -> Invocation | None:
        return self._waiting.popleft() if self._waiting else None

    def invocation_ended(self, invocation: Invocation, seconds: float, *, error: bool, timed_out: bool) -> None:
        self._concurrency.release()
        if invocation.init_seconds is not None:
            self._metrics.initialised(seconds, invocation.init_seconds, provisioned=invocation.provisioned)
        if invocation.streamed is not None:
            self._metrics.streamed(invocation.streamed.passed_bytes, self._platform.limits.streamed_burst_bytes)
        self._metrics.end(
            invocation.target.invoked_arn,
            seconds,
            provisioned=invocation.provisioned,
            error=error,
            timed_out=timed_out,
        )

    # scaling

    def _scale_out(self) -> None:
        """An environment on its way, or about to ask for its next event, is counted on for one waiting invocation."""
        missing = len(self._waiting) - self._starting
        for _ in range(missing - self._answered):
            self._start_environment()
        if self._provisioned and not self._init_failed:
            for _ in range(self._provisioned - self._alive()):
                self._start_environment(provisioned=True)
        if missing > 0 and self._answered and self._grace is None:
            self._arm_grace()

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
        missing = len(self._waiting) - self._starting
        if missing <= 0:
            return
        if any(invocation is waited for invocation in self._waiting):
            for _ in range(missing):
                self._start_environment()
        else:
            self._arm_grace()

    def _start_environment(self, *, provisioned: bool = False, bound: Invocation | None = None) -> None:
        environment = ExecutionEnvironment(
            self._platform, self, self.version, self.task_root, self.layers_root, provisioned=provisioned, bound=bound
        )
        self._environments.add(environment)
        if bound is None:
            self._starting += 1
            self._metrics.counters.cold_starts += not provisioned
        self._platform.tasks.start(environment.start())

    def _settle(self) -> None:
        if self._draining and not self._emptied and not self._environments and not self._waiting:
            self._emptied = True
            if self._grace is not None:
                self._grace.cancel()
            self._on_empty(self)
