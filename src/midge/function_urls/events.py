"""From an HTTP request at a function URL to the event that the function sees: payload format version 2.0. Pure.

Header names are lower case and repeated values joined by commas; cookies stand apart; a body is text if its type says
so (JSON, ``text/*`` and what AWS's HTTP APIs take for text) and it is UTF-8, else base64.
Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who signed a request for a function URL whose AuthType is AWS_IAM."""

    access_key_id: str
    account: str

    def document(self) -> dict[str, Any]:
        """``requestContext.authorizer.iam``. Until there are users, whoever signs is the account's root."""
        return {
            "accessKey": self.access_key_id,
            "accountId": self.account,
            "callerId": self.account,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": f"arn:aws:iam::{self.account}:root",
            "userId": self.account,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRequest:
    """An HTTP request. ``path`` is as sent, ``query`` raw; ``headers`` in order, as received."""

    method: str
    path: str
    query: str
    protocol: str
    """HTTP/1.1"""
    headers: list[tuple[str, str]]
    body: bytes
    source_ip: str
    port: int
    """That the client connected to."""
    domain_name: str
    url_id: str
    request_id: str
    trace_id: str
    time: float
    """Seconds since 1970."""
    caller: Caller | None = None


def event(request: UrlRequest) -> bytes:
    """The event as JSON."""
    headers, cookies = _headers(request)
    document: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": _context(request, headers),
    }
    if cookies:
        document["cookies"] = cookies
    parameters = _joined(parse_qsl(request.query, keep_blank_values=True, errors="replace"))
    if parameters:
        document["queryStringParameters"] = parameters
    text = _text(request.body, headers.get("content-type", ""))
    if request.body:
        document["body"] = base64.b64encode(request.body).decode() if text is None else text
    document["isBase64Encoded"] = bool(request.body) and text is None
    return msgspec.json.encode(document)


def _headers(request: UrlRequest) -> tuple[dict[str, str], list[str]]:
    given = [(name.lower(), value) for name, value in request.headers]
    cookies = [part.strip() for name, value in given if name == "cookie" for part in value.split(";") if part.strip()]
    left_out = {"cookie"}
    if request.caller is not None:
        left_out.add("authorization")  # a signature is for AWS, which keeps it from the function
    headers = _joined([pair for pair in given if pair[0] not in left_out])
    forwarded = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = request.source_ip if forwarded is None else f"{forwarded}, {request.source_ip}"
    headers["x-forwarded-port"] = str(request.port)
    headers["x-forwarded-proto"] = "http"
    headers["x-amzn-trace-id"] = request.trace_id
    headers.setdefault("host", request.domain_name)
    return headers, cookies


def _context(request: UrlRequest, headers: dict[str, str]) -> dict[str, Any]:
    http = {
        "method": request.method,
        "path": request.path,
        "protocol": request.protocol,
        "sourceIp": request.source_ip,
        "userAgent": headers.get("user-agent", ""),
    }
    context: dict[str, Any] = {
        "accountId": "anonymous" if request.caller is None else request.caller.account,
        "apiId": request.url_id,
        "domainName": request.domain_name,
        "domainPrefix": request.url_id,
        "http": http,
        "requestId": request.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": _common_log_time(request.time),
        "timeEpoch": int(request.time * 1000),
    }
    if request.caller is not None:
        context["authorizer"] = {"iam": request.caller.document()}
    return context


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Values of one name joined by commas, in order."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _text(body: bytes, content_type: str) -> str | None:
    """``body`` as text; None where it travels as base64."""
    kind = content_type.partition(";")[0].strip().lower()
    if not (kind.startswith("text/") or kind in _TEXT_TYPES):
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _common_log_time(seconds: float) -> str:
    """23/Nov/2026:19:00:00 +0000, whatever the locale."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day:02}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"
