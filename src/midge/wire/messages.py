"""An HTTP request and response as plain values, between the listener and everything behind it."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Request:
    """A whole request. ``path`` is still percent-encoded, ``query`` is raw; header names are lower case."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(slots=True, kw_only=True)
class Response:
    """A whole response; the listener adds Content-Length, Date and the connection headers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
