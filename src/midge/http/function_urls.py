"""Requests at function URLs: found, allowed, turned into an invocation, and its outcome into an HTTP answer.

Owns the order of these steps and AWS's answers where they end early. What an event and an answer look like is
``midge.function_urls``'s.
Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html and urls-auth.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from midge.api.invocations import NO_PARAMETERS
from midge.api.url_directory import UrlDirectory
from midge.function_urls import addresses, answers, cors, events, prelude
from midge.function_urls.answers import UrlAnswer
from midge.http.exchange import Exchange, Known
from midge.http.render import Renderer
from midge.http.response_streams import ClientStream
from midge.http.url_streams import UrlStreamAnswer
from midge.invoke import lineage
from midge.invoke.outcome import Outcome
from midge.model.errors import ServiceError
from midge.model.function_urls import FunctionUrl
from midge.model.functions import FunctionId
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
    count: Callable[[FunctionId, str | None, int, float], None] = lambda function, alias, status, seconds: None  # noqa: ARG005
    """Told of each answer: the function and the alias, the status, how many seconds it took."""


class _Visit:
    """One request at a function URL that exists, and how its answers are written. ``target``: path and query behind the
    address.
    """

    def __init__(
        self, site: "FunctionUrls", connection: "AwsEndpoint", exchange: Exchange, url: FunctionUrl, target: bytes
    ) -> None:
        self._site = site
        self.connection = connection
        self.exchange = exchange
        self.request = exchange.as_request()
        self.url = url
        self.target = target
        self._begun = site.monotonic()

    def count(self, status: int) -> None:
        """It is being answered with ``status``."""
        self._site.count(self.url, status, self._site.monotonic() - self._begun)

    def whole(self, answer: UrlAnswer) -> None:
        """Write a whole answer, unless the client has gone."""
        self.count(answer.status)
        self._site.write(self.connection, self.exchange, self._with_cors(answer))

    def head(self, answer: UrlAnswer, *, chunked: bool) -> tuple[bytes, bool]:
        """The head of an answer whose body follows, and whether one may follow."""
        self.count(answer.status)
        framing = b"Transfer-Encoding: chunked" if chunked else b""
        return self._site.head(self.exchange, self._with_cors(answer), framing)

    def refusal(self, error: ServiceError) -> UrlAnswer:
        """The answer for what midge refuses."""
        return self._site.refusal(error)

    def bad_gateway(self, reason: str) -> UrlAnswer:
        """The answer for a fault of the function."""
        _log.info("function_url_bad_gateway", function=self.url.function_arn, reason=reason)
        return _internal_error(502)

    def done(self, result: Outcome | ServiceError) -> None:
        """The invocation has ended; its outcome is the answer."""
        if isinstance(result, ServiceError):
            self.whole(self.refusal(result))
        elif result.function_error is not None:
            self.whole(self.bad_gateway(result.error_type or result.function_error))
        else:
            try:
                answer = self._site.answer(result.payload)
            except answers.MalformedAnswerError as error:
                answer = self.bad_gateway(str(error))
            self.whole(answer)

    def _with_cors(self, answer: UrlAnswer) -> UrlAnswer:
        """What the URL's CORS settings say wins over what the function says of it."""
        if self.url.cors:
            answer.headers = [pair for pair in answer.headers if not cors.is_cors_header(pair[0])]
            answer.headers += cors.answer_headers(self.url.cors, self.request.headers)
        return answer


