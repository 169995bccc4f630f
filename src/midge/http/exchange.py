"""One request on a connection and what is known of it: the listener's notebook, without decisions."""

from enum import IntEnum

import msgspec

from midge.http.ports import RelayedRequest, Scope, StreamedAnswer
from midge.wire.messages import Request, Response


class Kind(IntEnum):
    """Who answers."""

    API = 0
    """The Lambda control plane, given the whole request."""
    INVOKE = 1
    """The invoke path."""
    INTERNAL = 2
    """midge's own pages."""
    RELAY = 3
    """Another AWS service, streamed through."""
    FUNCTION_URL = 4
    """A function, over HTTP."""
    STREAM = 5
    """The invoke path, answered part by part."""
    SHARED = 6
    """The control plane or another service, which only the whole request says."""


class Known(IntEnum):
    """Headers that the listener itself looks at; the place of each in ``Exchange.known``."""

    HOST = 0
    ORIGIN = 1
    EXPECT = 2
    AUTHORIZATION = 3
    INVOCATION_TYPE = 4
    LOG_TYPE = 5
    CLIENT_CONTEXT = 6
    TRACE_ID = 7
    CONTENT_LENGTH = 8
    TRANSFER_ENCODING = 9
    TENANT_ID = 10
    DURABLE_EXECUTION_NAME = 11


KNOWN_NAMES = {
    b"host": Known.HOST,
    b"origin": Known.ORIGIN,
    b"expect": Known.EXPECT,
    b"authorization": Known.AUTHORIZATION,
    b"x-amz-invocation-type": Known.INVOCATION_TYPE,
    b"x-amz-log-type": Known.LOG_TYPE,
    b"x-amz-client-context": Known.CLIENT_CONTEXT,
    b"x-amzn-trace-id": Known.TRACE_ID,
    b"content-length": Known.CONTENT_LENGTH,
    b"transfer-encoding": Known.TRANSFER_ENCODING,
    b"x-amz-tenant-id": Known.TENANT_ID,
    b"x-amz-durable-execution-name": Known.DURABLE_EXECUTION_NAME,
}


_NONE_KNOWN: tuple[None, ...] = (None,) * len(Known)


# msgspec.Struct and not a dataclass: one is made per request, at a fifth of the cost.
class Exchange(msgspec.Struct, eq=False):
    """A request that is being received or answered."""

    method: bytes = b""
    url: bytes = b""
    headers: list[tuple[bytes, bytes]] = []
    known: list[bytes | None] = msgspec.field(default_factory=lambda: list[bytes | None](_NONE_KNOWN))
    scope: Scope | None = None
    kind: Kind = Kind.API
    protocol: str = "HTTP/1.1"
    keep_alive: bool = True
    body: bytes = b""
    chunks: list[bytes] | None = None
    """The body's parts, while there are several."""
    body_size: int = 0
    body_limit: int = 0
    """0 until the head is complete."""
    complete: bool = False
    refused: Response | None = None
    """The answer that is settled before the body has been read."""
    relayed: RelayedRequest | None = None
    streamed: StreamedAnswer | None = None
    request_id: bytes = b""
    trace_id: bytes = b""

    @property
    def paced(self) -> StreamedAnswer | None:
        """The answer, if it comes part by part."""
        return self.relayed if self.relayed is not None else self.streamed

    def add_body(self, data: bytes) -> None:
        """Keep a part of the body."""
        if self.chunks is not None:
            self.chunks.append(data)
        elif self.body:
            self.chunks = [self.body, data]
        else:
            self.body = data

    def whole_body(self) -> bytes:
        """The body so far, in one piece."""
        if self.chunks is not None:
            self.body, self.chunks = b"".join(self.chunks), None
        return self.body

    def as_request(self) -> Request:
        """The whole request as the control plane takes it; headers that come twice are joined."""
        path, _, query = self.url.partition(b"?")
        headers: dict[str, str] = {}
        for raw_name, raw_value in self.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return Request(
            method=self.method.decode("ascii"),
            path=path.decode("latin-1"),
            query=query.decode("latin-1"),
            headers=headers,
            body=self.whole_body(),
        )
