"""What the listener needs of others, as protocols: the control plane, other AWS services, the reading of signatures."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from midge.model.errors import ServiceError
from midge.wire.messages import Request, Response


class Scope(Protocol):
    """The credential scope of a signed request."""

    @property
    def region(self) -> str: ...
    @property
    def service(self) -> str: ...
    def account(self, default: str) -> str:
        """The account that asks; ``default`` where the request does not say."""
        ...


class StreamedAnswer(Protocol):
    """An answer that goes to the client's transport as it comes."""

    def abort(self) -> None:
        """The client is gone."""
        ...

    def pause_writing(self) -> None:
        """The client reads slower than the answer comes."""
        ...

    def resume_writing(self) -> None: ...


class RelayedRequest(StreamedAnswer, Protocol):
    """A request that is being streamed to another service, whose answer goes straight to the client's transport."""

    def feed(self, data: bytes) -> None:
        """A part of the body."""
        ...

    def finish(self) -> None:
        """The body is complete."""
        ...


class Relay(Protocol):
    """Opens streams to other AWS services. ``done`` is called once: True if the connection may be used again."""

    def open(
        self, head: bytes, client_transport: asyncio.Transport, done: Callable[[bool], None]
    ) -> RelayedRequest: ...


HeadRewriter = Callable[[bytes, bytes, list[tuple[bytes, bytes]]], bytes]
"""Method, target and headers as received, to the head that is sent to the other service."""
ScopeReader = Callable[[bytes], Scope | None]
"""The value of an Authorization header to its scope. None when it is not a Signature Version 4."""
ApiHandler = Callable[[Request, Scope | None], Awaitable[Response]]
PageHandler = Callable[[Request], Awaitable[Response]]
ErrorRenderer = Callable[[ServiceError], Response]
