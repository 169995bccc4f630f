"""One connection to a neighbour, which carries one request and its answer at a time.

Owns finding where the answer ends, with httptools, and telling back-pressure in both directions. Bodies pass through
in pieces and are not kept. Interim answers (1xx) are swallowed: the listener has answered the client's ``Expect``.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import httptools
import structlog

from midge.http.heads import Framing, framing_of
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.neighbours.port import Neighbour

_log = structlog.get_logger("midge.http")
_CONNECT_ATTEMPTS = 2
"""A neighbour that has just died is noticed, and replaced, by the second."""


class Answer(Protocol):
    """What is done with an answer. After ``end`` or ``failed`` nothing more is called."""

    def head(self, status: int, reason: bytes, headers: list[tuple[bytes, bytes]], framing: Framing) -> None: ...
    def body(self, data: bytes) -> None: ...
    def end(self, *, reusable: bool) -> None:
        """The answer is complete; ``reusable`` if the neighbour keeps the connection."""
        ...

    def failed(self) -> None:
        """The connection has ended, or what came is no HTTP, before the answer was complete."""
        ...

    def pause_feeding(self) -> None:
        """The neighbour reads slower than the request's body comes."""
        ...

    def resume_feeding(self) -> None: ...


class Upstream(asyncio.Protocol):
    """See the module."""

    def __init__(self, head_limit_bytes: int, on_lost: Callable[["Upstream"], None]) -> None:
        self._head_limit = head_limit_bytes
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._reset(head_only=False)

    def _reset(self, *, head_only: bool) -> None:
        self._head_only = head_only
        self._head_bytes = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._reason = b""
        self._framing: Framing | None = None
        """None until the head of the final answer is complete."""
        self._interim = False
        self._complete = False
        self._surplus = False
        self._kept = False

    # the request's side

    @property
    def alive(self) -> bool:
        """Whether a request can still be sent on this connection."""
        return self._transport is not None and not self._transport.is_closing()

    def begin(self, answer: Answer, *, head_only: bool) -> None:
        """Expect an answer. ``head_only``: to a HEAD request, so it has no body."""
        self._parser = httptools.HttpResponseParser(self)
        self._answer = answer
        self._reset(head_only=head_only)

    def write(self, data: bytes) -> None:
        """Send a part of the request."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Take no more of the answer for now."""
        if self._transport is not None and self.alive:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on with the answer."""
        if self._transport is not None and self.alive:
            self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection at once; no answer is told any more."""
        self._answer = None
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._framing is Framing.CLOSE and exc is None:
            self._complete = True
        self._settle(reusable=False)
        self._on_lost(self)

    def pause_writing(self) -> None:
        if self._answer is not None:
            self._answer.pause_feeding()

    def resume_writing(self) -> None:
        if self._answer is not None:
            self._answer.resume_feeding()

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.abort()
            return
        if self._framing is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            self._fail()
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail()
            return
        if self._framing is None and self._head_bytes > self._head_limit:
            self._fail()
        elif self._complete:
            self._settle(reusable=self._kept and not self._surplus)

    def _fail(self) -> None:
        answer, self._answer = self._answer, None
        if self._transport is not None:
            self._transport.abort()
        if answer is not None:
            answer.failed()

    def _settle(self, *, reusable: bool) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if self._complete:
            answer.end(reusable=reusable)
        else:
            answer.failed()

    # httptools's side

    def on_message_begin(self) -> None:
        self._surplus = self._complete
        self._headers = []
        self._reason = b""

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._complete or self._framing is not None:
            return
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200
        if self._interim or self._answer is None:
            return
        self._framing = framing_of(status, self._headers, head_only=self._head_only)
        self._answer.head(status, self._reason, self._headers, self._framing)
        # To a HEAD request httptools would go on to wait for the body that the headers announce.
        if self._framing is Framing.EMPTY:
            self._finish()

    def on_body(self, body: bytes) -> None:
        if self._answer is not None and not self._complete:
            self._answer.body(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif not self._complete:
            self._finish()

    def _finish(self) -> None:
        self._complete = True
        self._kept = self._parser.should_keep_alive()


async def connect(neighbour: Neighbour, limits: Limits, on_lost: Callable[[Upstream], None]) -> Upstream:
    """A new connection to the neighbour. Raises ServiceError ServiceUnavailableException."""
    loop = asyncio.get_running_loop()
    for _ in range(_CONNECT_ATTEMPTS):
        host, port = await neighbour.address()
        try:
            async with asyncio.timeout(limits.neighbour_connect_seconds):
                _, upstream = await loop.create_connection(
                    lambda: Upstream(limits.neighbour_head_bytes, on_lost), host, port
                )
        except OSError as failure:  # TimeoutError is one
            _log.warning("a neighbour does not accept a connection", host=host, port=port, reason=str(failure))
        else:
            return upstream
    raise unavailable("The service does not accept connections.")


def unavailable(message: str) -> ServiceError:
    """The error for a service that cannot be had."""
    return ServiceError("ServiceUnavailableException", message)
