"""One environment's telemetry: hears what happens, keeps it for those who subscribe, and delivers it in batches.

What happens during initialisation is kept until that is over, for those who subscribe before. Each subscriber has a
buffer and a task that empties it; one that does not take what it is given loses what finds no place, and is told how
much. Knows nothing of invocations' answers.
Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from midge.clock import Clock, Timer, pause
from midge.model.limits import Limits
from midge.model.telemetry import TelemetrySubscription
from midge.observe import telemetry_events as events
from midge.observe.log_frames import FrameSplitter
from midge.observe.log_records import LogStyle
from midge.observe.telemetry_buffer import FALLEN_BEHIND, TelemetryBudget, TelemetryBuffer
from midge.observe.telemetry_events import TelemetryEvent
from midge.observe.telemetry_sinks import OpenSocket, Sink, SinkError

_log = structlog.get_logger("midge.telemetry")
StartTask = Callable[[Coroutine[Any, Any, None]], object]


class Subscriber:
    """One subscription: its buffer and its sink. ``run`` is its task."""

    def __init__(
        self, subscription: TelemetrySubscription, sink: Sink, surroundings: "TelemetrySurroundings", style: LogStyle
    ) -> None:
        clock, limits = surroundings.clock, surroundings.limits
        self.subscription = subscription
        self._buffer = TelemetryBuffer(subscription.buffering, surroundings.budget)
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

    def miss(self, stream: str, records: int, size_bytes: int) -> None:
        """Count lines of output that are not told."""
        if stream in self.subscription.types:
            self._buffer.dropped_records += records
            self._buffer.dropped_bytes += size_bytes

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
        self._buffer.clear()
        if self._task is not None:
            self._task.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySurroundings:
    """What telemetry is given: ``open_socket`` makes sockets inside the environment, ``start_task`` owns tasks."""

    clock: Clock
    limits: Limits
    budget: TelemetryBudget
    open_socket: OpenSocket
    start_task: StartTask


class Telemetry:
    """See the module."""

    def __init__(self, surroundings: TelemetrySurroundings, style: LogStyle) -> None:
        self._surroundings = surroundings
        self._clock = surroundings.clock
        self._limits = surroundings.limits
        self._style = style
        self._early: list[TelemetryEvent] | None = []
        """None once initialisation is over."""
        self._early_bytes = 0
        self._early_dropped = 0
        self._partial = {"function": b"", "extension": b""}
        self._frames = FrameSplitter(self._limits.telemetry_line_bytes)
        self._second = self._clock.monotonic()
        self._lines_this_second = 0
        self.subscribers: dict[str, Subscriber] = {}

    def subscribe(self, subscription: TelemetrySubscription) -> bool:
        """Begin to deliver; False when it is too late, or the extension has subscribed through the other API."""
        known = self.subscribers.get(subscription.extension)
        if self._early is None or (known is not None and known.subscription.logs_api != subscription.logs_api):
            return False
        if known is None:
            sink = Sink(subscription, self._surroundings.open_socket, self._limits.telemetry_reply_bytes)
            subscriber = Subscriber(subscription, sink, self._surroundings, self._style)
            self.subscribers[subscription.extension] = subscriber
            self._surroundings.start_task(subscriber.run())
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
            self._keep_early(self._early, event)
        for subscriber in self.subscribers.values():
            subscriber.hear(event)

    def _keep_early(self, early: list[TelemetryEvent], event: TelemetryEvent) -> None:
        size = len(event.record) if isinstance(event.record, str) else 0
        if len(early) < self._limits.telemetry_early_events and (
            self._early_bytes + size <= self._limits.telemetry_early_bytes
        ):
            early.append(event)
            self._early_bytes += size
        else:
            self._early_dropped += 1

    def output(self, stream: str, data: bytes) -> None:
        """The function or an extension (``stream``) wrote ``data``: an event for each line, up to so many a second.

        A message that the function's runtime client framed is one event.
        """
        if self._early is None and not self.subscribers:
            return
        if stream != "function":
            self._text(stream, data)
            return
        for part in self._frames.feed(data):
            if isinstance(part, bytes):
                self._text(stream, part)
            else:
                self._message(stream, part.message)

    def _message(self, stream: str, message: bytes) -> None:
        if self._lines_left():
            self._lines_this_second += 1
            self._line(stream, message.removesuffix(b"\n"))
        else:
            for subscriber in self.subscribers.values():
                subscriber.miss(stream, 1, len(message))

    def _text(self, stream: str, data: bytes) -> None:
        data = self._partial[stream] + data
        *lines, rest = data.split(b"\n", self._lines_left())
        self._lines_this_second += len(lines)
        if b"\n" in rest:
            rest = self._skip(stream, rest)
        if len(rest) > self._limits.telemetry_line_bytes:
            lines.append(rest)
            rest = b""
        self._partial[stream] = rest
        for line in lines:
            self._line(stream, line)

    def _lines_left(self) -> int:
        now = self._clock.monotonic()
        if now - self._second >= 1.0:
            self._second = now
            self._lines_this_second = 0
        return max(0, self._limits.telemetry_lines_per_second - self._lines_this_second)

    def _skip(self, stream: str, data: bytes) -> bytes:
        """Tell nobody of whole lines; returns what begins the next one."""
        skipped, _, rest = data.rpartition(b"\n")
        for subscriber in self.subscribers.values():
            subscriber.miss(stream, skipped.count(b"\n") + 1, len(skipped))
        return rest

    def end_lines(self) -> None:
        """What was written without a line's end is a line now."""
        self._partial["function"] += self._frames.flush()
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
