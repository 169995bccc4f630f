"""The Runtime API's replies as bytes, ready to be written.

Every reply carries a JSON body, the 202 as well: AWS's .NET client parses it.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
from collections.abc import Mapping

_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
            413: "Payload Too Large", 429: "Too Many Requests", 431: "Request Header Fields Too Large"}  # fmt: skip


def encoded(status: int, body: bytes, *, headers: Mapping[str, str] | None = None, close: bool = False) -> bytes:
    """A whole HTTP response with a JSON document as its body; ``close`` says that the connection ends after it."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    if close:
        more += "Connection: close\r\n"
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def reply(
    status: int, document: Mapping[str, object] | str, *, headers: Mapping[str, str] | None = None, close: bool = False
) -> bytes:
    """The same of a document that is not JSON yet."""
    body = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    return encoded(status, body, headers=headers, close=close)


def error(status: int, kind: str, message: str, *, close: bool = False) -> bytes:
    """An error as the Runtime API words it."""
    return reply(status, {"errorMessage": message, "errorType": kind}, close=close)


def closing(response: bytes) -> bytes:
    """The same response, or its head, saying that the connection ends after it."""
    line, end, rest = response.partition(b"\r\n")
    return line + end + b"Connection: close" + end + rest


OK = reply(200, "OK")
ACCEPTED = reply(202, {"status": "OK"})
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
INVALID_REQUEST_ID = error(400, "InvalidRequestID", "Invalid request ID")
BAD_REQUEST = error(400, "InvalidRequest", "Malformed HTTP request", close=True)
HEAD_TOO_LARGE = error(431, "InvalidRequest", "Request head is too large", close=True)
NOT_FOUND = error(404, "NotFound", "No such resource in the Runtime API")
WRONG_METHOD = error(405, "MethodNotAllowed", "Method not allowed")


def too_large(limit_bytes: int) -> bytes:
    """The refusal of a response payload above the limit."""
    message = f"Exceeded maximum allowed payload size ({limit_bytes} bytes)."
    return error(413, "RequestEntityTooLarge", message)


def response_too_large(limit_bytes: int) -> bytes:
    """The error document that the caller gets when a response is above ``limit_bytes``."""
    return (
        b'{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed '
        b'payload size (%d bytes)."}' % limit_bytes
    )
