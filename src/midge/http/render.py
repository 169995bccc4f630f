"""Answers as bytes: heads for whole responses, and the one-piece answer of an invocation."""

from datetime import UTC, datetime
from http import HTTPStatus

from midge.clock import Clock
from midge.invoke.outcome import Outcome
from midge.wire.messages import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(seconds: float) -> bytes:
    """Mon, 23 Nov 2026 19:00:00 GMT, whatever the locale."""
    moment = datetime.fromtimestamp(seconds, UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment:%d} {month} {moment:%Y %H:%M:%S} GMT".encode()


class Renderer:
    """Renders answers; remembers the current second's date."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._date = b""

    def date(self) -> bytes:
        """Now, for the Date header."""
        second = int(self._clock.now())
        if second != self._second:
            self._second = second
            self._date = http_date(second)
        return self._date

    def outcome(self, outcome: Outcome, request_id: bytes, trace_id: bytes, *, keep_alive: bool) -> bytes:
        """The head of an invocation's answer."""
        head = (
            b"HTTP/1.1 200 OK\r\nDate: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
            b"x-amzn-RequestId: %b\r\nX-Amz-Executed-Version: %b\r\nX-Amzn-Trace-Id: %b\r\n"
            % (self.date(), len(outcome.payload), request_id, outcome.executed_version, trace_id)
        )
        if outcome.function_error is not None:
            head += b"X-Amz-Function-Error: %b\r\n" % outcome.function_error.encode()
        if outcome.log_tail is not None:
            head += b"X-Amz-Log-Result: %b\r\n" % outcome.log_tail
        if not keep_alive:
            head += b"Connection: close\r\n"
        return head + b"\r\n"

    def event_stream_head(
        self, request_id: bytes, trace_id: bytes, executed_version: bytes, *, chunked: bool, keep_alive: bool
    ) -> bytes:
        """The head of the answer of InvokeWithResponseStream."""
        head = (
            b"HTTP/1.1 200 OK\r\nDate: %b\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
            b"x-amzn-RequestId: %b\r\nX-Amz-Executed-Version: %b\r\nX-Amzn-Trace-Id: %b\r\n"
            % (self.date(), request_id, executed_version, trace_id)
        )
        if chunked:
            head += b"Transfer-Encoding: chunked\r\n"
        if not keep_alive:
            head += b"Connection: close\r\n"
        return head + b"\r\n"

    def function_url_head(
        self,
        status: int,
        headers: list[tuple[str, str]],
        request_id: bytes,
        trace_id: bytes,
        *,
        framing: bytes,
        keep_alive: bool,
    ) -> bytes:
        """The head of an answer at a function URL, of ``headers`` that HTTP can carry. ``framing`` is the header that
        says where the body ends; empty where there is none, or where the connection's end is its end.
        """
        lines = [b"HTTP/1.1 %d %b" % (status, _REASONS.get(status, b"Unknown")), b"Date: " + self.date()]
        lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
        lines += [b"x-amzn-RequestId: " + request_id, b"X-Amzn-Trace-Id: " + trace_id]
        if framing:
            lines.append(framing)
        if not keep_alive:
            lines.append(b"Connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def response(self, response: Response, request_id: bytes, *, keep_alive: bool, head_only: bool = False) -> bytes:
        """A whole response, with what the listener adds. Header values with line breaks are cut at the first."""
        lines = [
            b"HTTP/1.1 %d %b" % (response.status, _REASONS.get(response.status, b"Unknown")),
            b"Date: " + self.date(),
        ]
        names: set[str] = set()
        for name, value in response.headers.items():
            names.add(name.lower())
            lines.append(f"{name}: {value}".split("\r")[0].split("\n")[0].encode("latin-1", "replace"))
        if "x-amzn-requestid" not in names:
            lines.append(b"x-amzn-RequestId: " + request_id)
        if response.status not in {204, 304}:
            lines.append(b"Content-Length: %d" % len(response.body))
        if not keep_alive:
            lines.append(b"Connection: close")
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        return head if head_only or response.status in {204, 304} else head + response.body
