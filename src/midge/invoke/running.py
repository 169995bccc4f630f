"""The invocation that runs in an environment, from its event to its answer, its log lines and its figures.

With extensions that are registered for it, it goes on after its caller has been answered. Knows no states and no
deadline: those are the environment's.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html (Invoke phase)
"""

from typing import Generic, TypeVar

from midge.invoke.environment_log import EnvironmentLog
from midge.invoke.invocation import Invocation
from midge.invoke.outcome import Fault, Outcome
from midge.invoke.platform import EnvironmentOwner, Platform
from midge.observe.log_records import InvocationEnd

_Environment = TypeVar("_Environment")


class RunningInvocation(Generic[_Environment]):
    """See the module. ``invocation`` is None while there is none; ``started`` is when its time began."""

    __slots__ = (
        "_log", "_monotonic", "_now", "_owner", "_stream", "_told", "billed_restore_seconds", "init_seconds",
        "invocation", "restore_seconds", "resumed", "started",
    )  # fmt: skip

    def __init__(self, platform: Platform, log: EnvironmentLog, owner: EnvironmentOwner[_Environment]) -> None:
        self._log = log
        self._stream = log.stream
        self._owner = owner
        # Bound once: they are called for every invocation.
        self._monotonic, self._now = platform.clock.monotonic, platform.clock.now
        self._told: Fault | None = None
        """What the caller has been answered with, if it is one, while extensions still run."""
        self.invocation: Invocation | None = None
        self.started = platform.clock.monotonic()
        self.init_seconds: float | None = None
        """How long the initialisation took that its REPORT is to tell of."""
        self.restore_seconds: float | None = None
        """The same of a restoration."""
        self.billed_restore_seconds = 0.0
        self.resumed = self.started
        """When the runtime of a restored environment went on."""

    def initialised(self, seconds: float, *, restored: bool) -> None:
        """Initialisation, or a restoration, took ``seconds``."""
        if restored:
            self.restore_seconds = seconds
            self.billed_restore_seconds = self._monotonic() - self.resumed
        else:
            self.init_seconds = seconds

    def begin(self, invocation: Invocation, wall: float, started: float) -> None:
        """It is about to be handed to the runtime; ``wall`` is the time, ``started`` the monotonic one."""
        self.invocation = invocation
        self.started = started
        if invocation.tail:
            self._log.begin_tail()
        self._stream.start(wall, invocation.request_id)
        if self._log.telemetry is not None:
            self._log.telemetry.invoke(invocation)

    def runtime_done(self, status: str, produced_bytes: int | None) -> None:
        """The runtime has answered, or never will: success, error, failure or timeout."""
        if self._log.telemetry is not None:
            streamed = None if self.invocation is None else self.invocation.streamed
            if produced_bytes is not None and streamed is not None:
                produced_bytes = streamed.passed_bytes
            self._log.telemetry.runtime_done(status, self._monotonic() - self.started, produced_bytes)

    def finish(self, payload: bytes, fault: Fault | None, seconds: float, *, by_platform: bool) -> None:
        """It has ended: its log lines, its figures, its answer. In that order, and once."""
        invocation, self.invocation = self.invocation, None
        assert invocation is not None
        if invocation.sink is not None:
            invocation.close_stream()
        self._log.drain()
        end = self._ending(invocation, seconds)
        self.init_seconds = self.restore_seconds = None
        log = self._log
        tail = log.tail
        if fault is not None or tail is not None:
            log.complete(end, fault, by_platform=by_platform)
            log.tail = None
        self._end(end, invocation, fault)
        invocation.done(self._outcome(invocation, payload, fault, end, tail))

    def tell(self, payload: bytes, fault: Fault | None) -> None:
        """The caller gets the answer; the invocation goes on until the extensions have done as well."""
        invocation = self.invocation
        assert invocation is not None
        if invocation.sink is not None:
            invocation.close_stream()
        tail = self._log.tail
        seconds = self._monotonic() - self.started
        end = self._ending(invocation, seconds)
        if tail is not None:
            self._log.complete(end, fault, by_platform=False)
            self._log.tail = None
        self._told = fault
        invocation.done(self._outcome(invocation, payload, fault, end, tail))

    def finish_told(self, fault: Fault | None) -> None:
        """The extensions have done, or ``fault`` has come between."""
        invocation, self.invocation = self.invocation, None
        assert invocation is not None
        seconds = self._monotonic() - self.started
        self._log.drain()
        end = self._ending(invocation, seconds)
        self.init_seconds = self.restore_seconds = None
        told, self._told = self._told, None
        if fault is not None or told is not None:
            self._log.complete(end, fault or told, by_platform=fault is not None)
        self._end(end, invocation, fault or told)

    def fail(self, invocation: Invocation, fault: Fault, wall: float) -> None:
        """One that waited for the environment ends with ``fault``, and never ran in it."""
        self.invocation = invocation
        if invocation.tail:
            self._log.begin_tail_of_init()
        self._stream.start(wall, invocation.request_id)
        if self._log.telemetry is not None:
            self._log.telemetry.invoke(invocation)
        self.finish(fault.payload, fault, self._monotonic() - self.started, by_platform=True)

    def _ending(self, invocation: Invocation, seconds: float) -> InvocationEnd:
        end = InvocationEnd(self._now(), invocation.request_id, seconds, None, self.init_seconds)
        if self.restore_seconds is not None:
            end.restore_seconds, end.billed_restore_seconds = self.restore_seconds, self.billed_restore_seconds
        return end

    def _end(self, end: InvocationEnd, invocation: Invocation, fault: Fault | None) -> None:
        self._stream.end(end)
        if self._log.telemetry is not None:
            self._log.telemetry.report(end)
        timed_out = fault is not None and fault.timed_out
        invocation.init_seconds = end.init_seconds
        self._owner.invocation_ended(invocation, end.duration_seconds, error=fault is not None, timed_out=timed_out)

    def _outcome(
        self, invocation: Invocation, payload: bytes, fault: Fault | None, end: InvocationEnd, tail: list[bytes] | None
    ) -> Outcome:
        return Outcome(
            payload,
            invocation.target.executed_version,
            None if fault is None else "Unhandled",
            None if tail is None else self._log.render_tail(end, tail),
            None if fault is None else fault.error_type,
        )
