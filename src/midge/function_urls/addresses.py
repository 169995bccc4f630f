"""Where function URLs are: the name that is handed out, and which one a request is for. Pure.

``http://<url-id>.lambda-url.<region>.<domain>:<port>/`` as on AWS, where the domain is ``on.aws``. Names below
``localhost`` mean this machine, though not every resolver knows; for those that do not there is a form by path,
``/_midge/function-urls/<url-id>/...``, at midge's own address.
Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

import re
from dataclasses import dataclass

PATH_PREFIX = b"/_midge/function-urls/"
_ID_CHARACTERS = 32
_HOST = re.compile(rb"([a-z0-9]{32})\.lambda-url\.([a-z0-9-]+)\.(.+?)\.?(?::\d+)?", re.DOTALL)
_PATH = re.compile(re.escape(PATH_PREFIX) + rb"([a-z0-9]{32})(?=[/?]|\Z)")


@dataclass(frozen=True, slots=True)
class Addressed:
    """``target``: path and query behind the address, from the slash on. ``region``: None where the address has none."""

    url_id: str
    region: str | None
    target: bytes


def domain_name(url_id: str, region: str, domain: str) -> str:
    """The host of a function URL."""
    return f"{url_id}.lambda-url.{region}.{domain}"


def address(url_id: str, region: str, domain: str, port: int | None) -> str:
    """The URL as it is handed out; without a ``port`` HTTP's own."""
    host = domain_name(url_id, region, domain)
    return f"http://{host}/" if port is None else f"http://{host}:{port}/"


def is_function_url_host(host: bytes, domain: str) -> bool:
    """Whether a Host header names a function URL, be there one or not."""
    match = _HOST.fullmatch(host.strip().lower())
    return match is not None and match[3] == domain.encode()


def addressed(host: bytes | None, target: bytes) -> Addressed | None:
    """Which function URL a request is for; ``host`` is given only where it names one. None if the path names none."""
    match = None if host is None else _HOST.fullmatch(host.strip().lower())
    if match is not None:
        return Addressed(match[1].decode(), match[2].decode(), _path_and_query(target))
    match = _PATH.match(target)
    return None if match is None else Addressed(match[1].decode(), None, _path_and_query(target[match.end() :]))


def _path_and_query(target: bytes) -> bytes:
    """``target`` from the slash on; the absolute form of HTTP names the host once more."""
    if target.startswith((b"http://", b"https://")):
        rest = target.split(b"://", 1)[1]
        ends = [place for place in (rest.find(b"/"), rest.find(b"?")) if place >= 0]
        target = rest[min(ends) :] if ends else b""
    return target if target.startswith(b"/") else b"/" + target
