"""Requests for other AWS services, streamed to a neighbour and back.

Owns the pool of connections to it and the pace: whoever is faster, client or neighbour, is made to wait, and no body
is ever held whole. Knows no service; the listener decides what is relayed. If the neighbour cannot be had the client
gets an error in its service's protocol; if it fails in the middle of an answer the client's connection is ended,
because nothing else tells the client that the answer is not whole.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from midge.http.fetch import fetch
from midge.http.heads import CHUNKED, LAST_CHUNK, Framing, answer_head, chunk, error_answer, rewrite_head
from midge.http.upstream import Upstream, connect, unavailable
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.neighbours.port import Neighbour
from midge.tasks import TaskOwner

__all__ = ["Relay", "RelayedRequest", "fetch", "rewrite_head"]

_log = structlog.get_logger("midge.http")


class RelayedRequest:
    """One request on its way. Made by ``Relay.open``; driven by the listener and by an ``Upstream``."""

    def __init__(
        self, relay: "Relay", head: bytes, client_transport: asyncio.Transport, done: Callable[[bool], None]
    ) -> None:
        self.over = False
        self._relay = relay
        self._head = head
        self._client = client_transport
        self._done = done
        self._upstream: Upstream | None = None
        self._unsent: list[bytes] = []
        """Parts of the body that came before there was a connection; the client is paused, so they are few."""
        self._chunked = head.endswith(CHUNKED)
        self._finished = False
        self._client_paused = False
        self._answer_paused = False
        self._framing: Framing | None = None

    # the listener's side

    def feed(self, data: bytes) -> None:
        """A part of the body."""
        if data and not self.over:
            self._send(chunk(data) if self._chunked else data)

    def finish(self) -> None:
        """The body is complete."""
        if self._finished or self.over:
            return
        self._finished = True
        if self._chunked:
            self._send(LAST_CHUNK)

    def abort(self) -> None:
        """The client is gone."""
        self.over = True
        if self._upstream is not None:
            self._upstream.abort()

    def pause_writing(self) -> None:
        """The client reads slower than the neighbour answers."""
        self._answer_paused = True
        if self._upstream is not None:
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._answer_paused = False
        if self._upstream is not None:
            self._upstream.resume_reading()

    def _send(self, data: bytes) -> None:
        if self._upstream is None:
            self._unsent.append(data)
        else:
            self._upstream.write(data)

    # the relay's side

    @property
    def has_connection(self) -> bool:
        """Whether the request is being sent, rather than kept."""
        return self._upstream is not None

    def connected(self, upstream: Upstream) -> None:
        """Send what there is and let the client go on."""
        self._upstream = upstream
        upstream.begin(self, head_only=self._head.startswith(b"HEAD "))
        unsent, self._unsent = self._unsent, []
        # Resumed first: the write below may fill the buffer at once and pause the client again.
        self.resume_feeding()
        upstream.write(b"".join((self._head, *unsent)))
        if self._answer_paused:
            upstream.pause_reading()

    def refuse(self, status: int, error: ServiceError) -> None:
        """Answer an error; end the connection if the answer has begun."""
        if self.over:
            return
        if self._framing is not None:
            self.over = True
            self._client.abort()
            return
        self._client.write(error_answer(self._head, status, error))
        self._end(usable=True)

    def _end(self, *, usable: bool) -> None:
        self.over = True
        self.resume_feeding()
        self._done(usable)

    # the upstream's side

    def head(self, status: int, reason: bytes, headers: list[tuple[bytes, bytes]], framing: Framing) -> None:
        """The head of the answer."""
        self._framing = framing
        self._client.write(answer_head(status, reason, headers, framing))

    def body(self, data: bytes) -> None:
        """A part of the answer's body."""
        self._client.write(chunk(data) if self._framing is Framing.CHUNKED else data)

    def end(self, *, reusable: bool) -> None:
        """The answer is complete."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._relay.release(upstream, reusable=reusable and self._finished)
        if self._framing is Framing.CHUNKED:
            self._client.write(LAST_CHUNK)
        self._end(usable=self._framing is not Framing.CLOSE)

    def failed(self) -> None:
        """The neighbour has gone, or does not speak HTTP."""
        self._upstream = None
        self.refuse(502, unavailable("The service has closed the connection without an answer."))

    def pause_feeding(self) -> None:
        """Let the client wait with the body."""
        if not self._client_paused and not self._client.is_closing():
            self._client_paused = True
            self._client.pause_reading()

    def resume_feeding(self) -> None:
        """Let the client go on with the body."""
        if self._client_paused:
            self._client_paused = False
            if not self._client.is_closing():
                self._client.resume_reading()


class Relay:
    """Streams requests to one neighbour over a bounded pool of connections."""

    def __init__(self, neighbour: Neighbour, limits: Limits) -> None:
        self._neighbour = neighbour
        self._limits = limits
        self._tasks = TaskOwner(_failed)
        self._connections: set[Upstream] = set()
        self._connecting = 0
        self._idle: list[Upstream] = []
        self._waiting: deque[RelayedRequest] = deque()
        self._closed = False

    def open(self, head: bytes, client_transport: asyncio.Transport, done: Callable[[bool], None]) -> RelayedRequest:
        """Begin a request with a ``head`` from ``rewrite_head``.

        ``done`` is called when the whole answer has been written: True if the client's connection may be used again.
        It is not called when the client has gone, nor when its connection had to be ended.
        """
        request = RelayedRequest(self, head, client_transport, done)
        self._waiting.append(request)
        self._serve()
        if not request.has_connection:
            request.pause_feeding()
        return request

    def release(self, upstream: Upstream, *, reusable: bool) -> None:
        """Take a connection back after its answer."""
        if reusable and upstream.alive and not self._closed:
            self._idle.append(upstream)
            self._serve()
        else:
            upstream.abort()

    async def close(self) -> None:
        """End every connection; requests on their way get an error or are cut off."""
        self._closed = True
        await self._tasks.close()
        for upstream in list(self._connections):
            upstream.abort()

    def _serve(self) -> None:
        """Give waiting requests the idle connections, and see to it that there will be more."""
        while self._waiting:
            if self._waiting[0].over:
                self._waiting.popleft()
            elif not self._idle:
                break
            elif self._idle[-1].alive:
                self._waiting.popleft().connected(self._idle.pop())
            else:
                self._idle.pop()
        room = self._limits.neighbour_connections - len(self._connections) - self._connecting
        for _ in range(min(room, len(self._waiting) - self._connecting)):
            if self._closed:
                return
            self._connecting += 1
            self._tasks.start(self._connect())

    async def _connect(self) -> None:
        """Add one connection; if it cannot be had, nobody needs to wait any longer."""
        refusal: ServiceError | None = None
        try:
            upstream = await connect(self._neighbour, self._limits, self._lost)
        except ServiceError as error:
            refusal = error
        else:
            self._connections.add(upstream)
            self._idle.append(upstream)
        finally:
            self._connecting -= 1
        if refusal is not None:
            waiting, self._waiting = self._waiting, deque[RelayedRequest]()
            for request in waiting:
                request.refuse(503, refusal)
        self._serve()

    def _lost(self, upstream: Upstream) -> None:
        self._connections.discard(upstream)
        if upstream in self._idle:
            self._idle.remove(upstream)
        if not self._closed:
            self._serve()


def _failed(error: BaseException) -> None:
    _log.error("a connection to a neighbour failed", exc_info=error)
