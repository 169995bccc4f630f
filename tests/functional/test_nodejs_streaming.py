"""Node.js functions that stream: AWS's own words for it, through a real server."""

import http.client
import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from functional.server import Midge
from harness.environments import catalogue

pytestmark = pytest.mark.needs("namespaces")

NODES = [name for name in catalogue() if name.startswith("nodejs")]
HANDLERS = """
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LambdaClient, GetFunctionCommand } from '@aws-sdk/client-lambda';

const client = new LambdaClient({});
async function appears(name) {
  for (;;) {
    try { return await client.send(new GetFunctionCommand({ FunctionName: name })); } catch { await new Promise((r) => setTimeout(r, 20)); }
  }
}

export const parts = awslambda.streamifyResponse(async (event, stream, context) => {
  stream.setContentType('text/plain');
  stream.write('one ');
  if (event.waitFor) await appears(event.waitFor);
  stream.write({ id: context.awsRequestId.length });
  stream.end();
});

export const page = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, {
    statusCode: 201, headers: { 'Content-Type': 'text/html', 'X-Path': event.rawPath }, cookies: ['a=1', 'b=2'],
  });
  stream.write('<p>');
  const name = event.queryStringParameters?.waitFor;
  if (name) await appears(name);
  stream.end('</p>');
});

export const piped = awslambda.streamifyResponse(async (event, stream) => {
  await pipeline(Readable.from(Array.from({ length: event.count }, () => Buffer.alloc(event.size, 'x'))), stream);
});

export const fails = awslambda.streamifyResponse(async (event, stream) => {
  if (event.after) stream.write('begun');
  if (event.late) stream.setContentType('text/html');
  if (event.uncaught) { setTimeout(() => { throw new RangeError('uncaught'); }, 1); return; }
  throw new TypeError('no');
});

export const notAsync = awslambda.streamifyResponse((event, stream) => { stream.end('x'); });
export const returns = awslambda.streamifyResponse(async (event, stream) => { stream.end('x'); return 'ignored'; });
export const empty = awslambda.streamifyResponse(async (event, stream) => { stream.end(); });
"""


@pytest.fixture(scope="module")
def node() -> str:
    """A runtime of Node.js that this machine has."""
    if not NODES:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Node.js that a runtime could be made of")
    return NODES[0]


@pytest.fixture
def function(deploy: Callable[..., str], node: str) -> Callable[[str], str]:
    """Creates a function of one of the handlers."""
    return lambda handler: deploy(
        f"node-{handler}", {"index.mjs": HANDLERS}, Runtime=node, Handler=f"index.{handler}", Timeout=30
    )


def invoke(midge: Midge, name: str, event: Any = None) -> Iterator[dict[str, Any]]:
    answer = midge.client().invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event or {}))
    return iter(answer["EventStream"])


def payload(events: list[dict[str, Any]]) -> bytes:
    return b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)


@contextmanager
def visit(midge: Midge, name: str, path: str) -> Generator[http.client.HTTPResponse]:
    """GET at a new function URL that streams, its body not read yet."""
    created = midge.client().create_function_url_config(
        FunctionName=name, AuthType="NONE", InvokeMode="RESPONSE_STREAM"
    )
    connection = http.client.HTTPConnection("127.0.0.1", midge.port, timeout=60)
    with closing(connection):
        connection.request("GET", path, headers={"Host": urlsplit(created["FunctionUrl"]).netloc})
        with connection.getresponse() as answer:
            yield answer


def test_what_is_written_is_there_at_once(
    midge: Midge, function: Callable[[str], str], deploy: Callable[..., str]
) -> None:
    """The first part is read while the function waits; what is no bytes is JSON."""
    events = invoke(midge, function("parts"), {"waitFor": "node-sign-one"})
    assert next(events) == {"PayloadChunk": {"Payload": b"one "}}
    deploy("node-sign-one", {"app.py": ""})
    rest = list(events)
    assert (payload(rest), rest[-1]) == (b'{"id":36}', {"InvokeComplete": {}})


def test_a_page_has_its_head_before_its_body(
    midge: Midge, function: Callable[[str], str], deploy: Callable[..., str]
) -> None:
    """HttpResponseStream.from gives status, headers and cookies, which the client has before the rest is written."""
    with visit(midge, function("page"), "/p?waitFor=node-sign-two") as answer:
        assert (answer.status, answer.getheader("x-path")) == (201, "/p")
        assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
        assert answer.read(3) == b"<p>"
        deploy("node-sign-two", {"app.py": ""})
        assert answer.read() == b"</p>"


def test_streams_may_be_piped(midge: Midge, function: Callable[[str], str]) -> None:
    """A pipeline of many megabytes arrives whole, one invocation after the other in one environment."""
    name = function("piped")
    for count in (50, 1, 50):
        events = list(invoke(midge, name, {"count": count, "size": 100_000}))
        assert (len(payload(events)), events[-1]) == (count * 100_000, {"InvokeComplete": {}})


@pytest.mark.parametrize(
    ("event", "begun", "code"),
    [
        ({}, b"", "TypeError"),
        ({"after": True}, b"begun", "TypeError"),
        ({"after": True, "late": True}, b"begun", "Runtime.InvalidStreamingOperation"),
        ({"after": True, "uncaught": True}, b"begun", "RangeError"),
    ],
)
def test_errors_are_told(
    midge: Midge, function: Callable[[str], str], event: dict[str, bool], begun: bytes, code: str
) -> None:
    """Before the first byte or behind it, thrown in the handler or nowhere, the caller is told of the error."""
    name = function("fails")
    for _ in range(2):
        events = list(invoke(midge, name, event))
        end = events[-1]["InvokeComplete"]
        assert (payload(events), end["ErrorCode"]) == (begun, code)
        assert json.loads(end["ErrorDetails"])["errorType"] == code


@pytest.mark.parametrize(("handler", "body"), [("returns", b"x"), ("empty", b"")])
def test_what_is_returned_is_ignored(midge: Midge, function: Callable[[str], str], handler: str, body: bytes) -> None:
    """Only what is written is the response, which may be nothing."""
    name = function(handler)
    for _ in range(2):
        events = list(invoke(midge, name))
        assert (payload(events), events[-1]) == (body, {"InvokeComplete": {}})


def test_a_handler_that_streams_is_async(midge: Midge, function: Callable[[str], str]) -> None:
    """A plain function that is said to stream is refused by name, whatever it wrote."""
    end = list(invoke(midge, function("notAsync")))[-1]["InvokeComplete"]
    assert end["ErrorCode"] == "Runtime.MalformedStreamingHandler"


def test_invoke_puts_the_parts_together(midge: Midge, function: Callable[[str], str]) -> None:
    """Invoke of a function that streams gives what it wrote."""
    assert midge.client().invoke(FunctionName=function("parts"), Payload="{}")["Payload"].read() == b'one {"id":36}'
