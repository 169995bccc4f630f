"""What one execution environment says in its log stream: its invocations, its output, and how its initialisation failed.

Keeps the end of the log of an invocation whose caller asked for it, and of what was written while there was none. Knows
no state: who owns the environment says what happened.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html and
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (LogResult)
"""

import base64
import socket

from midge.invoke.environment_telemetry import EnvironmentTelemetry
from midge.invoke.outcome import Fault
from midge.invoke.platform import Platform
from midge.model.functions import FunctionVersion
from midge.model.logs import LogGroupId
from midge.model.telemetry import TelemetrySubscription
from midge.observe import telemetry_events
from midge.observe.log_frames import unframed
from midge.observe.log_records import (
    ExtensionInit,
    InitReport,
    InvocationEnd,
    InvocationStart,
    LogStyle,
    Note,
    PlatformEvent,
    Subscription,
    end_messages,
    iso_time,
    start_message,
)
from midge.observe.logs import LogStream
from midge.sandbox.port import SandboxedEnvironment


class EnvironmentLog:
    """See the module. ``stream`` is where it goes; ``handle`` is the sandbox's side once there is one."""

    __slots__ = (
        "_clock",
        "_initialised",
        "_limit",
        "_output_outside",
        "_phase",
        "_platform",
        "_provisioned",
        "_runtime_done",
        "_started",
        "_version",
        "handle",
        "stream",
        "tail",
        "telemetry",
    )  # fmt: skip

    def __init__(self, platform: Platform, version: FunctionVersion, *, provisioned: bool, phase: str) -> None:
        """``phase``, init or invoke, is that of its initialisation."""
        self._platform = platform
        self._version = version
        self._clock = platform.clock
        self._started = platform.clock.now()
        self._phase = phase
        self._provisioned = provisioned
        self._initialised = self._runtime_done = False
        self._limit = platform.limits.log_tail_bytes
        self._output_outside = b""
        self.handle: SandboxedEnvironment | None = None
        self.tail: list[bytes] | None = None
        """What the running invocation has written, if its caller wants the end of it."""
        self.telemetry: EnvironmentTelemetry | None = None
        """What subscribers are told, once there are some or may be."""
        self.stream = _open_stream(platform, version)
        named, runtime = (version.function.name, version.version), version.runtime
        kind = _init_type(version, provisioned=provisioned)
        start = telemetry_events.init_start(self._started, init_type=kind, phase=phase, version=named, runtime=runtime)
        if phase != "restore":
            self._tell(start, "INFO")

    def attach(self, handle: SandboxedEnvironment) -> None:
        """The sandbox has started it."""
        self.handle = handle
        self.stream.memory_peak_bytes = handle.memory_peak_bytes

    def detach(self) -> None:
        """Its process is gone."""
        self.stream.memory_peak_bytes = None
        if self.telemetry is not None:
            self.telemetry.close()

    def drain(self) -> None:
        """Take what has been written by now: an invocation's output stands before its END."""
        if self.handle is not None:
            self.handle.drain_output()

    def begin_tail(self) -> None:
        """Collect from now on; what earlier invocations wrote is not this one's."""
        if self.handle is not None:
            self.handle.drain_output()
        self.tail = []

    def begin_tail_of_init(self) -> None:
        """Collect for an invocation that fails because initialisation did: why is in what has been written."""
        self.tail = [self._output_outside]

    def output(self, data: bytes, *, invoking: bool) -> None:
        """The environment wrote ``data``; ``invoking`` while an invocation runs in it."""
        now = self._clock.now()
        if self.tail is not None:
            self.tail.append(data)
        elif not invoking:
            self._output_outside = (self._output_outside + data)[-self._limit :]
        self.stream.output(now, data)
        if self.telemetry is not None:
            self.telemetry.output("function", data)

    def complete(self, end: InvocationEnd, fault: Fault | None, *, by_platform: bool) -> None:
        """What takes time and is only wanted when somebody looks at the log now, or when there is no later.

        ``by_platform``: the platform noticed the fault; it was not the function that reported it.
        """
        if fault is not None:
            # Text REPORT lines name the faults that the platform noticed; an exception in a handler is its own.
            end.status = "timeout" if fault.timed_out else "error"
            end.error_type = fault.error_type
            end.by_platform = by_platform
        if self.handle is not None and (by_platform or self.tail is not None):
            self.handle.drain_output()
            end.memory_bytes = self.handle.memory_peak_bytes()
        if fault is not None and fault.log_line is not None:
            self.stream.add(Note(end.time, fault.log_line))
            if self.tail is not None:
                self.tail.append(fault.log_line.encode())
            if self.telemetry is not None:
                self.telemetry.fault(fault.log_line)

    def render_tail(self, end: InvocationEnd, output: list[bytes]) -> bytes:
        """The end of an invocation's log, in base64."""
        style = self.stream.style
        start = start_message(InvocationStart(end.time - end.duration_seconds, end.request_id), style)
        text = (start or "").encode() + unframed(b"".join(output))
        if not text.endswith(b"\n"):
            text += b"\n"
        return base64.b64encode((text + "".join(end_messages(end, style)).encode())[-self._limit :])

    def report_init(self, seconds: float, status: str, error_type: str | None) -> None:
        """Initialisation failed with ``status`` (error or timeout)."""
        now, kind = self._clock.now(), _init_type(self._version, provisioned=self._provisioned)
        if self._phase != "restore":
            self._end_runtime_init(status, error_type)
        self.stream.add(InitReport(now, seconds, self._phase, status, error_type, kind))
        if self.telemetry is not None:
            self.telemetry.init_over(status, seconds, error_type)

    def runtime_initialised(self) -> None:
        """The runtime has asked for its first event."""
        if self._phase != "restore":
            self._end_runtime_init("success", None)
        if self.telemetry is not None:
            self.telemetry.runtime_initialised("success", None)

    def initialised(self, seconds: float) -> None:
        """Initialisation is over, for the runtime and for all extensions."""
        self._initialised = True
        if self._phase == "restore":
            self.report_init(seconds, "success", None)
            return
        kind = _init_type(self._version, provisioned=self._provisioned)
        report = telemetry_events.init_report(
            self._clock.now(), init_type=kind, phase=self._phase, status="success", seconds=seconds, error_type=None
        )
        self._tell(report, "INFO" if self._provisioned else "DEBUG")
        if self.telemetry is not None:
            self.telemetry.init_over("success", seconds, None)

    def _end_runtime_init(self, status: str, error_type: str | None) -> None:
        if self._runtime_done:
            return
        self._runtime_done = True
        now, kind = self._clock.now(), _init_type(self._version, provisioned=self._provisioned)
        done = telemetry_events.init_runtime_done(
            now, init_type=kind, phase=self._phase, status=status, error_type=error_type
        )
        self._tell(done, "DEBUG" if status == "success" else "WARN")

    def _tell(self, event: telemetry_events.TelemetryEvent, level: str) -> None:
        """Say a step of initialisation where the system's events are in the log."""
        if self.stream.style.json_format:
            self.stream.add(PlatformEvent(event.time, event.kind, event.record, level))

    # extensions

    def expect_subscribers(self) -> None:
        """Keep what happens for those who may subscribe."""
        version = self._version
        if self.telemetry is None:
            self.telemetry = EnvironmentTelemetry(
                self._platform,
                self.stream.style,
                self._open_socket,
                _init_type(self._version, provisioned=self._provisioned),
                self._phase,
            )
            self.telemetry.begin(self._started, (version.function.name, version.version), version.runtime)

    async def _open_socket(self) -> socket.socket:
        if self.handle is None:
            raise ConnectionResetError("the environment is not there yet")
        return await self.handle.open_socket()

    def subscribe(self, subscription: TelemetrySubscription) -> bool:
        """Tell an extension of telemetry from now on; False when it is too late for that."""
        if self._initialised:
            return False
        self.expect_subscribers()
        assert self.telemetry is not None
        known = subscription.extension in self.telemetry.subscribers
        if not self.telemetry.subscribe(subscription):
            return False
        state = "Already subscribed" if known else "Subscribed"
        record = Subscription(
            self._clock.now(), subscription.extension, state, subscription.types, subscription.logs_api
        )
        self.stream.add(record)
        return True

    def extension_output(self, data: bytes) -> None:
        """Extensions wrote ``data``."""
        if self.tail is not None:
            self.tail.append(data)
        self.stream.output(self._clock.now(), data, framed=False)
        if self.telemetry is not None:
            self.telemetry.output("extension", data)

    def extension(self, name: str, state: str, events: tuple[str, ...], error_type: str | None) -> None:
        """How an extension stands at the end of initialisation."""
        self.stream.add(ExtensionInit(self._clock.now(), name, state, events, error_type))
        if self.telemetry is not None:
            self.telemetry.extension(name, state, events, error_type)


def _init_type(version: FunctionVersion, *, provisioned: bool) -> str:
    if version.restored:
        return "snap-start"
    return "provisioned-concurrency" if provisioned else "on-demand"


def _open_stream(platform: Platform, version: FunctionVersion) -> LogStream:
    day = iso_time(platform.clock.now())[:10].replace("-", "/")
    style = LogStyle(
        version=version.version,
        memory_size_mb=version.memory_size_mb,
        json_format=version.logging.format == "JSON",
        system_level=version.logging.system_level or "INFO",
        application_level=version.logging.application_level or "INFO",
    )
    function = version.function
    group = LogGroupId(account=function.account, region=function.region, name=version.logging.group)
    return platform.logs.open(group, f"{day}/[{version.version}]{platform.ids.hex32()}", style)
