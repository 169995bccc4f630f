"""Requests at function URLs: found, allowed, turned into an invocation, and its outcome into an HTTP answer.

Owns the order of these steps and AWS's answers where they end early. What an event and an answer look like is
``midge.function_urls``'s.
Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html and urls-auth.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from midge.api.invocations import NO_PARAMETERS
from midge.api.url_directory import UrlDirectory
from midge.function_urls import addresses, answers, cors, events
from midge.function_urls.answers import UrlAnswer
from midge.http.exchange import Exchange, Known
from midge.http.render import Renderer
from midge.invoke.outcome import Outcome
from midge.model.errors import ServiceError
from midge.model.function_urls import FunctionUrl
from midge.store.errors import StoreError
from midge.tasks import TaskOwner
from midge.wire.messages import Request, Response

if TYPE_CHECKING:
    from midge.http.connection import AwsEndpoint
    from midge.http.listener import Answerers

_log = structlog.get_logger("midge.http")


class Signer(Protocol):
    """The scope of a signature that has been verified."""

    @property
    def access_key_id(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def service(self) -> str: ...
    def account(self, default: str) -> str:
        """The account that asks; ``default`` where the request does not say."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlAccess:
    """What answering at function URLs needs. ``verify`` gives who has signed a request, or raises ServiceError."""

    directory: UrlDirectory
    verify: Callable[[Request, float], Signer]
    domain: str = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """One request at a function URL that exists."""

    connection: "AwsEndpoint"
    exchange: Exchange
    request: Request
    url: FunctionUrl
    target: bytes
    """Path and query behind the address."""


