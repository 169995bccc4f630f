"""What the subscribers of one environment are told of its initialisation and its invocations, in order.

Remembers the invocation that runs, as its events name it.
Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

from collections.abc import Mapping

from midge.invoke.invocation import Invocation
from midge.invoke.platform import Platform
from midge.model.telemetry import TelemetrySubscription
from midge.observe import telemetry_events as events
from midge.observe.log_records import InvocationEnd, LogStyle
from midge.observe.telemetry import Subscriber, Telemetry, TelemetrySurroundings
from midge.observe.telemetry_sinks import OpenSocket


class EnvironmentTelemetry:
    """See the module."""

    __slots__ = ("_clock", "_init_type", "_phase", "_request_id", "_runtime_done", "_style", "_telemetry", "_tracing")

    def __init__(
        self, platform: Platform, style: LogStyle, open_socket: OpenSocket, init_type: str, phase: str
    ) -> None:
        self._clock = platform.clock
        self._style = style
        self._init_type = init_type
        self._phase = phase
        self._request_id = ""
        self._tracing: dict[str, str] = {}
        self._runtime_done = False
        surroundings = TelemetrySurroundings(
            clock=platform.clock,
            limits=platform.limits,
            budget=platform.telemetry_budget,
            open_socket=open_socket,
            start_task=platform.tasks.start,
        )
        self._telemetry = Telemetry(surroundings, style)

    def begin(self, time: float, version: tuple[str, str], runtime: str) -> None:
        """Initialisation began at ``time``; ``version`` is the function's name and version."""
        self._telemetry.emit(
            events.init_start(time, init_type=self._init_type, phase=self._phase, version=version, runtime=runtime)
        )

    @property
    def subscribers(self) -> Mapping[str, Subscriber]:
        """By the extension's name."""
        return self._telemetry.subscribers

    def subscribe(self, subscription: TelemetrySubscription) -> bool:
        """Begin to deliver; False when it is too late, or the extension has subscribed through the other API."""
        return self._telemetry.subscribe(subscription)

    def runtime_initialised(self, status: str, error_type: str | None) -> None:
        """The runtime has asked for its first event, or never will."""
        if not self._runtime_done:
            self._runtime_done = True
            now, kind, phase = self._clock.now(), self._init_type, self._phase
            self._telemetry.emit(
                events.init_runtime_done(now, init_type=kind, phase=phase, status=status, error_type=error_type)
            )

    def init_over(self, status: str, seconds: float, error_type: str | None) -> None:
        """Initialisation is over."""
        self._telemetry.end_lines()
        self.runtime_initialised(status, error_type)
        now, kind, phase = self._clock.now(), self._init_type, self._phase
        self._telemetry.emit(
            events.init_report(now, init_type=kind, phase=phase, status=status, seconds=seconds, error_type=error_type)
        )
        self._telemetry.initialised()

    def extension(self, name: str, state: str, registered: tuple[str, ...], error_type: str | None) -> None:
        """How an extension stands at the end of initialisation."""
        self._telemetry.emit(events.extension(self._clock.now(), name, state, registered, error_type))

    def invoke(self, invocation: Invocation) -> None:
        """An invocation begins."""
        self._request_id = invocation.request_id.decode()
        self._tracing = {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id.decode()}
        version = invocation.target.executed_version.decode()
        self._telemetry.emit(events.start(self._clock.now(), self._request_id, version, self._tracing))

    def runtime_done(self, status: str, seconds: float, produced_bytes: int | None) -> None:
        """The runtime has answered the invocation, or never will."""
        self._telemetry.end_lines()
        self._telemetry.emit(
            events.runtime_done(
                self._clock.now(),
                self._request_id,
                status=status,
                seconds=seconds,
                produced_bytes=produced_bytes,
                tracing=self._tracing,
            )
        )

    def report(self, end: InvocationEnd) -> None:
        """The invocation is over."""
        self._telemetry.emit(events.end(end.time, self._request_id))
        self._telemetry.emit(events.report(end, self._style, self._tracing))

    def fault(self, line: str) -> None:
        """The platform has ended the environment, and says why."""
        self._telemetry.emit(events.fault(self._clock.now(), line))

    def output(self, stream: str, data: bytes) -> None:
        """The function or an extension (``stream``) wrote ``data``."""
        self._telemetry.output(stream, data)

    def flush(self) -> None:
        """Deliver what there is."""
        self._telemetry.end_lines()
        self._telemetry.flush()

    @property
    def pending(self) -> bool:
        """Whether something is still to be delivered."""
        return self._telemetry.pending

    def close(self) -> None:
        """The environment is gone."""
        self._telemetry.close()
