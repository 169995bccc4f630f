"""Cross-origin requests to a function URL: what its ``Cors`` settings let a browser read. Pure.

An allowed origin is answered by its own name, or by ``*`` where every origin is and no credentials are: a browser takes
no wildcard together with credentials. What is not allowed gets no such headers, and the browser then refuses.
Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors
"""

from collections.abc import Mapping
from typing import Any

_PREFIX = "access-control-"


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks what it may send; header names are lower case."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def answer_headers(cors: Mapping[str, Any], headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is added to the answer to a request with these ``headers``."""
    allowed = _origin(cors, headers.get("origin"))
    if allowed is None:
        return []
    found = [("Access-Control-Allow-Origin", allowed)]
    if allowed != "*":
        found.append(("Vary", "Origin"))
    if cors.get("AllowCredentials"):
        found.append(("Access-Control-Allow-Credentials", "true"))
    exposed = cors.get("ExposeHeaders") or ()
    if exposed:
        found.append(("Access-Control-Expose-Headers", ",".join(exposed)))
    return found


def preflight_headers(cors: Mapping[str, Any], headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The answer to a preflight."""
    found = answer_headers(cors, headers)
    if not found:
        return []
    methods = _listed(cors, "AllowMethods", headers.get("access-control-request-method"))
    names = _listed(cors, "AllowHeaders", headers.get("access-control-request-headers"))
    if methods:
        found.append(("Access-Control-Allow-Methods", methods))
    if names:
        found.append(("Access-Control-Allow-Headers", names))
    if cors.get("MaxAge") is not None:
        found.append(("Access-Control-Max-Age", str(cors["MaxAge"])))
    return found


def is_cors_header(name: str) -> bool:
    """Whether a header is one that the settings decide, whatever the function says."""
    return name.lower().startswith(_PREFIX)


def _origin(cors: Mapping[str, Any], origin: str | None) -> str | None:
    allowed = cors.get("AllowOrigins") or ()
    if origin is None:
        return None
    if "*" in allowed:
        return origin if cors.get("AllowCredentials") else "*"
    wanted = origin.lower().rstrip("/")
    return origin if any(wanted == each.lower().rstrip("/") for each in allowed) else None


def _listed(cors: Mapping[str, Any], member: str, asked: str | None) -> str:
    """The names allowed; with credentials a wildcard means nothing to a browser, so that it gets what it asked for."""
    allowed = cors.get(member) or ()
    if "*" in allowed and cors.get("AllowCredentials"):
        return asked or ""
    return ",".join(allowed)
