"""The Node.js runtime in the real sandbox: every way a handler may be written, answer, fail and log."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from harness.environments import Call, Driven, Workshop, catalogue, namespace_sandbox, workshop, write_package

from midge.runtimes.catalogue import node_modules_directory
from midge.sandbox.port import ProcessExit

pytestmark = pytest.mark.needs("namespaces")

NODES = [name for name in catalogue() if name.startswith("nodejs")]
RUNTIME = NODES[0] if NODES else "nodejs"
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    if not NODES:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Node.js that a runtime could be made of")
    with workshop(namespace_sandbox) as made:
        yield made


class Function:
    """A function of JavaScript files, and what becomes of it."""

    def __init__(self, shop: Workshop, directory: Path) -> None:
        self._shop = shop
        self._directory = directory
        self.posted = Call()
        """What ``failure`` saw it report."""

    def _start(self, files: Mapping[str, str], handler: str, more: Mapping[str, Any]) -> Any:
        at = write_package(self._directory / "function", files)
        return self._shop.open_environment(at, runtime=RUNTIME, handler=handler, **more)

    def answers(
        self, files: Mapping[str, str] | str, *events: Any, handler: str = "index.handler", **more: Any
    ) -> tuple[list[Call], str]:
        """What it posts for ``events``, one after the other in one environment, and its output."""
        named = {"index.js": files} if isinstance(files, str) else files

        async def work() -> tuple[list[Call], str]:
            async with self._start(named, handler, more) as driven:
                calls = [await driven.answer(event) for event in events]
                await driven.until_ready()
                return calls, driven.text

        return self._shop.run(work())

    def result(self, files: Mapping[str, str] | str, event: Any = None, **more: Any) -> Any:
        """The one answer, which must not be an error."""
        (call,), _ = self.answers(files, event, **more)
        assert call.kind == "response", call.body.decode()
        return call.json()

    def failure(self, files: Mapping[str, str] | str, event: Any = None, handler: str = "index.handler") -> Driven:
        """Run it to its end; the error that it posts is kept as ``posted``."""
        named = {"index.js": files} if isinstance(files, str) else files

        async def work() -> Driven:
            async with self._start(named, handler, {}) as driven:
                await driven.give(event)
                self.posted = await driven.post()
                await driven.end()
            return driven

        return self._shop.run(work())


@pytest.fixture
def function(shop: Workshop, tmp_path: Path) -> Function:
    return Function(shop, tmp_path)


ASYNC = "exports.handler = async (event, context) => ({ got: event, left: context.getRemainingTimeInMillis() > 0 });"
CALLBACK = "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, { got: event, left: true }), 5); };"


@pytest.mark.parametrize(
    "files",
    [
        {"index.js": ASYNC},
        {"index.cjs": ASYNC},
        {"index.mjs": ASYNC.replace("exports.handler =", "export const handler =")},
        {
            "index.js": ASYNC.replace("exports.handler =", "export const handler ="),
            "package.json": '{"type": "module"}',
        },
        {
            "index.mjs": "const prefix = await Promise.resolve(1);\n"
            + ASYNC.replace("exports.handler =", "export const handler =")
        },
        {"index.js": CALLBACK},
        {"index.js": "exports.handler = (event, context) => { context.succeed({ got: event, left: true }); };"},
        {"index.js": "exports.handler = (event, context) => { context.done(null, { got: event, left: true }); };"},
        {"index.js": "exports.handler = (event) => Promise.resolve({ got: event, left: true });"},
    ],
    ids=["async", "cjs", "mjs", "type module", "top-level await", "callback", "succeed", "done", "promise"],
)
def test_a_handler_may_be_written_in_any_of_the_ways(function: Function, files: dict[str, str]) -> None:
    """CommonJS or ES module, async, promise, callback or the old context methods: the answer is the same."""
    assert function.result(files, {"k": [1, "\u00e9\U0001f98a"]}) == {
        "got": {"k": [1, "\u00e9\U0001f98a"]},
        "left": True,
    }


@pytest.mark.parametrize(
    ("handler", "file"),
    [("src/app.main", "src/app.js"), ("app.inner.main", "app.js"), ("lib/deep/app.main", "lib/deep/app.mjs")],
)
def test_a_handler_may_lie_deeper(function: Function, handler: str, file: str) -> None:
    """A handler's name may have directories before the module and properties behind it."""
    export = "export const main =" if file.endswith("mjs") else "exports.main ="
    source = f"{export} async () => 'deep';" + ("exports.inner = { main: exports.main };" if file == "app.js" else "")
    assert function.result({file: source}, handler=handler) == "deep"


