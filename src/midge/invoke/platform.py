"""What environments and pools are given: the rest of midge in one record, and who an environment reports to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from midge.clock import Clock
from midge.invoke.concurrency import ConcurrencyBook
from midge.invoke.invocation import Invocation
from midge.invoke.keep_alive import KeepAlive
from midge.invoke.lifecycle import EnvironmentState
from midge.invoke.request_ids import RequestIds
from midge.invoke.room import MemoryRoom
from midge.invoke.watch import Watch
from midge.model.functions import FunctionVersion
from midge.model.limits import Limits
from midge.observe.logs import LogWriter
from midge.observe.metrics import Metrics
from midge.observe.telemetry_buffer import TelemetryBudget
from midge.sandbox.port import Sandbox, SandboxedEnvironment, StartRequest
from midge.tasks import TaskOwner

_Environment_contra = TypeVar("_Environment_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What every environment and every pool needs of the rest of midge."""

    sandbox: Sandbox
    clock: Clock
    limits: Limits
    logs: LogWriter
    metrics: Metrics
    concurrency: ConcurrencyBook
    memory: MemoryRoom
    keep_alive: Callable[[], KeepAlive]
    """The rule of one function version, with nothing learnt yet."""
    ids: RequestIds
    tasks: TaskOwner
    session_secret: Callable[[str, str], str]
    """The secret access key for an access key id and a session token."""
    watch: Watch
    telemetry_budget: TelemetryBudget
    snapshots: "SnapshotKeeper"


class SnapshotKeeper(Protocol):
    """Where environments of versions with SnapStart are restored from: see ``snapshots.py``."""

    async def start(
        self,
        platform: Platform,
        version: FunctionVersion,
        request: StartRequest,
        task_root: Path,
        layers_root: Path | None,
    ) -> SandboxedEnvironment: ...

    def forget(self, platform: Platform, version: FunctionVersion) -> None: ...

    async def close(self) -> None: ...


class EnvironmentOwner(Protocol[_Environment_contra]):
    """Who hears of an environment's life: its pool. Each call says that the environment's state has changed."""

    def environment_ready(self, environment: _Environment_contra, *, first: bool) -> None:
        """It waits for an event; ``first`` when its initialisation has just ended."""
        ...

    def environment_answered(self, environment: _Environment_contra) -> None:
        """Called before the caller of the invocation gets its answer."""
        ...

    def environment_left(self, environment: _Environment_contra, before: EnvironmentState) -> None:
        """It is of no more use: being killed or ended. Called once; ``before`` is the state it was in."""
        ...

    def environment_discarded(self, environment: _Environment_contra) -> None:
        """It has been told to end and has nothing more to say to those who wait."""
        ...

    def environment_ended(self, environment: _Environment_contra) -> None:
        """Its process is gone. Called once, last."""
        ...

    def environment_hung_up(self, environment: _Environment_contra) -> None:
        """It was ready and is not any more."""
        ...

    def init_failed(self, environment: _Environment_contra) -> None:
        """Its initialisation failed in its own time: whoever waited for it has another as a part of the invocation."""
        ...

    def give_up(self) -> Invocation | None:
        """An invocation that cannot have an environment now, if one waits."""
        ...

    def invocation_ended(self, invocation: Invocation, seconds: float, *, error: bool, timed_out: bool) -> None:
        """Called before the caller of the invocation gets its answer."""
        ...
