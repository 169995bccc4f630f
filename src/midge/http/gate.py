"""What a connection is held to before a request's body counts: how many there may be, and which heads pass."""

from midge.http import refusals
from midge.http.exchange import KNOWN_NAMES, Exchange, Kind, Known
from midge.http.hosts import HostRules
from midge.model.limits import Limits
from midge.wire.messages import Response

_CACHED_NAMES = 512


class Gate:
    """Counts the connections of one entrance, and remembers how each spelling of a header is to be treated."""

    __slots__ = ("inside", "limit", "names", "open")

    def __init__(self, limit: int, *, inside: bool) -> None:
        self.limit = limit
        self.inside = inside
        self.open = 0
        self.names: dict[bytes, int] = dict(KNOWN_NAMES)

    def learn(self, name: bytes) -> int:
        """The place of a header in ``Exchange.known``, -1 for those that only others read."""
        place = KNOWN_NAMES.get(name.lower(), -1)
        if len(self.names) < _CACHED_NAMES:
            self.names[name] = place
        return place


def refuse_head(
    exchange: Exchange, head_bytes: int, limits: Limits, hosts: HostRules, *, inside: bool
) -> Response | None:
    """Why a request is not served, whatever it asks for; ``head_bytes`` is what has been received of it so far."""
    known = exchange.known
    if head_bytes > limits.request_headers_bytes:
        # A large segment is no proof: the body may be in it.
        head_bytes = sum(len(name) + len(value) + 4 for name, value in exchange.headers)
    if (
        head_bytes > limits.request_headers_bytes
        or len(exchange.headers) > limits.request_headers_count
        or len(exchange.url) > limits.request_line_bytes
    ):
        return refusals.head_too_large()
    if not hosts.host_allowed(known[Known.HOST]):
        return refusals.foreign_host()
    if exchange.kind is Kind.FUNCTION_URL:
        return None  # which pages may read its answers its CORS settings say
    if not hosts.origin_allowed(known[Known.ORIGIN]):
        return refusals.foreign_origin()
    if inside and exchange.kind is Kind.INTERNAL:
        return refusals.refusal(404, "NotFoundException", "Not found")
    return None