def test_what_is_no_json_becomes_null(function: Function) -> None:
    """A handler that returns nothing answers null, as JSON has no undefined."""
    assert function.result("exports.handler = async () => undefined;") is None
    assert function.result("exports.handler = (event, context, callback) => callback();") is None


def test_a_handler_that_falls_silent_answers_null(function: Function) -> None:
    """A callback handler that never calls back is done when nothing is left to happen."""
    assert function.result("exports.handler = () => { setTimeout(() => {}, 5); };") is None


WAITS = """
let finished = false;
exports.handler = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = event.waits;
  if (event.ask) return callback(null, finished);
  finished = false;
  setTimeout(() => { finished = true; }, 100);
  callback(null, finished);
};
"""


@pytest.mark.parametrize("waits", [True, False])
def test_a_callback_waits_for_the_event_loop_unless_told_otherwise(function: Function, waits: bool) -> None:
    """The answer of a callback leaves when the event loop is empty, or at once if the function says so."""
    calls, _ = function.answers(WAITS, {"waits": waits}, {"waits": False, "ask": True})
    assert calls[0].json() is False
    assert calls[1].json() is waits


def test_a_thrown_error_has_its_type_message_and_trace(function: Function) -> None:
    """What a handler throws, rejects with or calls back is an error with its own type; the environment goes on."""
    source = """
class Odd extends Error { constructor(m) { super(m); this.name = 'Odd'; this.code = 7; } }
exports.handler = async (event, context) => {
  if (event === 'throw') throw new Odd('thrown');
  if (event === 'text') throw 'text';
  return event;
};
exports.callback = (event, context, callback) => callback(new Odd('called back'));
"""
    calls, output = function.answers(source, "throw", "text", "fine")
    assert [call.kind for call in calls] == ["error", "error", "response"]
    thrown = calls[0].json()
    assert (thrown["errorType"], thrown["errorMessage"]) == ("Odd", "thrown")
    assert "/var/task/index.js:" in "".join(thrown["trace"])
    assert calls[0].headers["lambda-runtime-function-error-type"] == "Odd"
    assert calls[1].json()["errorType"] == "string"
    line = next(line for line in output.splitlines() if "Invoke Error" in line)
    assert "ERROR" in line
    assert json.loads(line.split("\t")[-1])["code"] == 7
    (called,), _ = function.answers(source, None, handler="index.callback")
    assert (called.kind, called.json()["errorMessage"]) == ("error", "called back")


@pytest.mark.parametrize(
    ("files", "handler", "error", "message"),
    [
        ({"index.js": ""}, "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        ({"index.js": "exports.handler = 1"}, "index.handler", "Runtime.HandlerNotFound", "is not a function"),
        ({"other.js": ""}, "index.handler", "Runtime.ImportModuleError", "Cannot find module 'index'"),
        ({"index.js": "require('nothing')"}, "index.handler", "Runtime.ImportModuleError", "nothing"),
        ({"index.js": "{"}, "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError"),
        ({"index.js": ""}, "index", "Runtime.MalformedHandlerName", "Bad handler"),
        ({"index.js": ""}, "../index.handler", "Runtime.MalformedHandlerName", "not a valid handler name"),
        ({"index.js": "throw new TypeError('early')"}, "index.handler", "TypeError", "early"),
        ({"index.mjs": "import 'nothing'"}, "index.handler", "Runtime.ImportModuleError", "nothing"),
    ],
)
def test_a_function_that_cannot_be_loaded_says_why(
    function: Function, files: dict[str, str], handler: str, error: str, message: str
) -> None:
    """Each fault at load time goes to /init/error with AWS's type for it, and the process ends."""
    driven = function.failure(files, handler=handler)
    assert function.posted.path.endswith("/init/error")
    assert function.posted.json()["errorType"] == error
    assert message in function.posted.json()["errorMessage"]
    assert driven.exits[0].code != 0


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (
            "exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise(() => setTimeout(() => {}, 9999)); };",
            "Runtime.UnhandledPromiseRejection",
        ),
        ("exports.handler = (e, c, cb) => { setTimeout(() => { throw new RangeError('later'); }, 1); };", "RangeError"),
    ],
)
def test_what_nobody_catches_ends_the_process(function: Function, source: str, error: str) -> None:
    """An unhandled rejection or exception fails the invocation with its type and ends the runtime with 129."""
    driven = function.failure(source)
    assert function.posted.path.endswith("/error")
    assert "/invocation/" in function.posted.path
    assert function.posted.json()["errorType"] == error
    assert driven.exits == [ProcessExit(code=129)]


