"""One request on a connection and what is known of it: the listener's notebook, without behaviour."""

from enum import IntEnum

from midge.http.ports import RelayedRequest, Scope
from midge.wire.messages import Response


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
}


class Exchange:
    """A request that is being received or answered."""

    __slots__ = (
        "body", "body_limit", "body_size", "chunks", "complete", "headers", "keep_alive", "kind", "known", "method",
        "refused", "relayed", "request_id", "scope", "trace_id", "url",
    )  # fmt: skip

    def __init__(self) -> None:
        self.method = b""
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.known: list[bytes | None] = [None] * len(Known)
        self.kind = Kind.API
        self.keep_alive = True
        self.body = b""
        self.chunks: list[bytes] | None = None
        self.body_size = 0
        self.body_limit = 0
        self.refused: Response | None = None
        self.scope: Scope | None = None
        self.request_id = b""
        self.trace_id = b""
        self.complete = False
        self.relayed: RelayedRequest | None = None

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
