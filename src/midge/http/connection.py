"""One HTTP/1.1 connection to the AWS endpoint, on ``asyncio.Protocol`` with httptools.

Requests are answered in order, one at a time; what is pipelined behind is parsed, kept and bounded. An invocation
costs neither a task nor a future: it is begun by a plain call and answered by a callback. A client that goes away does
not stop its invocation; the answer is dropped. Who answers is decided when the head is complete, so that requests to
other services are streamed. Knows nothing of functions beyond the route to the invoke path.
"""

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import httptools
import structlog

from midge.api.invocations import NO_PARAMETERS, InvokeParameters, payload_too_large, refuse_unsupported
from midge.http import refusals
from midge.http.exchange import Exchange, Kind, Known
from midge.http.gate import Gate, refuse_head
from midge.http.render import CONTINUE
from midge.invoke.outcome import DRY_RUN, Outcome
from midge.model.errors import ServiceError
from midge.wire.messages import Response

if TYPE_CHECKING:
    from midge.http.listener import Listener

_EXPECT, _AUTHORIZATION = Known.EXPECT, Known.AUTHORIZATION
_TENANT, _DURABLE = Known.TENANT_ID, Known.DURABLE_EXECUTION_NAME
_TYPE, _LOG, _CONTEXT, _TRACE = Known.INVOCATION_TYPE, Known.LOG_TYPE, Known.CLIENT_CONTEXT, Known.TRACE_ID
_INVOKE, _RELAY, _INTERNAL = Kind.INVOKE, Kind.RELAY, Kind.INTERNAL
_JOINED_BYTES = 64 * 1024
_INTERNAL_BODY_BYTES = 64 * 1024
_NOTHING: Final = Exchange()
"""Stands for "no request is being received"; never changed."""
_TRAILERS: Final[deque[tuple[bytes, bytes]]] = deque(maxlen=0)
"""Takes the headers behind a chunked body, which nobody reads, and keeps none."""