def test_an_exit_is_reported_as_one(shop: Workshop, tmp_path: Path) -> None:
    """process.exit and a fatal signal end the environment with the code or signal that it was."""

    async def end(source: str) -> ProcessExit:
        at = write_package(tmp_path / "function", {"index.js": source})
        async with shop.open_environment(at, runtime=RUNTIME, handler="index.handler") as driven:
            await driven.give(None)
            return await driven.end()

    assert shop.run(end("exports.handler = () => process.exit(3);")) == ProcessExit(code=3)
    assert shop.run(end("exports.handler = () => process.kill(process.pid, 'SIGKILL');")) == ProcessExit(
        code=0, signal=9
    )


LOGS = "exports.handler = async () => { console.log('a\\nb %d', 1); console.error({ c: 2 }); console.debug('d'); };"


def test_the_console_writes_aws_s_lines(function: Function) -> None:
    """Time, request id, level and text, separated by tabs; a record's own line breaks are in it as they are."""
    _, output = function.answers(LOGS, None)
    time, request_id, level, text = output.split("\n2")[0].split("\t")
    assert (time[4], request_id, level) == ("-", "8476a536-e9f4-11e8-9739-000000000001", "INFO")
    assert text == "a\nb 1"
    lines = [line.split("\t") for line in output.splitlines() if "\t" in line]
    assert [(line[2], line[3]) for line in lines] == [("INFO", "a"), ("ERROR", "{ c: 2 }"), ("DEBUG", "d")]
    assert {line[1] for line in lines} == {request_id}


def test_the_console_writes_json_where_asked(function: Function) -> None:
    """With AWS_LAMBDA_LOG_FORMAT=JSON each record is an object; those below the level are left out."""
    _, output = function.answers(LOGS, None, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO")
    records = [json.loads(line) for line in output.splitlines()]
    assert [(record["level"], record["message"]) for record in records] == [("INFO", "a\nb 1"), ("ERROR", {"c": 2})]
    assert {record["requestId"] for record in records} == {"8476a536-e9f4-11e8-9739-000000000001"}


def test_the_function_sees_its_own_variables_only(function: Function) -> None:
    """process.env holds what midge gives and the function's own, as in a process started with them."""
    result = function.result(
        "exports.handler = async () => [process.env, process.cwd(), process.getuid(), __dirname];", MINE="1"
    )
    variables, directory, user, place = result
    assert (directory, user, place) == ("/var/task", 993, "/var/task")
    assert variables["MINE"] == "1"
    assert variables["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert "HOME" not in variables


def test_variables_that_node_reads_are_obeyed(function: Function) -> None:
    """NODE_OPTIONS acts: such a function gets a Node.js of its own, started with it."""
    source = "exports.handler = async () => [process.execArgv, process.env.NODE_OPTIONS, new Error().stack.split('\\n').length];"
    _, options, lines = function.result(source, NODE_OPTIONS="--stack-trace-limit=1")
    assert options == "--stack-trace-limit=1"
    assert lines == 2


@pytest.mark.skipif(not node_modules_directory().is_dir(), reason="the AWS SDK for JavaScript is not set up here")
@pytest.mark.parametrize(
    "files",
    [
        {
            "index.js": "const { S3Client } = require('@aws-sdk/client-s3');\nexports.handler = async () => new S3Client({}).config.serviceId;"
        },
        {
            "index.mjs": "import { S3Client } from '@aws-sdk/client-s3';\nexport const handler = async () => new S3Client({}).config.serviceId;"
        },
        {
            "index.mjs": "export const handler = async () => { const { S3Client } = await import('@aws-sdk/client-s3'); return new S3Client({}).config.serviceId; };"
        },
    ],
    ids=["require", "import", "dynamic import"],
)
def test_the_sdk_is_there(function: Function, files: dict[str, str]) -> None:
    """The AWS SDK v3 can be required and imported without being in the package."""
    assert function.result(files, memory_size_mb=512) == "S3"


def test_large_events_and_answers(function: Function) -> None:
    """Six megabytes go in and out unchanged."""
    event = "\u00e9" * (3 * 1024 * 1024 - 16)
    assert function.result("exports.handler = async (event) => event;", event, memory_size_mb=512) == event
