"""From what a function returned to the HTTP answer at its function URL: payload format version 2.0. Pure.

A JSON object with ``statusCode`` says itself what the answer is; any other JSON is the body of a 200. What is neither,
or says what HTTP cannot, is a fault of the function. What belongs to the connection (framing, ``Connection``) is not
the function's to say and is left out.
Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_NOT_THE_FUNCTIONS = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-connection",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
JSON_TYPE = ("Content-Type", "application/json")


class MalformedAnswerError(Exception):
    """The function's answer cannot be given to an HTTP client."""


@dataclass(slots=True, kw_only=True)
class UrlAnswer:
    """``headers`` in order; each cookie is one of its own."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: bytes = b""


def answer(payload: bytes) -> UrlAnswer:
    """The answer that a function's ``payload`` stands for. Raises MalformedAnswerError."""
    try:
        document: Any = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedAnswerError("not JSON") from error
    if not isinstance(document, dict) or "statusCode" not in document:
        return UrlAnswer(headers=[JSON_TYPE], body=payload)
    fields = cast("dict[str, Any]", document)
    found = head(fields)
    if not any(name.lower() == "content-type" for name, _ in found.headers):
        found.headers.insert(0, JSON_TYPE)
    found.body = _body(fields)
    return found


def head(fields: dict[str, Any]) -> UrlAnswer:
    """Status, headers and cookies of an answer's ``fields``. Raises MalformedAnswerError."""
    headers: list[tuple[str, str]] = []
    for name, value in _mapping(fields.get("headers")).items():
        if name.lower() not in _NOT_THE_FUNCTIONS and value is not None:
            headers.append((_checked(_TOKEN, name), _checked(_VALUE, _text(value))))
    cookies: Any = fields.get("cookies")
    if cookies is not None:
        if not isinstance(cookies, list):
            raise MalformedAnswerError("cookies that are no list")
        headers += [("Set-Cookie", _checked(_VALUE, _text(cookie))) for cookie in cast("list[Any]", cookies)]
    return UrlAnswer(status=_status(fields.get("statusCode", 200)), headers=headers)


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:
        raise MalformedAnswerError("a statusCode that is none")
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedAnswerError("headers that are no object")
    return cast("dict[str, Any]", value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedAnswerError("a header's value that is no text")


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise MalformedAnswerError("a header that HTTP cannot carry")
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        # HTTP's headers are octets: browsers read UTF-8 here.
        return text.encode("utf-8").decode("latin-1")
    return text


def _body(fields: dict[str, Any]) -> bytes:
    body = fields.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswerError("a body that is no text")
    if not fields.get("isBase64Encoded"):
        return body.encode("utf-8")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedAnswerError("a body that is no base64") from error
