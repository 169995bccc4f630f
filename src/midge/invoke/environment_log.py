"""What one execution environment says in its log stream: its invocations, its output, and how its initialisation failed.

Keeps the end of the log of an invocation whose caller asked for it, and of what was written while there was none. Knows
no state: who owns the environment says what happened.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html and
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (LogResult)
"""

import base64

from midge.invoke.outcome import Fault
from midge.invoke.platform import Platform
from midge.model.functions import FunctionVersion
from midge.observe.log_records import (
    InitReport,
    InvocationEnd,
    InvocationStart,
    LogStyle,
    Note,
    end_messages,
    iso_time,
    start_message,
)
from midge.observe.logs import LogStream
from midge.sandbox.port import SandboxedEnvironment


class EnvironmentLog:
    """See the module. ``stream`` is where it goes; ``handle`` is the sandbox's side once there is one."""

    __slots__ = ("_clock", "_limit", "_output_outside", "handle", "stream", "tail")

    def __init__(self, platform: Platform, version: FunctionVersion) -> None:
        self._clock = platform.clock
        self._limit = platform.limits.log_tail_bytes
        self._output_outside = b""
        self.handle: SandboxedEnvironment | None = None
        self.tail: list[bytes] | None = None
        """What the running invocation has written, if its caller wants the end of it."""
        self.stream = _open_stream(platform, version)

    def attach(self, handle: SandboxedEnvironment) -> None:
        """The sandbox has started it."""
        self.handle = handle
        self.stream.memory_peak_bytes = handle.memory_peak_bytes

    def detach(self) -> None:
        """Its process is gone."""
        self.stream.memory_peak_bytes = None

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

    def render_tail(self, end: InvocationEnd, output: list[bytes]) -> bytes:
        """The end of an invocation's log, in base64."""
        style = self.stream.style
        start = start_message(InvocationStart(end.time - end.duration_seconds, end.request_id), style)
        text = b"".join([(start or "").encode(), *output])
        if not text.endswith(b"\n"):
            text += b"\n"
        return base64.b64encode((text + "".join(end_messages(end, style)).encode())[-self._limit :])

    def report_init(self, seconds: float, phase: str, status: str, error_type: str | None) -> None:
        """Initialisation failed in ``phase`` (init or invoke) with ``status`` (error or timeout)."""
        self.stream.add(InitReport(self._clock.now(), seconds, phase, status, error_type))


def _open_stream(platform: Platform, version: FunctionVersion) -> LogStream:
    day = iso_time(platform.clock.now())[:10].replace("-", "/")
    style = LogStyle(
        version=version.version,
        memory_size_mb=version.memory_size_mb,
        json_format=version.logging.format == "JSON",
        system_level=version.logging.system_level or "INFO",
    )
    return platform.logs.open(version.logging.group, f"{day}/[{version.version}]{platform.ids.hex32()}", style)
