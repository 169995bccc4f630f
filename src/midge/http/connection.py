"""One HTTP/1.1 connection to the AWS endpoint, on ``asyncio.Protocol`` with httptools.

Requests are answered in order, one at a time; what is pipelined behind is parsed, kept and bounded. Who answers is
decided when the head is complete, so that requests to other services are streamed; how each kind is answered is the
business of ``answering``. A client that goes away does not stop its invocation; the answer is dropped.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import httptools

from midge.api.invocations import payload_too_large
from midge.http import refusals
from midge.http.exchange import Exchange, Kind, Known
from midge.http.gate import Gate, refuse_head
from midge.http.render import CONTINUE
from midge.wire.messages import Response

if TYPE_CHECKING:
    from midge.http.listener import Listener

_HOST, _EXPECT, _AUTHORIZATION = Known.HOST, Known.EXPECT, Known.AUTHORIZATION
_INVOKE, _RELAY, _INTERNAL = Kind.INVOKE, Kind.RELAY, Kind.INTERNAL
_EVENTS = frozenset({Kind.FUNCTION_URL, Kind.STREAM})
"""What is given to functions like an Invoke's payload."""
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
        self._answering = listener.answering
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
        if current is not None and (answer := current.paced) is not None:
            answer.abort()

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
        if self._current is not None and (answer := self._current.paced) is not None:
            answer.pause_writing()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._mark = (None, -1, 0.0)  # the client reads: it is not idle
        current = self._current
        if current is None:
            self._next()
        elif (answer := current.paced) is not None:
            answer.resume_writing()

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
        host = known[_HOST]
        kind = exchange.kind = self._answerers.routes.kind(exchange.method, exchange.url, exchange.scope, host)
        if kind is _INVOKE:
            exchange.body_limit = limits.payload_bytes
        elif kind in _EVENTS:
            exchange.body_limit = limits.payload_bytes
            exchange.protocol = "HTTP/" + self._parser.get_http_version()
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
            self._answering[_RELAY](self, exchange)

    def _overflow(self, exchange: Exchange) -> None:
        """A body above its limit is read to its end, so that the client can read why it is refused, up to a point."""
        if exchange.refused is None:
            limit = exchange.body_limit
            exchange.refused = (
                self._answerers.render_error(payload_too_large(limit))
                if exchange.kind is _INVOKE or exchange.kind in _EVENTS
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

    @property
    def transport(self) -> asyncio.Transport | None:
        """Where answers are written; None when the client has gone."""
        return self._transport

    @property
    def writing_paused(self) -> bool:
        """Whether the client reads slower than it is answered."""
        return self._writing_paused

    def awaits(self, exchange: Exchange) -> bool:
        """Whether the client is still there and ``exchange`` is what it waits for."""
        return self._current is exchange and self._transport is not None

    def put_off(self, exchange: Exchange) -> None:
        """Answer ``exchange``, whose body has not ended, when it has."""
        if self._current is exchange:
            self._current = None

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        exchange.request_id = self._answerers.ids.request_id()
        if exchange.refused is not None:
            self.answer(exchange, exchange.refused)
        else:
            self._answering[exchange.kind](self, exchange)

    def answer(self, exchange: Exchange, response: Response) -> None:
        """Write a whole response, unless the client has gone."""
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
        self.finish(exchange)

    def finish(self, exchange: Exchange) -> None:
        """The answer has been written: go on to the next request, or close."""
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