class FunctionUrls:
    """See the module."""

    def __init__(self, answerers: "Answerers", access: UrlAccess, renderer: Renderer, tasks: TaskOwner) -> None:
        self._answerers = answerers
        self._access = access
        self._renderer = renderer
        self._tasks = tasks
        self.monotonic = answerers.clock.monotonic

    def count(self, url: FunctionUrl, status: int, seconds: float) -> None:
        """A request has been answered, after so many seconds."""
        self._access.count(url.function, url.alias, status, seconds)

    def begin(self, connection: "AwsEndpoint", exchange: Exchange) -> None:
        """Begin the answer; what has not been called before is looked up first."""
        host = exchange.known[Known.HOST]
        if host is not None and not addresses.is_function_url_host(host, self._access.domain):
            host = None
        place = addresses.addressed(host, exchange.url)
        trace_id = exchange.known[Known.TRACE_ID]
        # AWS follows no chain of requests through a URL, and a stranger could make up what led to this one.
        exchange.trace_id = lineage.cut(trace_id or b"") or self._answerers.ids.trace_id(self._answerers.clock.now())
        if place is None:
            self.write(connection, exchange, _not_found())
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
            self.write(connection, exchange, _internal_error(500))
            return
        if url is None:
            self.write(connection, exchange, _not_found())
        else:
            self._visit(connection, exchange, place, url)

    def _visit(
        self, connection: "AwsEndpoint", exchange: Exchange, place: addresses.Addressed, url: FunctionUrl
    ) -> None:
        if not connection.awaits(exchange):
            return
        if place.region not in (None, url.function.region):
            self.write(connection, exchange, _not_found())
            return
        visit = _Visit(self, connection, exchange, url, place.target)
        if url.cors and cors.is_preflight(visit.request.method, visit.request.headers):
            headers = cors.preflight_headers(url.cors, visit.request.headers)
            visit.count(200)
            self.write(connection, exchange, UrlAnswer(headers=headers))
            return
        try:
            self._invoke(visit)
        except ServiceError as error:
            visit.whole(self.refusal(error))

    def _invoke(self, visit: _Visit) -> None:
        """Raises ServiceError for what is refused at once."""
        url, exchange = visit.url, visit.exchange
        caller = self._caller(visit.request, url)
        if caller is None and url.auth_type == "AWS_IAM":
            visit.whole(_forbidden())
            return
        stream = None
        if url.invoke_mode == "RESPONSE_STREAM":
            client = ClientStream(visit.connection, exchange)
            stream = UrlStreamAnswer(client, visit, self._answerers.limits.streamed_prelude_bytes)
        self._answerers.invocations.invoke(
            url.function,
            url.alias,
            self._event(visit, caller),
            NO_PARAMETERS,
            request_id=exchange.request_id,
            trace_id=exchange.trace_id,
            done=visit.done if stream is None else stream.done,
            sink=stream,
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

    # writing

    def refusal(self, error: ServiceError) -> UrlAnswer:
        """The answer for what midge refuses."""
        response: Response = self._answerers.render_error(error)
        headers = [pair for pair in response.headers.items() if pair[0].lower() != "x-amzn-requestid"]
        return UrlAnswer(status=response.status, headers=headers, body=response.body)

    def answer(self, payload: bytes) -> UrlAnswer:
        """What a whole payload stands for, also one that was to be streamed. Raises MalformedAnswerError."""
        if prelude.SEPARATOR not in payload:
            return answers.answer(payload)
        found = prelude.split(payload, self._answerers.limits.streamed_prelude_bytes)
        if found is None:
            raise answers.MalformedAnswerError("a prelude that does not end")
        found[0].body = found[1]
        return found[0]

    def head(self, exchange: Exchange, answer: UrlAnswer, framing: bytes) -> tuple[bytes, bool]:
        """The head of ``answer``, and whether a body may follow."""
        empty = answer.status in {204, 304}
        head = self._renderer.function_url_head(
            answer.status,
            answer.headers,
            exchange.request_id,
            exchange.trace_id,
            framing=b"" if empty else framing,
            keep_alive=exchange.keep_alive,
        )
        return head, not empty and exchange.method != b"HEAD"

    def write(self, connection: "AwsEndpoint", exchange: Exchange, answer: UrlAnswer) -> None:
        """Write a whole answer, unless the client has gone."""
        transport = connection.transport
        if transport is None or not connection.awaits(exchange):
            return
        head, has_body = self.head(exchange, answer, b"Content-Length: %d" % len(answer.body))
        transport.write(head + answer.body if has_body else head)
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
