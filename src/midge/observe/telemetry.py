"""One environment's telemetry: hears what happens, keeps it for those who subscribe, and delivers it in batches.

What happens during initialisation is kept until that is over, for those who subscribe before. Each subscriber has a
buffer and a task that empties it; one that does not take what it is given loses what finds no place, and is told how
much. Knows nothing of invocations' answers.
Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from midge.clock import Clock, Timer, pause
from midge.model.limits import Limits
from midge.model.telemetry import TelemetrySubscription
from midge.observe import telemetry_events as events
from midge.observe.log_records import LogStyle
from midge.observe.telemetry_buffer import FALLEN_BEHIND, TelemetryBuffer
from midge.observe.telemetry_events import TelemetryEvent
from midge.observe.telemetry_sinks import OpenSocket, Sink, SinkError

_log = structlog.get_logger("midge.telemetry")
StartTask = Callable[[Coroutine[Any, Any, None]], object]


class Subscriber:
    """One subscription: its buffer and its sink. ``run`` is its task."""

    def __init__(
        self, subscription: TelemetrySubscription, sink: Sink, clock: Clock, limits: Limits, style: LogStyle
    ) -> None:
        self.subscription = subscription
        self._buffer = TelemetryBuffer(subscription.buffering)
        self._sink = sink
        self._clock = clock
        self._limits = limits
        self._style = style
        self._timer: Timer | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[object] | None = None
        self._under_way = False
        self._closed = False

    def hear(self, event: TelemetryEvent) -> None:
        """Take an event, if it is wanted."""
        if not events.wanted(event, self.subscription):
            return
        self._buffer.add(events.render(event, self.subscription, json_format=self._style.json_format))
        if self._buffer.due:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.call_later(self.subscription.buffering.timeout_seconds, self.flush)

    def flush(self) -> None:
        """Deliver what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake.set()

    @property
    def pending(self) -> bool:
        """Whether something is still to be delivered."""
        return self._under_way or bool(len(self._buffer))

    async def run(self) -> None:
        """Deliver, until closed."""
        self._task = asyncio.current_task()
        try:
            while not self._closed:
                await self._wake.wait()
                self._wake.clear()
                while len(self._buffer):
                    self._under_way = True
                    batch = self._buffer.take()
                    await self._deliver(batch if len(self._buffer) else [*batch, *self._drops()])
                    self._under_way = False
        except asyncio.CancelledError:
            if not self._closed:
                raise
        finally:
            self._sink.close()

    async def _deliver(self, batch: list[bytes]) -> None:
        """Again and again, ever more slowly, as AWS does."""
        delay = self._limits.telemetry_retry_seconds
        while True:
            try:
                await self._sink.deliver(batch)
            except (OSError, SinkError) as error:
                _log.debug("telemetry was not delivered", extension=self.subscription.extension, reason=str(error))
            else:
                return
            await pause(self._clock, delay)
            delay = min(2 * delay, self._limits.telemetry_longest_retry_seconds)

    def _drops(self) -> list[bytes]:
        """The event that tells of what was dropped after all that is kept, if something was."""
        records, size_bytes = self._buffer.take_drops()
        if not records:
            return []
        _log.warning("telemetry dropped", extension=self.subscription.extension, records=records, bytes=size_bytes)
        event = events.dropped(self._clock.now(), records, size_bytes, FALLEN_BEHIND)
        wanted = events.wanted(event, self.subscription)
        return [events.render(event, self.subscription, json_format=False)] if wanted else []

    def close(self) -> None:
        """End its task."""
        self._closed = True
        self.flush()
        if self._task is not None:
            self._task.cancel()


class Telemetry:
    """See the module. ``open_socket`` makes sockets inside the environment; tasks are started by ``start_task``."""

    def __init__(
        self, clock: Clock, limits: Limits, style: LogStyle, open_socket: OpenSocket, start_task: StartTask
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._style = style
        self._open_socket = open_socket
        self._start_task = start_task
        self._early: list[TelemetryEvent] | None = []
        """None once initialisation is over."""
        self._early_dropped = 0
        self._partial = {"function": b"", "extension": b""}
        self.subscribers: dict[str, Subscriber] = {}

    def subscribe(self, subscription: TelemetrySubscription) -> bool:
        """Begin to deliver; False when it is too late, or the extension has subscribed through the other API."""
        known = self.subscribers.get(subscription.extension)
        if self._early is None or (known is not None and known.subscription.logs_api != subscription.logs_api):
            return False
        if known is None:
            sink = Sink(subscription, self._open_socket, self._limits.telemetry_reply_bytes)
            subscriber = Subscriber(subscription, sink, self._clock, self._limits, self._style)
            self.subscribers[subscription.extension] = subscriber
            self._start_task(subscriber.run())
            for event in self._early:
                subscriber.hear(event)
            if self._early_dropped:
                subscriber.hear(events.dropped(self._clock.now(), self._early_dropped, 0, FALLEN_BEHIND))
        state = "Subscribed" if known is None else "Already subscribed"
        self.emit(events.subscribed(self._clock.now(), subscription, state))
        return True

    def emit(self, event: TelemetryEvent) -> None:
        """Something has happened."""
        if self._early is not None:
            if len(self._early) < self._limits.telemetry_early_events:
                self._early.append(event)
            else:
                self._early_dropped += 1
        for subscriber in self.subscribers.values():
            subscriber.hear(event)

    def output(self, stream: str, data: bytes) -> None:
        """The function or an extension (``stream``) wrote ``data``: an event for each line."""
        lines = (self._partial[stream] + data).split(b"\n")
        self._partial[stream] = lines.pop()
        if len(self._partial[stream]) > self._limits.telemetry_line_bytes:
            lines.append(self._partial[stream])
            self._partial[stream] = b""
        for line in lines:
            self._line(stream, line)

    def end_lines(self) -> None:
        """What was written without a line's end is a line now."""
        for stream, data in self._partial.items():
            if data:
                self._partial[stream] = b""
                self._line(stream, data)

    def _line(self, stream: str, line: bytes) -> None:
        if line:
            self.emit(TelemetryEvent(self._clock.now(), stream, line.decode("utf-8", "replace")))

    def initialised(self) -> None:
        """Nobody may subscribe any more."""
        self._early = None

    def flush(self) -> None:
        """Deliver what there is."""
        for subscriber in self.subscribers.values():
            subscriber.flush()

    @property
    def pending(self) -> bool:
        """Whether something is still to be delivered."""
        return any(subscriber.pending for subscriber in self.subscribers.values())

    def close(self) -> None:
        """End all deliveries."""
        for subscriber in self.subscribers.values():
            subscriber.close()
