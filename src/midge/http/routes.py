"""From the first line of a request to who answers it. Decided before the body arrives; pure, with bounded caches.

The Lambda API is known by its dated paths (``/2015-03-31/...``) and by the credential scope's service; everything that
is signed for another service is that service's. Paths of the form of a dated one can be another service's as well, so
the scope, where there is one, decides.
"""

import re
from urllib.parse import parse_qs, unquote

import msgspec

from midge.http.exchange import Kind
from midge.http.ports import Scope
from midge.model.errors import ServiceError
from midge.model.functions import FunctionId
from midge.model.names import FunctionReference, parse_function_name

_DATED = re.compile(rb"/20\d\d-\d\d-\d\d/")
_INVOKE = re.compile(rb"/2015-03-31/functions/([^/?]+)/invocations/?(?:\?(.*))?", re.DOTALL)
_INTERNAL = b"/_midge/"
_CACHED = 4_096
_CACHED_URL_BYTES = 512


class InvokeRoute(msgspec.Struct, frozen=True):
    """An invocation's path, taken apart; ``refused`` when it names no function."""

    reference: FunctionReference | None
    refused: ServiceError | None = None


class Routes:
    """Classifies requests. ``account`` and ``region`` stand in where a request names none."""

    def __init__(self, account: str, region: str) -> None:
        self._account = account
        self._region = region
        self._invokes: dict[bytes, InvokeRoute | None] = {}
        self._functions: dict[tuple[bytes, str], tuple[FunctionId, str | None]] = {}

    def kind(self, method: bytes, url: bytes, scope: Scope | None) -> Kind:
        """Who answers this request."""
        if scope is not None:
            if scope.service != "lambda":
                return Kind.RELAY
        elif url.startswith(_INTERNAL):
            return Kind.INTERNAL
        elif not _DATED.match(url):
            return Kind.RELAY
        if method == b"POST" and self._invoke_route(url) is not None:
            return Kind.INVOKE
        return Kind.API

    def function(self, url: bytes, scope: Scope | None) -> tuple[FunctionId, str | None]:
        """The function and qualifier that an INVOKE request names. Raises ServiceError if it names none."""
        region = self._region if scope is None else scope.region
        found = self._functions.get((url, region))
        if found is None:
            found = self._name(url, region)
            if len(url) <= _CACHED_URL_BYTES:
                if len(self._functions) >= _CACHED:
                    self._functions.clear()
                self._functions[url, region] = found
        return found

    def _name(self, url: bytes, region: str) -> tuple[FunctionId, str | None]:
        route = self._invoke_route(url)
        if route is None or route.reference is None:
            assert route is not None
            assert route.refused is not None
            raise route.refused
        reference = route.reference
        if reference.region is not None and reference.region != region:
            raise ServiceError(
                "ResourceNotFoundException",
                f"Functions from '{reference.region}' are not reachable in this region ('{region}')",
                Type="User",
            )
        function = FunctionId(account=reference.account or self._account, region=region, name=reference.name)
        return function, reference.qualifier

    def _invoke_route(self, url: bytes) -> InvokeRoute | None:
        if url in self._invokes:
            return self._invokes[url]
        route = _parse_invoke(url)
        if len(url) <= _CACHED_URL_BYTES:
            if len(self._invokes) >= _CACHED:
                self._invokes.clear()
            self._invokes[url] = route
        return route


def _parse_invoke(url: bytes) -> InvokeRoute | None:
    match = _INVOKE.fullmatch(url)
    if match is None:
        return None
    name = unquote(match[1].decode("latin-1"))
    query = parse_qs((match[2] or b"").decode("latin-1"), keep_blank_values=True)
    qualifiers = query.get("Qualifier")
    try:
        return InvokeRoute(parse_function_name(name, qualifiers[0] if qualifiers else None))
    except ServiceError as error:
        return InvokeRoute(None, error)
