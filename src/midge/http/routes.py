"""From the first line of a request to who answers it. Decided before the body arrives; pure, with bounded caches.

The Lambda API is known by its dated paths (``/2015-03-31/...``) and by the credential scope's service; everything that
is signed for another service is that service's. Paths of the form of a dated one can be another service's as well, so
the scope, where there is one, decides. A function URL is known by its Host, or by its path where names do not resolve.
"""

import re
from typing import TypeVar
from urllib.parse import parse_qs, unquote

from midge.api.names import resolve
from midge.api.services import CallContext
from midge.function_urls.addresses import PATH_PREFIX, is_function_url_host
from midge.http.exchange import Kind
from midge.http.ports import Scope
from midge.model.functions import FunctionId

_DATED = re.compile(rb"/20\d\d-\d\d-\d\d/")
_INVOKE = re.compile(rb"/2015-03-31/functions/([^/?]+)/invocations/?(?:\?(.*))?", re.DOTALL)
_STREAM = re.compile(rb"/2021-11-15/functions/([^/?]+)/response-streaming-invocations/?(?:\?(.*))?", re.DOTALL)
_INTERNAL = b"/_midge/"
_CACHED = 4_096
_CACHED_URL_BYTES = 512


class Routes:
    """Classifies requests. ``account`` and ``region`` stand in where a request names none.

    ``services`` are those that midge answers itself beside Lambda, by their names in credential scopes; ``shared`` those
    of which it answers some operations.
    """

    def __init__(
        self,
        account: str,
        region: str,
        url_domain: str = "localhost",
        *,
        services: frozenset[str] = frozenset(),
        shared: frozenset[str] = frozenset(),
    ) -> None:
        """``url_domain``: below which function URLs are."""
        self._account = account
        self._url_domain = url_domain
        self._url_hosts: dict[bytes, bool] = {}
        self._region = region
        self._services = services
        self._shared = shared
        self._invokes: dict[bytes, _InvokeTarget | None] = {}
        self._functions: dict[tuple[bytes, str, str], tuple[FunctionId, str | None]] = {}

    @property
    def default_account(self) -> str:
        """The account of callers that name none."""
        return self._account

    def kind(self, method: bytes, url: bytes, scope: Scope | None, host: bytes | None = None) -> Kind:
        """Who answers this request."""
        if host is not None and self._is_url_host(host):
            return Kind.FUNCTION_URL
        if scope is not None:
            if scope.service != "lambda":
                if url.startswith(PATH_PREFIX):
                    return Kind.FUNCTION_URL
                if scope.service in self._shared:
                    return Kind.SHARED
                return Kind.API if scope.service in self._services else Kind.RELAY
        elif url.startswith(_INTERNAL):
            return Kind.FUNCTION_URL if url.startswith(PATH_PREFIX) else Kind.INTERNAL
        elif not _DATED.match(url):
            return Kind.RELAY
        target = self._invoke_target(url) if method == b"POST" else None
        if target is not None:
            return target[2]
        return Kind.FUNCTION_URL if url.startswith(PATH_PREFIX) else Kind.API

    def _is_url_host(self, host: bytes) -> bool:
        known = self._url_hosts.get(host)
        if known is None:
            known = is_function_url_host(host, self._url_domain)
            _remember(self._url_hosts, host, known, len(host))
        return known

    def function(self, url: bytes, scope: Scope | None) -> tuple[FunctionId, str | None]:
        """The function and qualifier that an INVOKE or a STREAM request names. Raises ServiceError if it names none."""
        account, region = self._account, self._region
        if scope is not None:
            account, region = scope.account(account), scope.region
        found = self._functions.get((url, account, region))
        if found is None:
            found = self._name(url, account, region)
            _remember(self._functions, (url, account, region), found, len(url))
        return found

    def _name(self, url: bytes, account: str, region: str) -> tuple[FunctionId, str | None]:
        target = self._invoke_target(url)
        assert target is not None
        context = CallContext(account=account, region=region, request_id="", base_url="")
        named = resolve("InvokeFunction", target[0], target[1], context)
        return named.function, named.qualifier

    def _invoke_target(self, url: bytes) -> "_InvokeTarget | None":
        try:
            return self._invokes[url]
        except KeyError:
            target = _parse_invoke(url)
            _remember(self._invokes, url, target, len(url))
            return target


_InvokeTarget = tuple[str, str | None, Kind]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _remember(cache: dict[_Key, _Value], key: _Key, value: _Value, size_bytes: int) -> None:
    if size_bytes <= _CACHED_URL_BYTES:
        if len(cache) >= _CACHED:
            cache.clear()
        cache[key] = value


def _parse_invoke(url: bytes) -> _InvokeTarget | None:
    """FunctionName and Qualifier as the caller wrote them; None if this is no path of the invoke operations."""
    match, kind = _INVOKE.fullmatch(url), Kind.INVOKE
    if match is None:
        match, kind = _STREAM.fullmatch(url), Kind.STREAM
    if match is None:
        return None
    query = parse_qs((match[2] or b"").decode("latin-1"), keep_blank_values=True)
    qualifiers = query.get("Qualifier")
    return unquote(match[1].decode("latin-1")), qualifiers[0] if qualifiers else None, kind
