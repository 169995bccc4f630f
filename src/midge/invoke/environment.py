"""One execution environment: its sandbox, its runtime, the invocation that runs in it and its deadline.

Serves one invocation at a time and only its own function version. Every way in is a callback on the event loop's
thread; the one task is the start of the sandbox, owned by the pool. Knows nothing of who waits for an environment
and why: that is the pool's.
Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import asyncio
from pathlib import Path

import structlog

from midge.invoke import outcome as outcomes
from midge.invoke.deadline import Deadline
from midge.invoke.environment_log import EnvironmentLog
from midge.invoke.extensions import EnvironmentExtensions, TooManyExtensionsError
from midge.invoke.images import launch_line
from midge.invoke.invocation import Invocation
from midge.invoke.lifecycle import EnvironmentEvent, EnvironmentState, follow
from midge.invoke.outcome import Failure, Fault
from midge.invoke.platform import EnvironmentOwner, Platform
from midge.invoke.processor import ProcessorTime
from midge.invoke.restoring import fail_restoration
from midge.invoke.running import RunningInvocation
from midge.invoke.starting import init_limit_seconds, init_phase, start_request
from midge.invoke.streaming import StreamedResponse
from midge.model.functions import FunctionVersion
from midge.observe.log_records import iso_time
from midge.runtime_api.session import RuntimeSession, StreamSource
from midge.sandbox.port import LaunchError, ProcessExit, SandboxedEnvironment, SandboxError, StartRequest

_INIT, _READY = EnvironmentState.INIT, EnvironmentState.READY
_BUSY, _ANSWERED = EnvironmentState.BUSY, EnvironmentState.ANSWERED
_RESET, _ENDED = EnvironmentState.RESET, EnvironmentState.ENDED
_NEXT, _RUN, _ANSWER = EnvironmentEvent.NEXT, EnvironmentEvent.RUN, EnvironmentEvent.ANSWER
_FAULT, _EXIT = EnvironmentEvent.FAULT, EnvironmentEvent.EXIT

__all__ = ["ExecutionEnvironment", "Platform"]


class ExecutionEnvironment:
    """See the module. ``state`` is only changed through the lifecycle's table."""

    __slots__ = (
        "_companions", "_deadline", "_extensions", "_handle", "_layers_root", "_log", "_monotonic", "_now", "_owner", "_platform",
        "_processor", "_provisioned", "_running", "_runtime_ended", "_session", "_start", "_started", "_task_root", "bound",
        "last_used", "state", "version",
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
        bound: Invocation | None = None,
    ) -> None:
        """``provisioned``: it is started before anybody calls, and is told so.

        ``bound``: initialising it is part of this invocation (AWS's suppressed init), because another one could not be.
        """
        self._platform = platform
        self._provisioned = provisioned
        self._owner = owner
        self._task_root = task_root
        self._layers_root = layers_root
        self.version = version
        self.bound = bound
        self.state = EnvironmentState.INIT
        self._session = RuntimeSession(self, snap_start=version.restored)
        # Bound once: they are called for every invocation.
        self._monotonic, self._now = platform.clock.monotonic, platform.clock.now
        self._handle: SandboxedEnvironment | None = None
        self._log = EnvironmentLog(
            platform, version, provisioned=provisioned, phase=init_phase(version, bound=bound is not None)
        )
        self._running = RunningInvocation(platform, self._log, owner)
        self._extensions = EnvironmentExtensions(platform, version, self._log, self)
        self._companions = self._extensions.session.all
        self._runtime_ended = False
        self._start: asyncio.Task[object] | None = None
        now = self.last_used = self._started = platform.clock.monotonic()
        limit = init_limit_seconds(platform, version, provisioned=provisioned, within_invocation=bound is not None)
        self._deadline = Deadline(platform.clock, now + limit, self._time_is_up)
        self._processor = ProcessorTime(platform.limits)

    # its beginning

    async def start(self) -> None:
        """Have the sandbox start it. Failure is reported to the owner, not raised; cancelling it ends it."""
        if self.state is not _INIT:
            self._never_started()
            return
        self._start = asyncio.current_task()
        self._deadline.arm(self._monotonic())
        try:
            handle = await self._platform.snapshots.start(
                self._platform, self.version, self._start_request(), self._task_root, self._layers_root
            )
        except TooManyExtensionsError:
            self._init_failed(_EXIT, outcomes.process_failed("Extension.LaunchError", "ErrTooManyExtensions"))
            self._gone()
            return
        except LaunchError as error:
            self._on_output(launch_line(self.version, str(error)))
            self._init_failed(_EXIT, outcomes.process_failed(error.error_type, str(error)))
            self._gone()
            return
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
            self._processor.handle = handle
            self._log.attach(handle)
            self._extensions.attach(handle)
            self._platform.watch.add(self)

    def _start_request(self) -> StartRequest:
        """Raises TooManyExtensionsError."""
        return start_request(
            self._platform, self.version, self._task_root, self._layers_root, self._log, self._session, self._extensions,
            provisioned=self._provisioned, on_output=self._on_output, on_exit=self._on_exit,
        )  # fmt: skip

    def runtime_ready(self) -> None:
        if self.state >= _RESET:
            return
        if self.state is _INIT:
            self._extensions.session.close_registration()
            self._log.runtime_initialised()
        if self._companions and self._extensions.session.missing(initialising=self.state is _INIT):
            return  # it is ready when they are: see extension_waits
        self._become_ready()

    def _become_ready(self) -> None:
        first = self.state is _INIT
        if first:
            self.last_used = self._monotonic()
            seconds = self.last_used - self._started
            if self.bound is None:
                self._running.initialised(seconds, restored=self.version.restored)
                self._deadline.disarm()
            self._extensions.report()
            self._log.initialised(seconds)
        elif self._processor.held:
            self._processor.release()
        self.state = follow(self.state, _NEXT)
        self._owner.environment_ready(self, first=first)

    # an invocation

    def run(self, invocation: Invocation) -> None:
        """Hand an invocation to the runtime. Raises IllegalMoveError unless it is ready."""
        self.state = follow(self.state, _RUN)
        now, wall = self._monotonic(), self._now()
        started, timeout = now, self.version.timeout_seconds
        if self.bound is not None:
            self.bound, started = None, self._started
            timeout -= now - started
        self._deadline.at = now + timeout
        if self._deadline.timer is None:
            self._deadline.arm(now)
        if self._processor.frozen:
            self._wake_up()
        self._running.begin(invocation, wall, started)
        deadline_ms = int((wall + timeout) * 1000)
        if self._companions:
            self._extensions.invoke(invocation, deadline_ms)
        self._session.send(invocation.request_id, invocation.event_head(deadline_ms), invocation.payload)

    def runtime_responded(self, payload: bytes) -> None:
        if self.state is _BUSY:
            self._answer(payload, None)

    def runtime_failed(self, error_type: str, payload: bytes) -> None:
        if self.state is _BUSY:
            self._answer(payload, outcomes.reported(error_type, payload))

    def runtime_streams(self, content_type: bytes, source: StreamSource) -> StreamedResponse | None:
        invocation = self._running.invocation
        if self.state is not _BUSY or invocation is None:
            return None
        return invocation.stream(source, content_type, self._platform.clock, self._platform.limits)

    def runtime_broke_off(self) -> None:
        grace = self._platform.limits.broken_stream_grace_seconds
        self._platform.clock.call_later(grace, self._session.give_up_stream)

    def extension_waits(self) -> None:
        """An extension asks for its next event: maybe it was the last for which the environment waited."""
        if self.state not in (_INIT, _ANSWERED) or self._extensions.session.missing(initialising=self.state is _INIT):
            return
        if self._running.invocation is not None:
            self._running.finish_told(None)
        if self._session.waiting is not None:
            self._become_ready()

    def extension_gone(self) -> None:
        if self._extensions.session.missing(initialising=False):
            self.runtime_gone()

    def runtime_gone(self) -> None:
        if self.state is not _READY:
            return
        self.state = follow(self.state, EnvironmentEvent.HANG_UP)
        if self._processor.frozen:
            self._wake_up()
        now = self._monotonic()
        self._deadline.at = now + self.version.timeout_seconds
        self._owner.environment_hung_up(self)
        self._deadline.arm(now)

    def _answer(self, payload: bytes, fault: Fault | None) -> None:
        self.state = follow(self.state, _ANSWER)
        now = self.last_used = self._monotonic()
        self._owner.environment_answered(self)
        running = self._running
        if self._log.telemetry is not None:
            running.runtime_done("success" if fault is None else "error", len(payload))
        if self._companions and self._extensions.session.missing(initialising=False):
            running.tell(payload, fault)
        else:
            running.finish(payload, fault, now - running.started, by_platform=False)

    # between its invocations, and in long ones

    @property
    def frozen(self) -> bool:
        """Whether it stands still until its next event."""
        return self._processor.frozen

    @property
    def memory_peak_bytes(self) -> int | None:
        """The most that it has used so far; None where nobody counts."""
        return None if self._handle is None else self._handle.memory_peak_bytes()

    def attend(self, now: float) -> bool:
        """See ``Watched``."""
        if self.state >= _RESET:
            return False
        if self.state is _READY:
            return self._processor.rest(now - self.last_used)
        if self.state is not _INIT:
            self._processor.work(now - self._running.started)
        return True

    def _wake_up(self) -> None:
        self._processor.thaw()
        self._platform.watch.add(self)

    # its output, and its deadline

    def _on_output(self, data: bytes) -> None:
        self._log.output(data, invoking=self.state is _BUSY)

    def _time_is_up(self) -> None:
        if self.state is _READY or self.state >= _RESET:
            return
        failure = outcomes.time_is_up(self.version.timeout_seconds, iso_time(self._now()))
        self._fail(_FAULT, failure)
        self._end("timeout")

    # its end

    def stop(self) -> None:
        """End it, whatever it does. Its owner hears of it through the usual calls; an invocation in it fails."""
        if self.state >= _RESET:
            return
        invocation, self._running.invocation = self._running.invocation or self.bound, None
        told = self.state is _ANSWERED
        self._leave(EnvironmentEvent.STOP)
        if invocation is not None:
            invocation.close_stream()
            self._owner.invocation_ended(invocation, 0.0, error=True, timed_out=False)
            if not told:
                invocation.done(outcomes.service_failure("The execution environment was shut down."))
        self._end("spindown")

    def runtime_restorable(self, port: int) -> bool:
        del port  # it has been restored
        self._running.resumed = self._monotonic()
        return True

    def runtime_init_failed(self, error_type: str, payload: bytes) -> None:
        if self.state is not _INIT:
            return
        if self._handle is not None:
            self._handle.drain_output()
        self._break(outcomes.init_reported(error_type, payload))

    runtime_restore_failed = runtime_init_failed

    def process_failed(self, error_type: str, text: str) -> None:
        """A process of an extension has ended, or could not be started."""
        self._break(outcomes.process_failed(error_type, text))

    def runtime_ended(self, end: ProcessExit) -> None:
        """The runtime's process has ended beside extensions that go on."""
        self._runtime_ended = True
        self._break(outcomes.runtime_exited(end, self._extensions.fatal))

    def _break(self, failure: Failure) -> None:
        if self.state < _RESET:
            self._fail(_FAULT, failure)
            self._end("failure")

    def _on_exit(self, end: ProcessExit) -> None:
        invocation = self._running.invocation
        if invocation is not None and invocation.sink is not None and self._session.connections:
            # What it has streamed may be behind the news of its end.
            self._platform.clock.call_later(self._platform.limits.exit_drain_seconds, self._exited, end)
        else:
            self._exited(end)

    def _exited(self, end: ProcessExit) -> None:
        if self.state is not _ENDED:
            self._fail(_EXIT, outcomes.runtime_exited(end, self._extensions.fatal))
            self._gone()

    def _fail(self, event: EnvironmentEvent, failure: Failure) -> None:
        """It is of no more use after ``event``; its initialisation, or an invocation in it, has failed."""
        if self.state is _INIT:
            self._init_failed(event, failure)
            return
        told, running = self.state is not _BUSY, self._running
        self._leave(event)
        if running.invocation is None:
            return
        fault = failure.fault_of(running.invocation.request_id.decode())
        if told:
            running.finish_told(fault)
            return
        running.runtime_done("timeout" if fault.timed_out else "failure", None)
        running.finish(fault.payload, fault, self._monotonic() - running.started, by_platform=True)

    def _init_failed(self, event: EnvironmentEvent, failure: Failure) -> None:
        """In its own time that means another attempt for an invocation that waits, as a part of it; else it fails."""
        self._leave(event)
        self._extensions.report()
        self._log.report_init(self._monotonic() - self._started, failure.status, failure.error_type)
        if self.version.restored:
            fail_restoration(self._owner, self._running, failure, self._now())
        elif self.bound is None:
            self._owner.init_failed(self)
        else:
            self._running.fail(self.bound, failure.fault_of(self.bound.request_id.decode()), self._now())

    def _never_started(self) -> None:
        before = self.state
        if before is _ENDED:
            return
        self._leave(_EXIT)
        if before is _INIT and (invocation := self.bound or self._owner.give_up()) is not None:
            self._owner.invocation_ended(invocation, 0.0, error=True, timed_out=False)
            invocation.done(outcomes.service_failure())
        self._gone()

    def _leave(self, event: EnvironmentEvent) -> None:
        before = self.state
        self.state = follow(before, event)
        self._deadline.disarm()
        if before < _RESET:
            self._owner.environment_left(self, before)

    def _end(self, reason: str) -> None:
        """End its processes; ``reason`` is what extensions are told."""
        if self._handle is None:
            if self._start is not None:
                self._start.cancel()
        elif self._companions:
            if self._processor.frozen:
                self._processor.thaw()
            self._extensions.shut_down(self._handle, reason, runtime_ended=self._runtime_ended)
        else:
            self._handle.kill()
        self._owner.environment_discarded(self)

    @property
    def lingering(self) -> bool:
        """Whether its extensions are being given time to end."""
        return self.state is not _ENDED and self._extensions.lingering

    def _gone(self) -> None:
        self._extensions.forget()
        self._log.detach()
        self._owner.environment_ended(self)
