"""HTTP requests at function URLs as events of payload format 2.0."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.function_urls.events import Caller, UrlRequest, event

ID = "a0" * 16
REQUEST = UrlRequest(
    method="POST",
    path="/my/path",
    query="parameter1=value1&parameter1=value2&parameter2=a%20b&empty",
    protocol="HTTP/1.1",
    headers=[("Host", "h:4566"), ("X-A", "1"), ("User-Agent", "curl"), ("x-a", "2,3"), ("Content-Type", "text/plain"), ("Cookie", "a=1; b=2"), ("COOKIE", "c=3")],
    body=b"Hello",
    source_ip="192.0.2.7",
    port=4566,
    domain_name=f"{ID}.lambda-url.eu-west-1.localhost",
    url_id=ID,
    request_id="id",
    trace_id="Root=1-5759e988-bd862e3fe1be46a994272793",
    time=1_583_348_638.39,
)  # fmt: skip


def seen(request: UrlRequest) -> dict[str, Any]:
    return json.loads(event(request))


def test_an_event_has_what_aws_documents() -> None:
    """Every member of the format is there, with repeated headers and parameters joined and cookies apart."""
    assert seen(REQUEST) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=a%20b&empty",
        "cookies": ["a=1", "b=2", "c=3"],
        "headers": {
            "host": "h:4566",
            "x-a": "1,2,3",
            "user-agent": "curl",
            "content-type": "text/plain",
            "x-forwarded-for": "192.0.2.7",
            "x-forwarded-port": "4566",
            "x-forwarded-proto": "http",
            "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "a b", "empty": ""},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": ID,
            "domainName": f"{ID}.lambda-url.eu-west-1.localhost",
            "domainPrefix": ID,
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "body": "Hello",
        "isBase64Encoded": False,
    }


def test_what_is_not_there_is_left_out() -> None:
    """Without query, cookies and body the event has no such members."""
    bare = seen(replace(REQUEST, query="", headers=[], body=b""))
    assert not {"queryStringParameters", "cookies", "body"} & set(bare)
    assert bare["isBase64Encoded"] is False
    assert bare["headers"]["host"] == REQUEST.domain_name


def test_a_signer_is_named_and_the_signature_kept_back() -> None:
    """Under AWS_IAM the event says who signed; the signature itself is not the function's."""
    signed = replace(REQUEST, headers=[("Authorization", "AWS4-HMAC-SHA256 ...")])
    assert seen(signed)["headers"]["authorization"]
    found = seen(replace(signed, caller=Caller(access_key_id="AKID", account="111111111111")))
    assert "authorization" not in found["headers"]
    assert found["requestContext"]["accountId"] == "111111111111"
    iam = found["requestContext"]["authorizer"]["iam"]
    assert (iam["accessKey"], iam["accountId"], iam["userArn"]) == (
        "AKID", "111111111111", "arn:aws:iam::111111111111:root",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json", b'{"a":1}', True),
        ("Application/JSON; charset=utf-8", b"{}", True),
        ("text/html", "ü".encode(), True),
        ("text/html", b"\xff", False),
        ("application/xml", b"<a/>", True),
        ("application/x-www-form-urlencoded", b"a=1", False),
        ("application/octet-stream", b"plain", False),
        ("multipart/form-data; boundary=x", b"--x", False),
        ("", b"plain", False),
    ],
)
def test_bodies_are_text_by_their_type(content_type: str, body: bytes, text: bool) -> None:
    """JSON, XML and text/* travel as they are if they are UTF-8; everything else as base64."""
    found = seen(replace(REQUEST, headers=[("content-type", content_type)], body=body))
    assert found["isBase64Encoded"] is not text
    assert found["body"] == (body.decode() if text else base64.b64encode(body).decode())


@given(
    st.lists(st.tuples(st.text(), st.text())), st.binary(), st.text(), st.text(), st.sampled_from(["text/a", "a/b", ""])
)
def test_any_request_is_an_event(
    headers: list[tuple[str, str]], body: bytes, path: str, query: str, content_type: str
) -> None:
    """Whatever comes in, the event is JSON from which body, path and query come back whole."""
    given_headers = [("content-type", content_type), *((n, v) for n, v in headers if n.lower() != "content-type")]
    found = seen(replace(REQUEST, headers=given_headers, body=body, path=path, query=query))
    text = found.get("body", "")
    assert (base64.b64decode(text) if found["isBase64Encoded"] else text.encode()) == body
    assert (found["rawPath"], found["rawQueryString"]) == (path, query)
