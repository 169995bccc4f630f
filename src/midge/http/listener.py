"""The AWS endpoint: what all its connections share, their number, and the sweep that ends slow and idle ones.

Knows which callables answer; ``connection`` speaks HTTP. One object serves the address on the host and, through
``protocols``, the endpoint inside every sandbox.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from midge.api.invocations import Invocations
from midge.clock import Clock, Timer
from midge.http.answering import answering
from midge.http.connection import AwsEndpoint
from midge.http.function_urls import UrlAccess
from midge.http.gate import Gate
from midge.http.hosts import HostRules
from midge.http.internal import InternalPages
from midge.http.ports import ApiHandler, ErrorRenderer, HeadRewriter, Relay, Scope, ScopeReader
from midge.http.render import Renderer
from midge.http.routes import Routes
from midge.invoke.request_ids import RequestIds
from midge.model.limits import Limits
from midge.tasks import TaskOwner
from midge.wire.messages import Request

_SWEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerers:
    """Everything a connection hands requests to. ``relay`` is None where no other service is offered."""

    invocations: Invocations
    api: ApiHandler
    internal: InternalPages
    routes: Routes
    function_urls: UrlAccess
    scope: ScopeReader
    render_error: ErrorRenderer
    ids: RequestIds
    clock: Clock
    limits: Limits
    relay: Relay | None = None
    rewrite_head: HeadRewriter | None = None
    owns: Callable[[Request, Scope | None], bool] = lambda request, scope: True  # noqa: ARG005
    """Whether a request for a service that is shared is answered by ``api``."""
    hosts: HostRules = field(default_factory=HostRules)


class Listener:
    """Makes the connections' protocols, watches them, and ends them on close."""

    def __init__(self, answerers: Answerers) -> None:
        self.answerers = answerers
        self.renderer = Renderer(answerers.clock)
        self._tasks = TaskOwner(self._task_failed)
        self.answering = answering(answerers, self.renderer, self._tasks)
        self._connections: set[AwsEndpoint] = set()
        self._server: asyncio.Server | None = None
        self._timer: Timer | None = None

    async def listen(self, host: str, port: int) -> int:
        """Accept connections; returns the port (``port`` may be 0). Raises OSError."""
        factory = self.protocols(self.answerers.limits.connections)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(factory, host, port, backlog=1024)
        return self._server.sockets[0].getsockname()[1]

    def protocols(self, connections: int, *, inside: bool = False) -> Callable[[], AwsEndpoint]:
        """A factory for at most ``connections`` at a time; ``inside`` a sandbox midge's own pages are not shown."""
        gate = Gate(connections, inside=inside)
        return lambda: AwsEndpoint(self, gate)

    def opened(self, connection: AwsEndpoint) -> None:
        """A connection has come."""
        self._connections.add(connection)
        if self._timer is None:
            self._timer = self.answerers.clock.call_later(_SWEEP_SECONDS, self._sweep)

    def closed(self, connection: AwsEndpoint) -> None:
        """It has gone."""
        self._connections.discard(connection)

    def _sweep(self) -> None:
        self._timer = None
        now = self.answerers.clock.monotonic()
        for connection in list(self._connections):
            connection.check_pace(now)
        if self._connections:
            self._timer = self.answerers.clock.call_later(_SWEEP_SECONDS, self._sweep)

    async def close(self) -> None:
        """Stop accepting, end every connection and every task."""
        if self._server is not None:
            self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._connections):
            connection.abort()
        await self._tasks.close()

    @staticmethod
    def _task_failed(error: BaseException) -> None:
        structlog.get_logger("midge.http").error("request failed", exc_info=error)
