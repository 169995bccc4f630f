"""Function URLs of a real server, with clients that know nothing of midge."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from functional.server import Midge

pytestmark = pytest.mark.needs("namespaces")
HANDLER = """
def handler(event, context):
    if event["rawPath"] == "/fail":
        raise ValueError("on purpose")
    if event["rawPath"] == "/plain":
        return "plain"
    return {"statusCode": 201, "headers": {"x-seen": event["rawPath"]}, "cookies": ["a=1", "b=2"],
            "body": event.get("body", "-"), "isBase64Encoded": event["isBase64Encoded"]}
"""
CALLER = """
import os, urllib.error, urllib.request
import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

def handler(event, context):
    made = AWSRequest("GET", event["url"])
    SigV4Auth(boto3.Session().get_credentials(), "lambda", os.environ["AWS_REGION"]).add_auth(made)
    try:
        with urllib.request.urlopen(urllib.request.Request(event["url"], headers=dict(made.headers))) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code
"""


def call(
    url: str, target: str = "/", *, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[HTTPResponse, bytes]:
    """A request as a client sends it to which the name resolves to this machine."""
    parts = urlsplit(url)
    assert parts.port is not None
    connection = HTTPConnection("127.0.0.1", parts.port, timeout=60)
    try:
        connection.request(method, target, body, {"Host": parts.netloc, **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def with_url(midge: Midge, name: str, **settings: Any) -> str:
    created = midge.client().create_function_url_config(FunctionName=name, **{"AuthType": "NONE", **settings})
    found = midge.client().get_function_url_config(FunctionName=name)["FunctionUrl"]
    assert found == created["FunctionUrl"]
    return found


def test_a_function_answers_at_its_url(midge: Midge, deploy: Callable[..., str]) -> None:
    """By the address that was handed out, and by path; bodies of any bytes; an error is a 502."""
    url = with_url(midge, deploy("answers", {"app.py": HANDLER}))
    assert urlsplit(url).port == midge.port
    answer, body = call(url, "/a%20b?c=d", method="POST", body=b"\x00\xff")
    assert (answer.status, body, answer.getheader("x-seen")) == (201, b"\x00\xff", "/a%20b")
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    answer, body = call(url, "/plain")
    assert (answer.status, body, answer.getheader("content-type")) == (200, b'"plain"', "application/json")
    answer, body = call(url, "/fail")
    assert (answer.status, body) == (502, b"Internal Server Error")
    url_id = (urlsplit(url).hostname or "").partition(".")[0]
    with urllib.request.urlopen(f"{midge.endpoint}/_midge/function-urls/{url_id}/by/path") as by_path:
        assert by_path.headers["x-seen"] == "/by/path"
    midge.client().delete_function_url_config(FunctionName="answers")
    assert call(url)[0].status == 404


def test_a_closed_url_opens_for_signatures(start_midge: Callable[..., Midge], tmp_path: Any) -> None:
    """Under AWS_IAM a client with a configured key gets in, and so does a function with its own credentials."""
    midge = start_midge(MIDGE_AWS_ACCESS_KEYS="AKIDALICE:of-alice,AKIDBOB:of-bob")
    from functional.server import ROLE, make_zip

    client = midge.client()
    for name, code in (("closed", HANDLER), ("caller", CALLER)):
        client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Role=ROLE,
            Timeout=30,
            Code={"ZipFile": make_zip({"app.py": code})},
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    url = with_url(midge, "closed", AuthType="AWS_IAM")
    assert call(url)[0].status == 403

    def status(key: str, secret: str) -> int:
        made = AWSRequest("GET", f"{url}signed", headers={"Host": urlsplit(url).netloc})
        session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret)
        SigV4Auth(session.get_credentials(), "lambda", "us-east-1").add_auth(made)
        return call(url, "/signed", headers=dict(made.headers))[0].status

    assert (status("AKIDBOB", "of-bob"), status("AKIDBOB", "of-alice"), status("AKIDEVE", "of-eve")) == (201, 403, 403)
    url_id = (urlsplit(url).hostname or "").partition(".")[0]
    inside = json.dumps({"url": f"{midge.endpoint}/_midge/function-urls/{url_id}/"})
    assert json.load(client.invoke(FunctionName="caller", Payload=inside)["Payload"]) == 201
