"""A response that goes to a client as it comes: its framing on the connection, and the client's pace back to the function.

Also the answer of InvokeWithResponseStream, which is such a response as events.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

from typing import TYPE_CHECKING

import msgspec

from midge.http.exchange import Exchange
from midge.http.heads import LAST_CHUNK, chunk
from midge.http.ports import ErrorRenderer
from midge.http.render import Renderer
from midge.invoke.outcome import DRY_RUN, Outcome
from midge.invoke.streaming import StreamedResponse
from midge.model.errors import ServiceError
from midge.wire import event_stream
from midge.wire.messages import Response

if TYPE_CHECKING:
    from midge.http.connection import AwsEndpoint

_PAYLOAD_CHUNK = event_stream.event_headers("PayloadChunk", "application/octet-stream")
_INVOKE_COMPLETE = event_stream.event_headers("InvokeComplete", "application/json")
_JOINED_BYTES = 16 * 1024
"""Above this a part is not copied to stand beside its framing."""


class ClientStream:
    """The client's end. ``open`` is the head that goes before the first part; nothing is sent to a client that left."""

    def __init__(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self._response: StreamedResponse | None = None
        self._head = b""
        self.chunked = exchange.protocol != "HTTP/1.0"
        """Otherwise the end of the connection is the end of the answer, whether it is whole or not."""
        self.opened = False
        exchange.streamed = self

    # the connection's side

    def abort(self) -> None:
        """The client is gone."""
        if self._response is not None:
            self._response.abandon()

    def pause_writing(self) -> None:
        """The client reads slower than the function writes."""
        if self._response is not None:
            self._response.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._response is not None:
            self._response.resume()

    # the answer's side

    def attach(self, response: StreamedResponse) -> None:
        """What comes from now on is ``response``."""
        self._response = response
        if not self._connection.awaits(self._exchange):
            response.abandon()
        elif self._connection.writing_paused:
            response.pause()

    def discard(self) -> None:
        """What comes from now on is of no interest."""
        if self._response is not None:
            self._response.abandon()
            self._response = None

    def open(self, head: bytes) -> None:
        """``head`` goes out with the first part, or with ``flush``."""
        self.opened = True
        self._head = head

    def write(self, data: bytes) -> None:
        """A part, at least one byte long."""
        if len(data) <= _JOINED_BYTES:
            self._put(chunk(data) if self.chunked else data)
            return
        transport = self._connection.transport
        if transport is not None and self._connection.awaits(self._exchange):
            head, self._head = self._head, b""
            transport.writelines((b"%b%x\r\n" % (head, len(data)), data, b"\r\n") if self.chunked else (head, data))

    def flush(self) -> None:
        """Send the head now, if it has not been sent."""
        if self._head:
            self._put(b"")

    def end(self) -> None:
        """The answer is whole."""
        self._put(LAST_CHUNK if self.chunked else b"")
        self._finish()

    def cut(self) -> None:
        """The answer will never be whole: end the connection, which is how the client can tell."""
        self.flush()
        self._exchange.keep_alive = False
        self._finish()

    def end_without_body(self) -> None:
        """The answer is whole with its head."""
        self.flush()
        self._finish()

    def _put(self, data: bytes) -> None:
        transport = self._connection.transport
        if transport is not None and self._connection.awaits(self._exchange):
            head, self._head = self._head, b""
            transport.write(head + data)

    def _finish(self) -> None:
        self._response = None
        if self._connection.awaits(self._exchange):
            self._connection.finish(self._exchange)


class EventStreamAnswer:
    """The answer of InvokeWithResponseStream; see ``ResponseSink``."""

    def __init__(
        self, connection: "AwsEndpoint", exchange: Exchange, renderer: Renderer, render_error: ErrorRenderer
    ) -> None:
        self._connection = connection
        self._exchange = exchange
        self._renderer = renderer
        self._render_error = render_error
        self._client = ClientStream(connection, exchange)

    def begin(self, response: StreamedResponse, content_type: bytes, executed_version: bytes) -> None:
        del content_type  # of the payload, which has no place among events
        self._client.attach(response)
        self._open(executed_version)

    def write(self, data: bytes) -> None:
        self._client.write(event_stream.frame(_PAYLOAD_CHUNK, data))

    def done(self, result: Outcome | ServiceError) -> None:
        """The invocation has ended."""
        client = self._client
        if isinstance(result, ServiceError):
            if not client.opened:
                self._connection.answer(self._exchange, self._render_error(result))
                return
            self._complete({"ErrorCode": result.code, "ErrorDetails": result.message})
        elif result is DRY_RUN:
            self._connection.answer(self._exchange, Response(status=204))
        else:
            self._end(result)

    def _end(self, outcome: Outcome) -> None:
        fields: dict[str, str] = {}
        if not self._client.opened:
            self._open(outcome.executed_version)
        if outcome.function_error is not None:
            fields["ErrorCode"] = outcome.error_type or outcome.function_error
            fields["ErrorDetails"] = outcome.payload.decode("utf-8", "replace")
        elif outcome.payload:
            self.write(outcome.payload)
        if outcome.log_tail is not None:
            fields["LogResult"] = outcome.log_tail.decode("ascii")
        self._complete(fields)

    def _open(self, executed_version: bytes) -> None:
        exchange = self._exchange
        self._client.open(
            self._renderer.event_stream_head(
                exchange.request_id,
                exchange.trace_id,
                executed_version,
                chunked=self._client.chunked,
                keep_alive=exchange.keep_alive,
            )
        )

    def _complete(self, fields: dict[str, str]) -> None:
        self._client.write(event_stream.frame(_INVOKE_COMPLETE, msgspec.json.encode(fields)))
        self._client.end()
