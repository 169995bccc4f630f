"""A response on its way from a runtime to a caller that takes it part by part.

Holds the pace: AWS lets the first 6 MB through as they come and the rest at 2 MB a second, and a caller that reads
slower than that makes the runtime wait. A caller that leaves does not stop the function; what it still sends is thrown
away. Knows no sockets: both sides are protocols.
Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
"""

from typing import Protocol

from midge.clock import Clock, Timer
from midge.model.limits import Limits
from midge.runtime_api.session import StreamSource


class ResponseSink(Protocol):
    """The caller of an invocation that takes the response part by part; the end is told by the invocation's ``done``.

    A response that was not streamed comes with ``done`` alone.
    """

    def begin(self, response: "StreamedResponse", content_type: bytes, executed_version: bytes) -> None:
        """The response begins; ``content_type`` is the function's, empty where it has none."""
        ...

    def write(self, data: bytes) -> None:
        """A part, at least one byte long."""
        ...


class StreamedResponse:
    """See the module. Made when the first part is there; ``close`` when the invocation has ended."""

    def __init__(self, source: StreamSource, sink: ResponseSink, clock: Clock, limits: Limits) -> None:
        self._source = source
        self._sink: ResponseSink | None = sink
        self._clock = clock
        self._rate = limits.streamed_bytes_per_second
        self._free_bytes = limits.streamed_burst_bytes
        self.passed_bytes = 0
        """What has come of the response so far."""
        self._due = 0.0
        self._timer: Timer | None = None
        self._held_back = False
        self._paused = False
        self._closed = False

    # the runtime's side

    def feed(self, data: bytes) -> None:
        """Pass on a part, and let the next one wait as long as it must."""
        self.passed_bytes += len(data)
        sink = self._sink
        if sink is not None:
            sink.write(data)
        beyond = len(data) - self._free_bytes
        if beyond <= 0:
            self._free_bytes -= len(data)
            return
        self._free_bytes = 0
        now = self._clock.monotonic()
        self._due = max(self._due, now) + beyond / self._rate
        if self._timer is None:
            self._timer = self._clock.call_later(self._due - now, self._on_time)
            self._settle()

    def close(self) -> None:
        """The invocation has ended: nothing is held back any more."""
        self._closed = True
        self._sink = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._settle()

    # the caller's side

    def pause(self) -> None:
        """The caller reads slower than the runtime writes."""
        self._held_back = True
        self._settle()

    def resume(self) -> None:
        """The caller has caught up."""
        self._held_back = False
        self._settle()

    def abandon(self) -> None:
        """The caller is gone."""
        self._sink = None
        self.resume()

    def _on_time(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        if self._due > now:
            self._timer = self._clock.call_later(self._due - now, self._on_time)
        self._settle()

    def _settle(self) -> None:
        paused = not self._closed and (self._held_back or self._timer is not None)
        if paused is not self._paused:
            self._paused = paused
            if paused:
                self._source.pause_reading()
            else:
                self._source.resume_reading()
