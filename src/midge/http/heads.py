"""Heads of relayed messages: what is between two machines only is taken out, and the framing is written anew.

Pure. Header values come from httptools, which lets no line break through.
Source: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
"""

from enum import Enum

import msgspec

from midge.model.errors import ServiceError

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
"""The end of every head whose body is chunked, and of no other: header names are never empty."""
LAST_CHUNK = b"0\r\n\r\n"
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",  # codespell:ignore te
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
    }
)
_STATUS = {502: b"502 Bad Gateway", 503: b"503 Service Unavailable"}


class Framing(Enum):
    """How the end of an answer is told."""

    EMPTY = "no body at all"
    LENGTH = "Content-Length"
    CHUNKED = "Transfer-Encoding: chunked"
    CLOSE = "the end of the connection"


def chunk(data: bytes) -> bytes:
    """``data``, not empty, as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def rewrite_head(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The head that is sent to a neighbour, of the head that was received.

    A chunked body stays chunked; ``Expect`` is left out, because the listener has answered it.
    """
    dropped = _between_two_machines(headers)
    chunked = any(name.lower() == b"transfer-encoding" and b"chunked" in value.lower() for name, value in headers)
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target)]
    has_host = False
    for name, value in headers:
        lower = name.lower()
        if lower in dropped or (chunked and lower == b"content-length"):
            continue
        has_host = has_host or lower == b"host"
        lines.append(b"%b: %b\r\n" % (name, value))
    if not has_host:
        lines.append(b"Host: localhost\r\n")
    lines.append(CHUNKED if chunked else b"\r\n")
    return b"".join(lines)


def framing_of(status: int, headers: list[tuple[bytes, bytes]], *, head_only: bool) -> Framing:
    """How the end of an answer is told, by its status and headers. ``head_only``: it answers a HEAD request."""
    if head_only or status in {204, 304}:
        return Framing.EMPTY
    names = {name.lower(): value for name, value in headers}
    if b"transfer-encoding" in names:
        chunked = names[b"transfer-encoding"].lower().rpartition(b",")[2].strip() == b"chunked"
        return Framing.CHUNKED if chunked else Framing.CLOSE
    return Framing.LENGTH if b"content-length" in names else Framing.CLOSE


def answer_head(status: int, reason: bytes, headers: list[tuple[bytes, bytes]], framing: Framing) -> bytes:
    """The head that is sent to the client, of the head that the neighbour sent."""
    dropped = _between_two_machines(headers)
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    lines += [b"%b: %b\r\n" % pair for pair in headers if pair[0].lower() not in dropped]
    if framing is Framing.CLOSE:
        lines.append(b"Connection: close\r\n")
    lines.append(CHUNKED if framing is Framing.CHUNKED else b"\r\n")
    return b"".join(lines)


def error_answer(head: bytes, status: int, error: ServiceError) -> bytes:
    """A whole answer that tells ``error`` in the protocol of the request with this ``head``."""
    code, message = error.code.encode(), error.message
    known = head.lower()
    if b"\r\nx-amz-target:" in known or b"application/x-amz-json" in known:
        kind = b"application/x-amz-json-1.1"
        body = msgspec.json.encode({"__type": error.code, "message": message})
    elif b"application/x-www-form-urlencoded" in known:
        kind = b"text/xml"
        body = b"<ErrorResponse><Error><Type>Receiver</Type>%b</Error></ErrorResponse>" % _xml(code, message)
    elif b"/s3/aws4_request" in known or b"%2fs3%2faws4_request" in known or b"authorization:" not in known:
        kind, body = (
            b"application/xml",
            b'<?xml version="1.0" encoding="UTF-8"?><Error>%b</Error>' % _xml(code, message),
        )
    else:
        kind, body = b"application/json", msgspec.json.encode({"message": message})
    lines = (
        b"HTTP/1.1 " + _STATUS[status],
        b"Content-Type: " + kind,
        b"x-amzn-ErrorType: " + code,
        b"Content-Length: %d" % len(body),
    )
    answer = b"\r\n".join(lines) + b"\r\n\r\n"
    return answer if head.startswith(b"HEAD ") else answer + body


def _xml(code: bytes, message: str) -> bytes:
    safe = message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()
    return b"<Code>%b</Code><Message>%b</Message>" % (code, safe)


def _between_two_machines(headers: list[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The names of headers that must not be passed on: the known ones and those that Connection names."""
    named = (value for name, value in headers if name.lower() == b"connection")
    options = {option.strip().lower() for value in named for option in value.split(b",")}
    return _HOP_BY_HOP | (options - {b"host", b"content-length", b"authorization"})
