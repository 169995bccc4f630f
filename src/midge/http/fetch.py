"""Requests of midge's own to a neighbour, whole: an object of S3 that CreateFunction names.

Owns the bound on what is kept and on the wait. For requests of others, which are streamed, see ``relay``.
"""

import asyncio

from midge.http.heads import Framing, rewrite_head
from midge.http.upstream import connect, unavailable
from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.neighbours.port import Neighbour
from midge.wire.messages import Response


class _Collected:
    """An answer that is kept whole, up to a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._response = Response()
        self._parts: list[bytes] = []
        self._size = 0
        self.result: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def head(self, status: int, reason: bytes, headers: list[tuple[bytes, bytes]], framing: Framing) -> None:
        del reason, framing
        self._response.status = status
        for name, value in headers:
            self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._limit_bytes:
            self._parts.append(data)
        elif not self.result.done():
            self._parts.clear()
            self.result.set_exception(
                ServiceError(
                    "InvalidParameterValueException",
                    f"The answer is larger than {self._limit_bytes} bytes.",
                    Type="User",
                )
            )

    def end(self, *, reusable: bool) -> None:
        del reusable
        if not self.result.done():
            self._response.body = b"".join(self._parts)
            self.result.set_result(self._response)

    def failed(self) -> None:
        if not self.result.done():
            self.result.set_exception(unavailable("The service has closed the connection without an answer."))

    def pause_feeding(self) -> None:
        """The request is given to the transport whole; there is nothing to hold back."""

    def resume_feeding(self) -> None:
        """See ``pause_feeding``."""


async def fetch(
    neighbour: Neighbour,
    method: bytes,
    target: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    limit_bytes: int,
    *,
    limits: Limits | None = None,
) -> Response:
    """One request of midge's own, its answer of at most ``limit_bytes`` whole; header names are lower case.

    Raises ServiceError: ServiceUnavailableException if the neighbour cannot be had or takes too long,
    InvalidParameterValueException if the answer is larger.
    """
    bounds = limits or Limits()
    upstream = await connect(neighbour, bounds, lambda _: None)
    answer = _Collected(limit_bytes)
    sized = [*headers, (b"Content-Length", b"%d" % len(body))] if body else headers
    try:
        upstream.begin(answer, head_only=method == b"HEAD")
        upstream.write(rewrite_head(method, target, sized) + body)
        async with asyncio.timeout(bounds.neighbour_fetch_seconds):
            return await answer.result
    except TimeoutError:
        raise unavailable("The service takes too long to answer.") from None
    finally:
        upstream.abort()