class FunctionUrls:
    """See the module."""

    def __init__(self, answerers: "Answerers", access: UrlAccess, renderer: Renderer, tasks: TaskOwner) -> None:
        self._answerers = answerers
        self._access = access
        self._renderer = renderer
        self._tasks = tasks

    def begin(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        """Begin the answer; what has not been called before is looked up first."""
        host = exchange.known[Known.HOST]
        if host is not None and not addresses.is_function_url_host(host, self._access.domain):
            host = None
        place = addresses.addressed(host, exchange.url)
        exchange.trace_id = exchange.known[Known.TRACE_ID] or self._answerers.ids.trace_id(self._answerers.clock.now())
        if place is None:
            self._write(connection, exchange, _not_found())
            return
        url = self._access.directory.known(place.url_id)
        if url is None:
            self._tasks.start(self._find(connection, exchange, place))
        else:
            self._visit(connection, exchange, place, url)

    async def _find(self, connection: "AwsEndpoint", exchange: Exchange, place: addresses.Addressed) -> None:
        try:
            url = await self._access.directory.find(place.url_id)
        except StoreError as error:
            _log.error("function_url_not_found", reason=str(error))
            self._write(connection, exchange, _internal_error(500))
            return
        if url is None:
            self._write(connection, exchange, _not_found())
        else:
            self._visit(connection, exchange, place, url)

    def _visit(
        self, connection: "AwsEndpoint", exchange: Exchange, place: addresses.Addressed, url: FunctionUrl
    ) -> None:
        if not connection.awaits(exchange):
            return
        if place.region not in (None, url.function.region):
            self._write(connection, exchange, _not_found())
            return
        request = exchange.as_request()
        visit = _Visit(connection=connection, exchange=exchange, request=request, url=url, target=place.target)
        if url.cors and cors.is_preflight(request.method, request.headers):
            headers = cors.preflight_headers(url.cors, request.headers)
            self._write(connection, exchange, UrlAnswer(headers=headers))
            return
        try:
            self._invoke(visit)
        except ServiceError as error:
            self._answer(visit, self._refusal(error))

    def _invoke(self, visit: _Visit) -> None:
        """Raises ServiceError for what is refused at once."""
        url, exchange = visit.url, visit.exchange
        caller = self._caller(visit.request, url)
        if caller is None and url.auth_type == "AWS_IAM":
            self._answer(visit, _forbidden())
            return
        self._answerers.invocations.invoke(
            url.function,
            url.alias,
            self._event(visit, caller),
            NO_PARAMETERS,
            request_id=exchange.request_id,
            trace_id=exchange.trace_id,
            done=partial(self._done, visit),
        )

    def _caller(self, request: Request, url: FunctionUrl) -> events.Caller | None:
        """Who signed the request, for here and now, where that is asked for; None if nobody did."""
        if url.auth_type != "AWS_IAM":
            return None
        try:
            signer = self._access.verify(request, self._answerers.clock.now())
        except ServiceError as error:
            _log.info("function_url_forbidden", url_id=url.url_id, reason=error.message)
            return None
        if signer.service != "lambda" or signer.region != url.function.region:
            _log.info("function_url_forbidden", url_id=url.url_id, reason="signed for another service or region")
            return None
        return events.Caller(
            access_key_id=signer.access_key_id, account=signer.account(self._answerers.routes.default_account)
        )

    def _event(self, visit: _Visit, caller: events.Caller | None) -> bytes:
        exchange, url, transport = visit.exchange, visit.url, visit.connection.transport
        assert transport is not None
        path, _, query = visit.target.partition(b"?")
        client, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        return events.event(
            events.UrlRequest(
                method=visit.request.method,
                path=path.decode("latin-1"),
                query=query.decode("latin-1"),
                protocol=exchange.protocol,
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in exchange.headers],
                body=visit.request.body,
                source_ip=client[0] if client else "127.0.0.1",
                port=own[1] if own else 80,
                domain_name=addresses.domain_name(url.url_id, url.function.region, self._access.domain),
                url_id=url.url_id,
                request_id=exchange.request_id.decode("ascii"),
                trace_id=exchange.trace_id.decode("latin-1"),
                time=self._answerers.clock.now(),
                caller=caller,
            )
        )

    def _done(self, visit: _Visit, result: Outcome | ServiceError) -> None:
        if isinstance(result, ServiceError):
            self._answer(visit, self._refusal(result))
            return
        if result.function_error is not None:
            self._answer(visit, _internal_error(502))
            return
        try:
            answer = answers.answer(result.payload)
        except answers.MalformedAnswerError as error:
            _log.info("function_url_malformed_answer", function=visit.url.function_arn, reason=str(error))
            answer = _internal_error(502)
        self._answer(visit, answer)

    def _refusal(self, error: ServiceError) -> UrlAnswer:
        response: Response = self._answerers.render_error(error)
        headers = [pair for pair in response.headers.items() if pair[0].lower() != "x-amzn-requestid"]
        return UrlAnswer(status=response.status, headers=headers, body=response.body)

    # writing

    def _answer(self, visit: _Visit, answer: UrlAnswer) -> None:
        """Write ``answer`` with what the URL's CORS settings say, which wins over what the function says of it."""
        if visit.url.cors:
            answer.headers = [pair for pair in answer.headers if not cors.is_cors_header(pair[0])]
            answer.headers += cors.answer_headers(visit.url.cors, visit.request.headers)
        self._write(visit.connection, visit.exchange, answer)

    def _write(self, connection: "AwsEndpoint", exchange: Exchange, answer: UrlAnswer) -> None:
        transport = connection.transport
        if transport is None or not connection.awaits(exchange):
            return
        head = self._renderer.function_url_head(
            answer.status,
            answer.headers,
            exchange.request_id,
            exchange.trace_id,
            length=len(answer.body),
            keep_alive=exchange.keep_alive,
        )
        bodiless = exchange.method == b"HEAD" or answer.status in {204, 304}
        transport.write(head if bodiless else head + answer.body)
        connection.finish(exchange)


def _forbidden() -> UrlAnswer:
    headers = [answers.JSON_TYPE, ("x-amzn-ErrorType", "AccessDeniedException")]
    return UrlAnswer(status=403, headers=headers, body=b'{"Message":"Forbidden"}')


def _not_found() -> UrlAnswer:
    headers = [answers.JSON_TYPE, ("x-amzn-ErrorType", "ResourceNotFoundException")]
    return UrlAnswer(status=404, headers=headers, body=b'{"Message":"Not Found"}')


def _internal_error(status: int) -> UrlAnswer:
    """AWS's body is no JSON here, whatever its type says."""
    return UrlAnswer(status=status, headers=[answers.JSON_TYPE], body=b"Internal Server Error")
