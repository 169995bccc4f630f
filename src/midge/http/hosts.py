"""Who may talk to the endpoint from a browser: nobody, unless the configuration names them.

A page that a developer visits can make the browser send requests to loopback addresses, directly (Origin gives it
away) or under a name of its own that it lets point there (Host gives it away). Both are refused. Pure.
"""

import ipaddress
from collections.abc import Iterable

_CACHED = 256


class HostRules:
    """Decides on the Host and Origin headers."""

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        """``hosts`` are further names by which midge may be addressed, ``origins`` pages that may call it."""
        self._hosts = frozenset(name.lower().rstrip(".") for name in hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._cache: dict[bytes | None, bool] = {}

    def host_allowed(self, value: bytes | None) -> bool:
        """May a request with this Host header be served? HTTP/1.0 clients send none."""
        known = self._cache.get(value)
        if known is None:
            known = value is None or self._decide(value.decode("latin-1").strip().lower())
            if len(self._cache) < _CACHED:
                self._cache[value] = known
        return known

    def origin_allowed(self, value: bytes | None) -> bool:
        """May a request with this Origin header be served?"""
        return value is None or value.decode("latin-1").lower().rstrip("/") in self._origins

    def _decide(self, host: str) -> bool:
        name = _without_port(host)
        if name == "localhost" or name.endswith(".localhost") or _is_address(name):
            return True
        return any(name == allowed or name.endswith("." + allowed) for allowed in self._hosts)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