class AwsEndpoint(asyncio.Protocol):
    """See the module. Made by ``Listener.protocols``."""

    def __init__(self, listener: "Listener", gate: Gate) -> None:
        self._listener = listener
        self._answerers = listener.answerers
        self._limits = listener.answerers.limits
        self._gate = gate
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._incoming = _NOTHING
        self._receiving = False
        self._headers: list[tuple[bytes, bytes]] | deque[tuple[bytes, bytes]] = _TRAILERS
        self._current: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._head_bytes = 0
        self._segments = 0
        self._broken = False
        self._client_done = False
        self._writing_paused = False
        self._mark: tuple[object, int, float] = (None, -1, 0.0)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._gate.open += 1
        stream = cast("asyncio.Transport", transport)
        if self._gate.open > self._gate.limit:
            stream.abort()
            return
        self._transport = stream
        self._listener.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._gate.open -= 1
        self._transport = None
        self._listener.closed(self)
        current, self._current = self._current, None
        self._queue.clear()
        if current is not None and current.relayed is not None:
            current.relayed.abort()

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        self._segments += 1
        if not self._incoming.body_limit:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.request_headers_bytes + len(data):
                self._break(refusals.head_too_large())
                return
        self._feed(data)

    def eof_received(self) -> bool:
        """A client that has closed its side of an unfinished answer still reads it, and all that it has asked for."""
        self._client_done = True
        current = self._current
        if current is not None and not current.complete:
            self.abort()  # a request to another service whose body will never be whole
            return False
        return current is not None

    def pause_writing(self) -> None:
        self._writing_paused = True
        if self._current is not None and self._current.relayed is not None:
            self._current.relayed.pause_writing()

    def resume_writing(self) -> None:
        self._writing_paused = False
        current = self._current
        if current is None:
            self._next()
        elif current.relayed is not None:
            current.relayed.resume_writing()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Not taken up: an HTTP/1.1 answer is what the client then expects.
            self._parser = httptools.HttpRequestParser(self)
            rest = data[upgrade.args[0] :]
            if rest:
                self._feed(rest)
        except httptools.HttpParserCallbackError:
            self.abort()
            raise
        except httptools.HttpParserError:
            self._break(refusals.malformed())

    # httptools's side

    def on_message_begin(self) -> None:
        exchange = self._incoming = Exchange()
        self._receiving = True
        self._headers = exchange.headers

    def on_url(self, url: bytes) -> None:
        self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        exchange, limits, names = self._incoming, self._limits, self._gate.names
        known = exchange.known
        for name, value in exchange.headers:
            place = names.get(name)
            if place is None:
                place = self._gate.learn(name)
            if place >= 0:
                known[place] = value
        self._headers = _TRAILERS
        head_bytes, self._head_bytes = self._head_bytes, 0
        exchange.method = self._parser.get_method()
        authorization = known[_AUTHORIZATION]
        if authorization is not None:
            exchange.scope = self._answerers.scope(authorization)
        kind = exchange.kind = self._answerers.routes.kind(exchange.method, exchange.url, exchange.scope)
        if kind is _INVOKE:
            exchange.body_limit = limits.payload_bytes
        else:
            exchange.body_limit = _INTERNAL_BODY_BYTES if kind is _INTERNAL else limits.api_body_bytes
        exchange.refused = refuse_head(exchange, head_bytes, limits, self._answerers.hosts, inside=self._gate.inside)
        if kind is _RELAY or known[_EXPECT] is not None:
            self._begin_body(exchange)

    def on_body(self, body: bytes) -> None:
        exchange = self._incoming
        if exchange.relayed is not None:
            exchange.relayed.feed(body)
            return
        size = exchange.body_size = exchange.body_size + len(body)
        if size > exchange.body_limit:
            self._overflow(exchange)
        elif size == len(body):
            exchange.body = body
        elif exchange.refused is None:
            exchange.add_body(body)

    def on_message_complete(self) -> None:
        exchange = self._incoming
        self._incoming = _NOTHING
        self._receiving = False
        exchange.complete = True
        # HTTP/1.0 would want to be told that the connection stays open; it is simpler to close it.
        exchange.keep_alive = self._parser.should_keep_alive() and self._parser.get_http_version() != "1.0"
        if self._current is None and not self._writing_paused:
            self._start(exchange)
        elif self._current is exchange:
            assert exchange.relayed is not None
            exchange.relayed.finish()
        else:
            self._wait(exchange)

    # receiving

    def _begin_body(self, exchange: Exchange) -> None:
        """Let the client send the body where it waits to be told so; open the stream to another service."""
        idle = self._current is None and not self._writing_paused
        if exchange.refused is not None or not idle or self._transport is None:
            return
        expect = exchange.known[_EXPECT]
        if expect is not None and expect.lower() == b"100-continue":
            self._transport.write(CONTINUE)
        if exchange.kind is _RELAY:
            self._current = exchange
            self._open_relay(exchange)

    def _overflow(self, exchange: Exchange) -> None:
        """A body above its limit is read to its end, so that the client can read why it is refused, up to a point."""
        if exchange.refused is None:
            limit = exchange.body_limit
            exchange.refused = (
                self._answerers.render_error(payload_too_large(limit))
                if exchange.kind is _INVOKE
                else refusals.body_too_large(limit)
            )
            exchange.body, exchange.chunks = b"", None
        if exchange.body_size > self._limits.api_body_bytes + exchange.body_limit:
            self._break(exchange.refused)

    def _wait(self, exchange: Exchange) -> None:
        if len(self._queue) >= self._limits.pipelined_requests:
            self._break(refusals.too_many_pipelined())
            return
        self._queue.append(exchange)
        if self._transport is not None:
            self._transport.pause_reading()

    def _break(self, last: Response) -> None:
        """Nothing that comes is understood any more: answer what was, then ``last``, then close."""
        if self._broken or self._transport is None:
            return
        self._broken = True
        self._transport.pause_reading()
        self._incoming = _NOTHING
        self._receiving = False
        exchange = Exchange()
        exchange.refused = last
        exchange.keep_alive = False
        if self._current is None:
            self._start(exchange)
        elif not self._current.complete:
            self.abort()
        else:
            self._queue.append(exchange)

    # answering

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        exchange.request_id = self._answerers.ids.request_id()
        if exchange.refused is not None:
            self._answer(exchange, exchange.refused)
        elif exchange.kind is _INVOKE:
            self._invoke(exchange)
        elif exchange.kind is _RELAY:
            self._open_relay(exchange)
        else:
            self._listener.tasks.start(self._handle(exchange))

    def _invoke(self, exchange: Exchange) -> None:
        answerers, known = self._answerers, exchange.known
        exchange.trace_id = known[_TRACE] or answerers.ids.trace_id(answerers.clock.now())
        kind, log, context, tenant = known[_TYPE], known[_LOG], known[_CONTEXT], known[_TENANT]
        parameters = NO_PARAMETERS
        if kind is not None or log is not None or context is not None or tenant is not None:
            parameters = InvokeParameters(kind, log, context, tenant)
        try:
            if known[_DURABLE] is not None:
                refuse_unsupported()
            function, qualifier = answerers.routes.function(exchange.url, exchange.scope)
            body = exchange.body if exchange.chunks is None else exchange.whole_body()
            done = partial(self._invoked, exchange)
            answerers.invocations.invoke(
                function,
                qualifier,
                body,
                parameters,
                request_id=exchange.request_id,
                trace_id=exchange.trace_id,
                done=done,
            )
        except ServiceError as error:
            self._answer(exchange, answerers.render_error(error))

    def _invoked(self, exchange: Exchange, result: Outcome | ServiceError) -> None:
        transport = self._transport
        if transport is None or self._current is not exchange:
            return
        if isinstance(result, ServiceError):
            self._answer(exchange, self._answerers.render_error(result))
            return
        if result is DRY_RUN:
            self._answer(exchange, Response(status=204))
            return
        head = self._listener.renderer.outcome(
            result, exchange.request_id, exchange.trace_id, keep_alive=exchange.keep_alive
        )
        payload = result.payload
        if len(payload) <= _JOINED_BYTES:
            transport.write(head + payload)
        else:
            transport.write(head)
            transport.write(payload)
        self._finish(exchange)

    async def _handle(self, exchange: Exchange) -> None:
        request = exchange.as_request()
        try:
            if exchange.kind is _INTERNAL:
                response = await self._answerers.internal(request)
            else:
                response = await self._answerers.api(request, exchange.scope)
        except ServiceError as error:
            response = self._answerers.render_error(error)
        except Exception:  # noqa: BLE001 - the one place where an operation's mistake becomes an answer
            structlog.get_logger("midge.http").exception("request failed", method=request.method, path=request.path)
            response = refusals.internal_error()
        self._answer(exchange, response)

    def _open_relay(self, exchange: Exchange) -> None:
        relay, rewrite, transport = self._answerers.relay, self._answerers.rewrite_head, self._transport
        if relay is None or rewrite is None or transport is None:
            exchange.refused = refusals.no_such_service()
            if exchange.complete:
                self._answer(exchange, exchange.refused)
            else:
                self._current = None
            return
        head = rewrite(exchange.method, exchange.url, exchange.headers)
        exchange.relayed = relay.open(head, transport, partial(self._relayed, exchange))
        body, exchange.body = exchange.whole_body(), b""
        if body:
            exchange.relayed.feed(body)
        if exchange.complete:
            exchange.relayed.finish()

    def _relayed(self, exchange: Exchange, usable: bool) -> None:
        if self._current is exchange:
            exchange.keep_alive = exchange.keep_alive and usable and exchange.complete
            self._finish(exchange)

    def _answer(self, exchange: Exchange, response: Response) -> None:
        transport = self._transport
        if transport is None or self._current is not exchange:
            return
        transport.write(
            self._listener.renderer.response(
                response,
                exchange.request_id or self._answerers.ids.request_id(),
                keep_alive=exchange.keep_alive,
                head_only=exchange.method == b"HEAD",
            )
        )
        self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        self._current = None
        if not exchange.keep_alive or (self._client_done and not self._queue):
            if self._transport is not None:
                self._transport.close()
        elif self._queue:
            self._next()

    def _next(self) -> None:
        if self._writing_paused or self._transport is None:
            return
        if self._queue:
            exchange = self._queue.popleft()
            if not self._queue and not self._broken:
                self._transport.resume_reading()
            self._start(exchange)

    # pace

    def check_pace(self, now: float) -> None:
        """End the connection if the client has been too slow. Called every few seconds."""
        if self._current is not None and not self._writing_paused:
            return
        incoming, limits = self._incoming, self._limits
        mark, segments, since = self._mark
        if mark is not incoming or (not self._receiving and segments != self._segments):
            self._mark = (incoming, self._segments, now)
            return
        waited = now - since
        if self._writing_paused or not self._receiving:
            if waited > limits.idle_connection_seconds:
                self.abort()
        elif waited > (limits.request_body_seconds if incoming.body_limit else limits.request_head_seconds):
            self._break(refusals.too_slow())

    def abort(self) -> None:
        """End the connection at once."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
