"""The transport of AWS's Python runtime client: its own native module and midge's, held to the same behaviour.

AWS's client runs in a process of its own, once over each module, against the same scripted Runtime API.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness.environments import ACCEPTED, Call, ScriptedApi, hang_up, write_package

import midge.runtimes.python as python_runtime

TRANSPORTS = {"aws": None, "midge": Path(python_runtime.__file__).parent / "transport"}
PATIENCE_SECONDS = 60
REQUEST_ID = "8476a536-e9f4-11e8-9739-00000000000"
HANDLER = """
import json
def handler(event, context):
    if isinstance(event, dict) and "raise" in event:
        raise ValueError(event["raise"])
    if event == "context":
        return [context.aws_request_id, context.invoked_function_arn, context.client_context.custom, context._epoch_deadline_time_in_ms]
    if event == "large":
        return "x" * (6 * 1024 * 1024)
    return event
"""
MATTERING = (
    *("content-type", "content-length", "user-agent", "host", "lambda-runtime-function-error-type"),
    *("lambda-runtime-function-xray-error-cause", "lambda-runtime-invocation-id", "transfer-encoding"),
)


@dataclass
class Event:
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    status: int = 200


@dataclass
class Api:
    """Hands out ``events``, then hangs up if ``then_close`` else lets GET /next hang; keeps the requests."""

    events: list[Event]
    post_status: int = 202
    hold_posts: bool = False
    calls: list[Call] = field(default_factory=list[Call])
    held: list[ScriptedApi] = field(default_factory=list[ScriptedApi])
    served: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[ScriptedApi] = field(default_factory=set[ScriptedApi])

    def on_call(self, api: ScriptedApi, call: Call) -> None:
        self.calls.append(call)
        if call.kind != "next":
            if self.hold_posts:
                self.held.append(api)
            elif self.post_status == 202:
                api.transport.write(ACCEPTED)
            else:
                body = b'{"errorMessage":"no","errorType":"Refused"}'
                head = f"HTTP/1.1 {self.post_status} Refused\r\nContent-Length: {len(body)}\r\n\r\n"
                api.transport.write(head.encode() + body)
        elif self.served == len(self.events) or self.held:
            self.idle.set()
        else:
            event = self.events[self.served]
            self.served += 1
            api.transport.write(self._head(event) + event.body)

    def _head(self, event: Event) -> bytes:
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": f"{REQUEST_ID}{self.served}",
            "Lambda-Runtime-Deadline-Ms": "4102444800000",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            **event.headers,
            "Content-Length": str(len(event.body)),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {event.status} Whatever\r\n{lines}\r\n".encode()


@dataclass
class Run:
    """What a run of the client came to; ``code`` is None if it was still waiting for an event."""

    calls: list[Call]
    output: str
    code: int | None

    def posts(self) -> list[Call]:
        return [call for call in self.calls if call.method == "POST"]

    def wire(self) -> list[Any]:
        """Every request, with the headers that mean something."""
        return [
            (call.method, call.path, {k: v for k, v in call.headers.items() if k in MATTERING}, call.body)
            for call in self.calls
        ]


async def _run(transport: str, package: Path, api: Api) -> Run:
    server = await asyncio.get_running_loop().create_server(lambda: ScriptedApi(api), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    first = TRANSPORTS[transport]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "awslambdaric", "app.handler"),
        cwd=package,
        env={
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "LAMBDA_TASK_ROOT": str(package),
            "PYTHONPATH": ":".join(str(path) for path in (first, package) if path is not None),
            "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    reading = asyncio.ensure_future(process.communicate())
    idle = asyncio.ensure_future(api.idle.wait())
    try:
        await asyncio.wait([reading, idle], timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        code = process.returncode if reading.done() else None
        if not reading.done():
            process.kill()
        output, _ = await reading
    finally:
        idle.cancel()
        server.close()
        hang_up(api)
        await asyncio.sleep(0)
    calls = [Call(c.method, c.path, {**c.headers, "host": "api"}, c.body) for c in api.calls]
    return Run(calls, output.decode(), code)


def run(transport: str, package: Path, events: list[Event], **settings: Any) -> Run:
    async def main() -> Run:
        return await _run(transport, package, Api(events, **settings))

    return asyncio.run(main())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "function", {"app.py": HANDLER})


CONTEXT = Event(
    b'"context"', {"Lambda-Runtime-Client-Context": json.dumps({"custom": {"a": "\u00e9"}}, ensure_ascii=True)}
)
EVENTS = {
    "several in a row": [Event(b"1"), Event(b'{"a": [1, 2.5, null]}'), Event(b'"three"')],
    "unicode": [Event(json.dumps({"k\u00e9y": "\U0001f98a \u4e2d\u6587"}, ensure_ascii=False).encode())],
    "the context": [CONTEXT],
    "an invocation id": [Event(b"1", {"Lambda-Runtime-Invocation-Id": "abc-1"})],
    "a large event": [Event(b'"%b"' % (b"y" * (6 * 1024 * 1024 - 2)))],
    "a large response": [Event(b'"large"'), Event(b"2")],
    "an empty body": [Event(b""), Event(b"2")],
    "broken JSON": [Event(b"{"), Event(b"2")],
    "an exception": [Event(b'{"raise": "went wrong"}'), Event(b"2")],
    "an exception in unicode": [Event(json.dumps({"raise": "\U0001f98a\n\r\t\x01 \x80"}).encode())],
    "a long exception": [Event(json.dumps({"raise": "z" * 200_000}).encode()), Event(b"2")],
}


@pytest.mark.parametrize("name", EVENTS)
def test_both_put_the_same_requests_on_the_wire(package: Path, name: str) -> None:
    """Whatever the events, the two modules send the same methods, paths, headers that matter and bodies."""
    aws, ours = (run(transport, package, EVENTS[name]) for transport in TRANSPORTS)
    if name == "a long exception":  # a cause this long is decoration that midge's leaves out of the head
        for call in (*aws.calls, *ours.calls):
            call.headers.pop("lambda-runtime-function-xray-error-cause", None)
    assert ours.wire() == aws.wire()
    assert ours.code is None
    assert aws.code is None
    assert len(ours.posts()) == len(EVENTS[name])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_results_go_where_the_runtime_api_wants_them(package: Path, transport: str) -> None:
    """A result is posted, as JSON, to the path of the invocation that asked for it."""
    made = run(transport, package, [Event(b"1"), Event(b'"two"')])
    assert [(call.path, call.body) for call in made.posts()] == [
        (f"/2018-06-01/runtime/invocation/{REQUEST_ID}1/response", b"1"),
        (f"/2018-06-01/runtime/invocation/{REQUEST_ID}2/response", b'"two"'),
    ]
    assert {call.headers["content-type"] for call in made.posts()} == {"application/json"}
    assert [call.path for call in made.calls if call.method == "GET"] == ["/2018-06-01/runtime/invocation/next"] * 3
    assert all(call.headers["user-agent"].startswith("aws-lambda-python/") for call in made.calls)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_handler_sees_the_headers_as_its_context(package: Path, transport: str) -> None:
    """Request id, ARN, deadline and client context reach the handler."""
    made = run(transport, package, [CONTEXT])
    assert made.posts()[0].json() == [
        f"{REQUEST_ID}1",
        "arn:aws:lambda:us-east-1:000000000000:function:f",
        {"a": "\u00e9"},
        4102444800000,
    ]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_error_is_reported_as_one(package: Path, transport: str) -> None:
    """What a handler raises is posted to the error path, with its type in the body and a cause for X-Ray."""
    made = run(transport, package, [Event(b'{"raise": "went wrong"}')])
    (call,) = made.posts()
    assert call.path == f"/2018-06-01/runtime/invocation/{REQUEST_ID}1/error"
    assert json.loads(call.headers["lambda-runtime-function-xray-error-cause"])["exceptions"][0]["type"] == "ValueError"
    assert (call.json()["errorMessage"], call.json()["errorType"]) == ("went wrong", "ValueError")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("status", [400, 403, 413, 500])
def test_a_refused_answer_ends_the_runtime(package: Path, transport: str, status: int) -> None:
    """A runtime whose answer is refused does not go on as if it had been taken."""
    made = run(transport, package, [Event(b"1"), Event(b"2")], post_status=status)
    assert made.code not in (None, 0)
    assert len(made.posts()) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_refused_request_for_work_ends_the_runtime(package: Path, transport: str) -> None:
    """A runtime that is told 403 instead of being given an event ends, after reporting nothing."""
    made = run(transport, package, [Event(b"{}", status=403)])
    assert made.code not in (None, 0)
    assert not [call for call in made.posts() if call.kind == "response"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_handler_that_cannot_be_loaded_is_reported(tmp_path: Path, transport: str) -> None:
    """The failed import goes to /init/error, with its type as a header."""
    package = write_package(tmp_path / "function", {"app.py": "import nothing_of_that_name"})
    made = run(transport, package, [])
    (call,) = made.posts()
    assert call.path == "/2018-06-01/runtime/init/error"
    assert call.headers["lambda-runtime-function-error-type"] == "Runtime.ImportModuleError"
    assert "nothing_of_that_name" in call.json()["errorMessage"]


def test_midge_s_sends_the_answer_and_the_next_request_together(package: Path) -> None:
    """The response and GET /next are on the wire before the response has been accepted; AWS's module waits for that."""
    ours = run("midge", package, [Event(b"1")], hold_posts=True)
    assert [call.kind for call in ours.calls] == ["next", "response", "next"]


def test_midge_s_notices_a_refusal_behind_an_answered_next(package: Path) -> None:
    """The refusal of a response is noticed although the request for the next event is already under way."""
    ours = run("midge", package, [Event(b"1"), Event(b"2"), Event(b"3")], post_status=413)
    assert "413" in ours.output
    assert [call.kind for call in ours.calls][:3] == ["next", "response", "next"]
    assert len(ours.posts()) == 1
