"""Response streaming end to end: a runtime written by hand, a real server, AWS's own client."""

import http.client
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from functional.server import ROLE, Midge, make_zip

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.needs("curl")]

BOOTSTRAP = r"""#!/bin/bash
# A custom runtime that streams, down to the chunks and trailers.
set -u
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
part() { printf '%x\r\n%s\r\n' "${#1}" "$1" >&3; }
wait_for() {
  until curl -sf -o /dev/null "$AWS_ENDPOINT_URL/2015-03-31/functions/$1"; do sleep 0.02; done
}
while :; do
  event=$(curl -sS -D /tmp/head "$api/next")
  id=$(grep -i '^lambda-runtime-aws-request-id:' /tmp/head | tr -d '[:space:]' | cut -d: -f2)
  exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: api\r\n' "$id" >&3
  printf 'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n' >&3
  case "$event" in
    *http*) printf 'Content-Type: application/vnd.awslambda.http-integration-response\r\n' >&3 ;;
    *) printf 'Content-Type: text/plain\r\n' >&3 ;;
  esac
  printf 'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n' >&3
  case "$event" in
    *http*)
      prelude='{"statusCode":203,"headers":{"X-Kind":"streamed"},"cookies":["a=1","b=2"]}'
      printf '%x\r\n%s\0\0\0\0\0\0\0\0\r\n' "$((${#prelude} + 8))" "$prelude" >&3 ;;
  esac
  part 'one '
  case "$event" in *wait-for-*) name=${event##*wait-for-}; wait_for "${name%%\"*}" ;; esac
  case "$event" in *crash*) exit 9 ;; esac
  part 'two'
  case "$event" in
    *fail*)
      printf '0\r\nLambda-Runtime-Function-Error-Type: Custom.Error\r\n' >&3
      printf 'Lambda-Runtime-Function-Error-Body: %s\r\n\r\n' "$(printf '{"errorType":"Custom.Error"}' | base64 -w0)" >&3 ;;
    *) printf '0\r\n\r\n' >&3 ;;
  esac
  IFS= read -r -u 3 answer
  exec 3>&-
  echo "answered $answer"
done
"""


@pytest.fixture(scope="module")
def streams(midge: Midge) -> str:
    """The name of a function that streams."""
    return create(midge, "streams", BOOTSTRAP)


def create(midge: Midge, name: str, bootstrap: str) -> str:
    client = midge.client()
    code = {"ZipFile": make_zip({"bootstrap": bootstrap}, ("bootstrap",))}
    client.create_function(FunctionName=name, Runtime="provided.al2023", Handler="x", Role=ROLE, Timeout=30, Code=code)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return name


def invoke(midge: Midge, name: str, event: str, **more: Any) -> Iterator[dict[str, Any]]:
    answer = midge.client().invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **more)
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    return iter(answer["EventStream"])


def payload(events: list[dict[str, Any]]) -> bytes:
    return b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)


def test_boto3_reads_parts_as_they_are_written(midge: Midge, streams: str) -> None:
    """The first part is read while the function waits for what the test does only then; the end is told."""
    events = invoke(midge, streams, "wait-for-sign-one")
    assert next(events) == {"PayloadChunk": {"Payload": b"one "}}
    create(midge, "sign-one", BOOTSTRAP)
    rest = list(events)
    assert (payload(rest), rest[-1]) == (b"two", {"InvokeComplete": {}})


def test_boto3_is_told_of_errors_in_the_middle(midge: Midge, streams: str) -> None:
    """A function's error after the first parts, and a crash, stand in InvokeComplete, with the log if asked for."""
    events = list(invoke(midge, streams, "fail", LogType="Tail"))
    assert payload(events) == b"one two"
    end = events[-1]["InvokeComplete"]
    assert (end["ErrorCode"], json.loads(end["ErrorDetails"])["errorType"]) == ("Custom.Error", "Custom.Error")
    assert end["LogResult"]
    crash = invoke(midge, streams, "crash-wait-for-sign-crash")
    assert next(crash) == {"PayloadChunk": {"Payload": b"one "}}
    create(midge, "sign-crash", BOOTSTRAP)
    assert [event["InvokeComplete"]["ErrorCode"] for event in crash] == ["Runtime.ExitError"]
    assert payload(list(invoke(midge, streams, "again"))) == b"one two"


def test_boto3_gets_plain_responses_in_one_part(midge: Midge, deploy: Callable[..., str]) -> None:
    """A function that does not stream answers with one part."""
    name = deploy("plain", {"app.py": "def handler(event, context): return event"})
    assert list(invoke(midge, name, "e")) == [{"PayloadChunk": {"Payload": b'"e"'}}, {"InvokeComplete": {}}]


def test_invoke_puts_streams_together(midge: Midge, streams: str) -> None:
    """Invoke of a function that streams gives the whole, and its error if it ends with one."""
    answer = midge.client().invoke(FunctionName=streams, Payload='"plain"')
    assert (answer["Payload"].read(), answer.get("FunctionError")) == (b"one two", None)
    answer = midge.client().invoke(FunctionName=streams, Payload='"fail"')
    assert (json.load(answer["Payload"])["errorType"], answer["FunctionError"]) == ("Custom.Error", "Unhandled")


@contextmanager
def visit(midge: Midge, name: str, path: str, mode: str = "RESPONSE_STREAM") -> Generator[http.client.HTTPResponse]:
    """GET at a function's URL, its body not read yet."""
    client = midge.client()
    if not client.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]:
        client.create_function_url_config(FunctionName=name, AuthType="NONE")
    url = client.update_function_url_config(FunctionName=name, InvokeMode=mode)["FunctionUrl"]
    connection = http.client.HTTPConnection("127.0.0.1", midge.port, timeout=60)
    with closing(connection):
        connection.request("GET", path, headers={"Host": urlsplit(url).netloc})
        with connection.getresponse() as answer:
            yield answer


def test_a_function_url_streams(midge: Midge, streams: str) -> None:
    """Head and first byte are there while the function waits for what the test does only then."""
    with visit(midge, streams, "/http/wait-for-sign-two") as answer:
        assert (answer.status, answer.getheader("x-kind")) == (203, "streamed")
        assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
        assert answer.read(4) == b"one "
        create(midge, "sign-two", BOOTSTRAP)
        assert answer.read() == b"two"


@pytest.mark.parametrize("how", ["fail", "crash"])
def test_a_stream_that_fails_at_a_url_is_cut(midge: Midge, streams: str, how: str) -> None:
    """After the first byte an error ends the connection in the middle of the body."""
    with visit(midge, streams, f"/http/{how}/wait-for-sign-{how}-url") as answer:
        assert (answer.status, answer.read(4)) == (203, b"one ")
        create(midge, f"sign-{how}-url", BOOTSTRAP)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()


def test_a_buffered_url_waits_for_the_whole(midge: Midge, streams: str) -> None:
    """With InvokeMode BUFFERED the same function's answer comes whole."""
    with visit(midge, streams, "/http", "BUFFERED") as answer:
        assert (answer.status, answer.getheader("content-length"), answer.read()) == (203, "7", b"one two")
