"""One execution environment: its sandbox, its runtime, the invocation that runs in it and its deadline.

Serves one invocation at a time and only its own function version. Every way in is a callback on the event loop's
thread; the one task is the start of the sandbox, owned by the pool. Knows nothing of who waits for an environment
and why: that is the pool's.
Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import asyncio
from pathlib import Path

import structlog

from midge.clock import Timer
from midge.invoke import outcome as outcomes
from midge.invoke.environment_log import EnvironmentLog
from midge.invoke.invocation import Invocation
from midge.invoke.lifecycle import EnvironmentEvent, EnvironmentState, follow
from midge.invoke.outcome import Fault, Outcome
from midge.invoke.platform import EnvironmentOwner, Platform
from midge.invoke.streaming import StreamedResponse
from midge.invoke.variables import function_variables, session_credentials
from midge.model.functions import FunctionVersion
from midge.observe.log_records import InvocationEnd, iso_time
from midge.runtime_api.connection import RuntimeConnection
from midge.runtime_api.session import RuntimeSession, StreamSource
from midge.sandbox.port import ProcessExit, SandboxedEnvironment, SandboxError, StartRequest

_BUSY, _ANSWERED = EnvironmentState.BUSY, EnvironmentState.ANSWERED
_READY, _INIT, _RESET, _ENDED = (
    EnvironmentState.READY,
    EnvironmentState.INIT,
    EnvironmentState.RESET,
    EnvironmentState.ENDED,
)
_NEXT, _RUN, _ANSWER = EnvironmentEvent.NEXT, EnvironmentEvent.RUN, EnvironmentEvent.ANSWER

__all__ = ["ExecutionEnvironment", "Platform"]


class ExecutionEnvironment:
    """See the module. ``state`` is only changed through the lifecycle's table."""

    __slots__ = (
        "_cpu_held", "_deadline", "_handle", "_init_overrun", "_init_seconds", "_invocation", "_layers_root", "_log", "_monotonic", "_now",
        "_owner", "_platform", "_provisioned", "_run_started", "_session", "_start", "_started", "_stream", "_task_root", "_timer",
        "frozen", "last_used", "state", "version",
    )  # fmt: skip

    def __init__(
        self,
        platform: Platform,
        owner: "EnvironmentOwner[ExecutionEnvironment]",
        version: FunctionVersion,
        task_root: Path,
        layers_root: Path | None = None,
        *,
        provisioned: bool = False,
    ) -> None:
        """``provisioned``: it is started before anybody calls, and is told so."""
        self._platform = platform
        self._provisioned = provisioned
        self._owner = owner
        self._task_root = task_root
        self._layers_root = layers_root
        self.version = version
        self.state = EnvironmentState.INIT
        self._session = RuntimeSession(self)
        # Bound once: they are called for every invocation.
        self._monotonic, self._now = platform.clock.monotonic, platform.clock.now
        self._handle: SandboxedEnvironment | None = None
        self._invocation: Invocation | None = None
        self._log = EnvironmentLog(platform, version)
        self._stream = self._log.stream
        self._start: asyncio.Task[object] | None = None
        now = platform.clock.monotonic()
        self.last_used = now
        self._started = now
        self._run_started = now
        self._init_seconds: float | None = None
        self._init_overrun = False
        self._deadline = now + platform.limits.init_seconds
        self._timer: Timer | None = None
        self.frozen = False
        """Only ever while it is ready."""
        self._cpu_held = False

    # its beginning

    async def start(self) -> None:
        """Have the sandbox start it. Failure is reported to the owner, not raised; cancelling it ends it."""
        if self.state is not _INIT:
            self._never_started()
            return
        self._start = asyncio.current_task()
        self._arm(self._platform.clock.monotonic())
        try:
            handle = await self._platform.sandbox.start(self._start_request())
        except SandboxError as error:
            structlog.get_logger("midge.invoke").error("environment could not be started", error=str(error))
            self._never_started()
            return
        except BaseException:
            self._never_started()
            raise
        finally:
            self._start = None
        self._handle = handle
        if self.state >= _RESET:
            handle.kill()
        else:
            self._log.attach(handle)
            self._platform.watch.add(self)

    def _start_request(self) -> StartRequest:
        credentials = session_credentials(self.version, self._platform.ids.hex32, self._platform.session_secret)
        variables = function_variables(self.version, self._log.stream.name, credentials, provisioned=self._provisioned)
        return StartRequest(
            runtime=self.version.runtime,
            handler=self.version.handler,
            task_root=self._task_root,
            layers_root=self._layers_root,
            environment=variables,
            memory_size_mb=self.version.memory_size_mb,
            ephemeral_storage_mb=self.version.ephemeral_storage_mb,
            runtime_api=lambda: RuntimeConnection(self._session, self._platform.limits),
            on_output=self._on_output,
            on_exit=self._on_exit,
        )

    # an invocation

    def run(self, invocation: Invocation) -> None:
        """Hand an invocation to the runtime. Raises IllegalMoveError unless it is ready."""
        self.state = follow(self.state, _RUN)
        now, wall = self._monotonic(), self._now()
        timeout = self.version.timeout_seconds
        self._invocation = invocation
        self._run_started = now
        self._deadline = now + timeout
        if self._timer is None:
            self._arm(now)
        if self.frozen:
            self._thaw()
        if invocation.tail:
            self._log.begin_tail()
        request_id = invocation.request_id
        self._stream.start(wall, request_id)
        self._session.send(request_id, invocation.event_head(int((wall + timeout) * 1000)), invocation.payload)

    def runtime_responded(self, payload: bytes) -> None:
        if self.state is _BUSY:
            self._answer(payload, None)

    def runtime_failed(self, error_type: str, payload: bytes) -> None:
        if self.state is _BUSY:
            self._answer(payload, outcomes.reported(error_type, payload))

    def runtime_streams(self, content_type: bytes, source: StreamSource) -> StreamedResponse | None:
        invocation = self._invocation
        if self.state is not _BUSY or invocation is None:
            return None
        return invocation.stream(source, content_type, self._platform.clock, self._platform.limits)

    def runtime_broke_off(self) -> None:
        grace = self._platform.limits.broken_stream_grace_seconds
        self._platform.clock.call_later(grace, self._session.give_up_stream)

    def runtime_ready(self) -> None:
        if self.state >= _RESET:
            return
        first = self.state is _INIT
        if first:
            self.last_used = self._monotonic()
            self._init_seconds = self.last_used - self._started
            self._disarm()
        elif self._cpu_held:
            self._release_cpu()
        self.state = follow(self.state, _NEXT)
        self._owner.environment_ready(self, first=first)

    def runtime_gone(self) -> None:
        if self.state is not _READY:
            return
        self.state = follow(self.state, EnvironmentEvent.HANG_UP)
        if self.frozen:
            self._thaw()
        now = self._platform.clock.monotonic()
        self._deadline = now + self.version.timeout_seconds
        self._owner.environment_hung_up(self)
        self._arm(now)

    def _answer(self, payload: bytes, fault: Fault | None) -> None:
        self.state = follow(self.state, _ANSWER)
        now = self.last_used = self._monotonic()
        self._owner.environment_answered(self)
        self._finish(payload, fault, now - self._run_started)

    def _finish(self, payload: bytes, fault: Fault | None, seconds: float) -> None:
        """The invocation has ended: its log lines, its figures, its answer. In that order, and once."""
        invocation, self._invocation = self._invocation, None
        assert invocation is not None
        if invocation.sink is not None:
            invocation.close_stream()
        end = InvocationEnd(self._now(), invocation.request_id, seconds, None, self._init_seconds)
        self._init_seconds = None
        log = self._log
        tail = log.tail
        if fault is not None or tail is not None:
            log.complete(end, fault, by_platform=fault is not None and self.state is not _ANSWERED)
            log.tail = None
        self._stream.end(end)
        timed_out = fault is not None and fault.timed_out
        self._owner.invocation_ended(invocation, seconds, error=fault is not None, timed_out=timed_out)
        invocation.done(
            Outcome(
                payload,
                invocation.target.executed_version,
                None if fault is None else "Unhandled",
                None if tail is None else log.render_tail(end, tail),
                None if fault is None else fault.error_type,
            )
        )

    # between its invocations, and in long ones

    def attend(self, now: float) -> bool:
        """See ``Watched``."""
        handle, limits = self._handle, self._platform.limits
        if self.state >= _RESET or handle is None:
            return False
        if self.state is _READY:
            if now - self.last_used < limits.freeze_after_seconds:
                return True
            self.frozen = True
            handle.freeze()
            return False
        if self.state is not _INIT and not self._cpu_held and now - self._run_started >= limits.cpu_burst_seconds:
            self._cpu_held = True
            handle.hold_cpu()
        return True

    def _thaw(self) -> None:
        self.frozen = False
        if self._handle is not None:
            self._handle.thaw()
        self._platform.watch.add(self)

    def _release_cpu(self) -> None:
        self._cpu_held = False
        if self._handle is not None:
            self._handle.release_cpu()

    # its output

    def _on_output(self, data: bytes) -> None:
        self._log.output(data, invoking=self.state is _BUSY)

    # its deadline

    def _arm(self, now: float) -> None:
        self._disarm()
        self._timer = self._platform.clock.call_later(max(0.0, self._deadline - now), self._time_is_up)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        """The timer is not moved with every invocation, whose deadline is never before that of the one before."""
        self._timer = None
        state = self.state
        if state is _READY or state >= _RESET:
            return
        now = self._platform.clock.monotonic()
        if now < self._deadline:
            self._arm(now)
        elif state is _INIT and not self._init_overrun:
            # Init has had its own time; it goes on inside the time that the function has.
            self._init_overrun = True
            self._deadline = now + self.version.timeout_seconds
            self._arm(now)
        else:
            self._timed_out(state, now)

    def _timed_out(self, state: EnvironmentState, now: float) -> None:
        seconds = now - self._run_started
        self._leave(EnvironmentEvent.FAULT)
        moment = iso_time(self._platform.clock.now())
        timeout = self.version.timeout_seconds
        if state is _BUSY:
            assert self._invocation is not None
            fault = outcomes.timed_out(self._invocation.request_id.decode(), timeout, moment)
            self._finish(fault.payload, fault, seconds)
        elif state is _INIT:
            self._report_init("timeout", None)
            invocation = self._owner.init_failed()
            if invocation is None:
                self._kill()
                return
            fault = outcomes.timed_out(invocation.request_id.decode(), timeout, moment)
            self._fail(invocation, fault)
        self._kill()

    # its end

    def stop(self) -> None:
        """End it, whatever it does. Its owner hears of it through the usual calls; an invocation in it fails."""
        if self.state >= _RESET:
            return
        invocation, self._invocation = self._invocation, None
        self._leave(EnvironmentEvent.STOP)
        if invocation is not None:
            invocation.close_stream()
            self._owner.invocation_ended(invocation, 0.0, error=True, timed_out=False)
            invocation.done(outcomes.service_failure("The execution environment was shut down."))
        self._kill()

    def runtime_init_failed(self, error_type: str, payload: bytes) -> None:
        if self.state is not _INIT:
            return
        self._leave(EnvironmentEvent.FAULT)
        if self._handle is not None:
            self._handle.drain_output()
        self._report_init("error", error_type)
        invocation = self._owner.init_failed()
        if invocation is not None:
            self._fail(invocation, outcomes.reported(error_type, payload))
        self._kill()

    def _on_exit(self, end: ProcessExit) -> None:
        invocation = self._invocation
        if invocation is not None and invocation.sink is not None and self._session.connections:
            # What it has streamed may be behind the news of its end.
            self._platform.clock.call_later(self._platform.limits.exit_drain_seconds, self._exited, end)
        else:
            self._exited(end)

    def _exited(self, end: ProcessExit) -> None:
        before = self.state
        if before is _ENDED:
            return
        now = self._platform.clock.monotonic()
        self._leave(EnvironmentEvent.EXIT)
        if before is _BUSY:
            assert self._invocation is not None
            fault = outcomes.exited(self._invocation.request_id.decode(), end)
            self._finish(fault.payload, fault, now - self._run_started)
        elif before is _INIT:
            self._report_init("error", "Runtime.OutOfMemory" if end.out_of_memory else "Runtime.ExitError")
            invocation = self._owner.init_failed()
            if invocation is not None:
                self._fail(invocation, outcomes.exited(invocation.request_id.decode(), end))
        self._gone()

    def _never_started(self) -> None:
        before = self.state
        if before is _ENDED:
            return
        self._leave(EnvironmentEvent.EXIT)
        if before is _INIT and (invocation := self._owner.init_failed()) is not None:
            self._owner.invocation_ended(invocation, 0.0, error=True, timed_out=False)
            invocation.done(outcomes.service_failure())
        self._gone()

    def _fail(self, invocation: Invocation, fault: Fault) -> None:
        """End an invocation that waited for this environment and never ran in it."""
        clock = self._platform.clock
        self._invocation = invocation
        self._init_seconds = None
        if invocation.tail:
            self._log.begin_tail_of_init()
        self._stream.start(clock.now(), invocation.request_id)
        self._finish(fault.payload, fault, clock.monotonic() - self._started)

    def _report_init(self, status: str, error_type: str | None) -> None:
        phase = "invoke" if self._init_overrun else "init"
        self._log.report_init(self._monotonic() - self._started, phase, status, error_type)

    def _leave(self, event: EnvironmentEvent) -> None:
        before = self.state
        self.state = follow(before, event)
        self._disarm()
        if before < _RESET:
            self._owner.environment_left(self, before)

    def _kill(self) -> None:
        if self._handle is not None:
            self._handle.kill()
        elif self._start is not None:
            self._start.cancel()
        self._owner.environment_discarded(self)

    def _gone(self) -> None:
        self._log.detach()
        self._owner.environment_ended(self)
