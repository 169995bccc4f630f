"""How each kind of request is answered, once it is its turn: begun by a plain call, finished through the connection.

An invocation costs neither a task nor a future: it is begun by a call and answered by a callback. Knows the order of
steps of each kind; the bytes of a connection are ``connection``'s.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from midge.api.invocations import NO_PARAMETERS, InvokeParameters, refuse_unsupported
from midge.http import refusals
from midge.http.exchange import Exchange, Kind, Known
from midge.http.function_urls import FunctionUrls
from midge.http.render import Renderer
from midge.http.response_streams import EventStreamAnswer
from midge.invoke.outcome import ACCEPTED, DRY_RUN, Done, Outcome
from midge.invoke.streaming import ResponseSink
from midge.model.errors import ServiceError
from midge.tasks import TaskOwner
from midge.wire.messages import Response

if TYPE_CHECKING:
    from midge.http.connection import AwsEndpoint
    from midge.http.listener import Answerers

_TENANT, _DURABLE = Known.TENANT_ID, Known.DURABLE_EXECUTION_NAME
_TYPE, _LOG, _CONTEXT, _TRACE = Known.INVOCATION_TYPE, Known.LOG_TYPE, Known.CLIENT_CONTEXT, Known.TRACE_ID
_JOINED_BYTES = 64 * 1024

Begin = Callable[["AwsEndpoint", Exchange], None]
"""Begins the answer to a request whose turn it is."""


def answering(answerers: "Answerers", renderer: Renderer, tasks: TaskOwner) -> tuple[Begin, ...]:
    """By ``Kind``: what begins the answer."""
    invoke, whole, relayed = _Invoke(answerers, renderer), _Whole(answerers, tasks), _Relayed(answerers)
    by_kind: dict[Kind, Begin] = {
        Kind.API: whole.begin,
        Kind.INVOKE: invoke.begin,
        Kind.INTERNAL: whole.begin,
        Kind.RELAY: relayed.begin,
        Kind.STREAM: invoke.begin_stream,
        Kind.SHARED: _Shared(answerers, whole, relayed).begin,
        Kind.FUNCTION_URL: FunctionUrls(answerers, answerers.function_urls, renderer, tasks).begin,
    }
    return tuple(by_kind[kind] for kind in Kind)


class _Invoke:
    """The operations Invoke and InvokeWithResponseStream."""

    def __init__(self, answerers: "Answerers", renderer: Renderer) -> None:
        self._answerers = answerers
        self._renderer = renderer

    def begin(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        self._begin(connection, exchange, partial(self._done, connection, exchange), None)

    def begin_stream(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        answer = EventStreamAnswer(connection, exchange, self._renderer, self._answerers.render_error)
        self._begin(connection, exchange, answer.done, answer)

    def _begin(self, connection: "AwsEndpoint", exchange: Exchange, done: Done, sink: ResponseSink | None) -> None:
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
            answerers.invocations.invoke(
                function,
                qualifier,
                exchange.body if exchange.chunks is None else exchange.whole_body(),
                parameters,
                request_id=exchange.request_id,
                trace_id=exchange.trace_id,
                done=done,
                sink=sink,
            )
        except ServiceError as error:
            connection.answer(exchange, answerers.render_error(error))

    def _done(self, connection: "AwsEndpoint", exchange: Exchange, result: Outcome | ServiceError) -> None:
        transport = connection.transport
        if transport is None or not connection.awaits(exchange):
            return
        if isinstance(result, ServiceError):
            connection.answer(exchange, self._answerers.render_error(result))
            return
        if result is DRY_RUN:
            connection.answer(exchange, Response(status=204))
            return
        if result is ACCEPTED:
            headers = {"X-Amzn-Trace-Id": exchange.trace_id.decode("latin-1")}
            connection.answer(exchange, Response(status=202, headers=headers))
            return
        head = self._renderer.outcome(result, exchange.request_id, exchange.trace_id, keep_alive=exchange.keep_alive)
        payload = result.payload
        if len(payload) <= _JOINED_BYTES:
            transport.write(head + payload)
        else:
            transport.write(head)
            transport.write(payload)
        connection.finish(exchange)


class _Whole:
    """What takes a whole request and gives a whole response: the control plane and midge's own pages."""

    def __init__(self, answerers: "Answerers", tasks: TaskOwner) -> None:
        self._answerers = answerers
        self._tasks = tasks

    def begin(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        self._tasks.start(self._handle(connection, exchange))

    async def _handle(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        request = exchange.as_request()
        try:
            if exchange.kind is Kind.INTERNAL:
                response = await self._answerers.internal(request)
            else:
                response = await self._answerers.api(request, exchange.scope)
        except ServiceError as error:
            response = self._answerers.render_error(error)
        except Exception:  # noqa: BLE001 - the one place where an operation's mistake becomes an answer
            structlog.get_logger("midge.http").exception("request failed", method=request.method, path=request.path)
            response = refusals.internal_error()
        connection.answer(exchange, response)


class _Relayed:
    """Another AWS service, whose answer goes straight to the client."""

    def __init__(self, answerers: "Answerers") -> None:
        self._answerers = answerers

    def begin(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        relay, rewrite, transport = self._answerers.relay, self._answerers.rewrite_head, connection.transport
        if relay is None or rewrite is None or transport is None:
            exchange.refused = refusals.no_such_service()
            if exchange.complete:
                connection.answer(exchange, exchange.refused)
            else:
                connection.put_off(exchange)
            return
        head = rewrite(exchange.method, exchange.url, exchange.headers)
        exchange.relayed = relay.open(head, transport, partial(self._done, connection, exchange))
        body, exchange.body = exchange.whole_body(), b""
        if body:
            exchange.relayed.feed(body)
        if exchange.complete:
            exchange.relayed.finish()

    @staticmethod
    def _done(connection: "AwsEndpoint", exchange: Exchange, usable: bool) -> None:
        if connection.awaits(exchange):
            exchange.keep_alive = exchange.keep_alive and usable and exchange.complete
            connection.finish(exchange)


class _Shared:
    """A service of which some operations are ours, and the others another's."""

    def __init__(self, answerers: "Answerers", ours: _Whole, relayed: _Relayed) -> None:
        self._answerers = answerers
        self._ours = ours
        self._relayed = relayed

    def begin(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        if self._answerers.owns(exchange.as_request(), exchange.scope):
            self._ours.begin(connection, exchange)
        else:
            self._relayed.begin(connection, exchange)
