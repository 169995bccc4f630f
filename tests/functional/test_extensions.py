"""Extensions in the real sandbox of a real server: their life, their telemetry, and those that mean harm or just break."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from functional.extension_programs import PATIENT, PROGRAM, publish
from functional.server import ROLE, Midge, make_zip
from functional.watched import Watched

pytestmark = pytest.mark.needs("namespaces")

HANDLER = """
import os, signal, sys, time
def handler(event, context):
    if event == "exit": os._exit(7)
    if event == "sleep": time.sleep(60)
    print("working")
    return os.getpid()
def last(*_):
    print("runtime got SIGTERM", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, last)
"""


Watch = Callable[..., Watched]


@pytest.fixture(scope="module")
def midge(start_midge: Callable[..., Midge]) -> Midge:
    """A server that waits for last words however busy the machine is; AWS's times are proved on virtual time."""
    return start_midge(**PATIENT)


@pytest.fixture
def watch(midge: Midge, deploy: Callable[..., str], request: pytest.FixtureRequest) -> Watch:
    """Deploys a function with these extensions: ``watch(one={"at": "INVOKE", "do": "exit"})``."""
    name = request.node.name.replace("[", "-").replace("]", "").replace(" ", "-")[:60]

    def make(
        files: Mapping[str, str] | None = None, settings: Mapping[str, Any] | None = None, **modes: Any
    ) -> Watched:
        arn = publish(midge, name, *modes, files=files)
        variables = {"EXTENSIONS": json.dumps(modes), "MINE": "1"}
        more: dict[str, Any] = {"MemorySize": 192, "Timeout": 20, **(settings or {})}
        deploy(name, {"app.py": HANDLER}, Layers=[arn], Environment={"Variables": variables}, **more)
        return Watched(midge, name)

    return make


def test_an_extension_lives_through_its_phases(watch: Watch) -> None:
    """Registered before the runtime starts, told of each invocation, asked to end: as AWS does, with AWS's variables."""
    function = watch(watcher={})
    first = function.invoke()
    assert function.invoke() == first
    function.end()
    log = function.until("@watcher done")
    words = [line.split()[1] for line in log if line.startswith("@watcher")]
    assert words == ["registered", "INVOKE", "INVOKE", "SHUTDOWN", "done"]
    registered = next(line for line in log if line.startswith("@watcher registered"))
    document = {"functionName": function.name, "functionVersion": "$LATEST", "handler": "app.handler"}
    assert registered == f"@watcher registered 200 {json.dumps(document)} ['MINE']\n"
    assert log.index("EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n") > log.index(registered)
    event = json.loads(next(line for line in log if "INVOKE {" in line).partition("INVOKE ")[2])
    assert set(event) == {"eventType", "deadlineMs", "requestId", "invokedFunctionArn", "tracing"}
    assert any(event["requestId"] in line for line in log if line.startswith("START"))
    end = json.loads(next(line for line in log if "SHUTDOWN {" in line).partition("SHUTDOWN ")[2])
    assert end["shutdownReason"] == "spindown"
    assert log.index("runtime got SIGTERM\n") < next(i for i, line in enumerate(log) if "SHUTDOWN {" in line)


def test_ten_extensions_side_by_side(watch: Watch) -> None:
    """Ten external extensions register, hear of an invocation and are asked to end."""
    modes = {f"x{number}": {} for number in range(10)}
    function = watch(settings={"MemorySize": 1024}, **modes)
    function.invoke()
    function.end()
    function.until(*(f"@{name} done" for name in modes))


SUBSCRIPTION = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function", "extension"],
    "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
}
DESTINATIONS: dict[str, Any] = {
    "http": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/events"},
    "tcp": {"protocol": "TCP", "port": 8080},
}


@pytest.mark.parametrize("sink", ["http", "tcp"])
def test_telemetry_reaches_a_sink(watch: Watch, sink: str) -> None:
    """Every platform event of an invocation and the function's output arrive where the extension listens."""
    function = watch(ears={"sink": sink, "subscribe": {**SUBSCRIPTION, "destination": DESTINATIONS[sink]}})
    function.invoke()
    kinds = (
        "initStart",
        "initRuntimeDone",
        "initReport",
        "telemetrySubscription",
        "start",
        "runtimeDone",
        "report",
        "extension",
    )
    heard = function.heard("ears", *(f"platform.{kind}" for kind in kinds), "function")
    assert heard["function"] == "working"
    assert heard["platform.initStart"]["initializationType"] == "on-demand"
    assert heard["platform.telemetrySubscription"]["types"] == ["platform", "function", "extension"]
    assert heard["platform.runtimeDone"]["status"] == heard["platform.report"]["status"] == "success"
    assert heard["platform.report"]["metrics"]["maxMemoryUsedMB"] > 0
    assert "platform.end" not in heard
    assert "TELEMETRY\tName: ears\tState: Subscribed\tTypes: [Platform, Function, Extension]\n" in function.log()


def test_the_logs_api_has_its_own_events(watch: Watch) -> None:
    """Through the older API an extension hears of the same invocation in that API's words."""
    document = {"types": ["platform", "function"], "destination": {"protocol": "HTTP", "URI": "http://sandbox:8080"}}
    function = watch(ears={"sink": "http", "api": "/2020-08-15/logs", "subscribe": document})
    function.invoke()
    heard = function.heard(
        "ears", "platform.logsSubscription", "platform.start", "platform.end", "platform.report", "function"
    )
    assert set(heard["platform.start"]) == {"requestId", "version"}
    assert not {"platform.initStart", "platform.telemetrySubscription"} & set(heard)


@pytest.mark.parametrize(
    ("event", "status", "error"),
    [("exit", "failure", "Runtime.ExitError"), ("sleep", "timeout", "Sandbox.Timedout")],
    ids=["crash", "time-out"],
)
def test_telemetry_tells_of_faults(watch: Watch, event: str, status: str, error: str) -> None:
    """A crash and a time-out are told before the extension is asked to end, by the status that AWS has for each."""
    subscription = {**SUBSCRIPTION, "destination": DESTINATIONS["http"]}
    function = watch(settings={"Timeout": 2}, ears={"sink": "http", "subscribe": subscription})
    assert function.error(event)[0] == error
    lines = [line.partition("heard ")[2] for line in function.until("@ears done") if line.startswith("@ears heard")]
    heard = {document["type"]: document["record"] for document in map(json.loads, lines)}
    assert heard["platform.runtimeDone"]["status"] == status
    assert heard["platform.report"]["status"] == ("timeout" if status == "timeout" else "error")
    assert heard["platform.report"]["errorType"] == error


def test_the_logs_api_tells_of_faults(watch: Watch) -> None:
    """A crash is a platform.fault in the older API."""
    document = {"types": ["platform"], "destination": {"protocol": "HTTP", "URI": "http://sandbox:8080"}}
    function = watch(ears={"sink": "http", "api": "/2020-08-15/logs", "subscribe": document})
    function.error("exit")
    lines = [line.partition("heard ")[2] for line in function.until("@ears done") if line.startswith("@ears heard")]
    faults = [document["record"] for document in map(json.loads, lines) if document["type"] == "platform.fault"]
    assert len(faults) == 1
    assert faults[0].endswith("Error: Runtime exited with error: exit status 7\nRuntime.ExitError")


# those that break


def check_others(midge: Midge, deploy: Callable[..., str]) -> None:
    """Another function works at its usual pace, and midge answers."""
    name = deploy("other", {"app.py": "def handler(event, context): return event"})
    answer = midge.client().invoke(FunctionName=name, Payload=b"1")
    assert json.loads(answer["Payload"].read()) == 1


CRASHES: dict[str, tuple[dict[str, Any], str]] = {
    "exits at once": ({"at": "start", "do": "exit", "code": 0}, "exit code 0"),
    "crashes in init": ({"at": "next", "do": "exit", "code": 3}, "exit status 3"),
}


@pytest.mark.parametrize("case", CRASHES)
def test_one_that_ends_in_initialisation(watch: Watch, midge: Midge, deploy: Callable[..., str], case: str) -> None:
    """An extension that ends before it is ready is Extension.Crash, after a second attempt; others go on."""
    mode, text = CRASHES[case]
    function = watch(bad=mode)
    assert function.error() == ("Extension.Crash", text)
    check_others(midge, deploy)
    check_phases(function.until("REPORT"), "error\tError Type: Extension.Crash")


def check_phases(log: list[str], status: str) -> None:
    """Initialisation failed in its own time, and then as a part of the invocation."""
    lines = [line.partition("Phase: ")[2] for line in log if line.startswith("INIT_REPORT")]
    assert lines == [f"{phase}\tStatus: {status}\n" for phase in ("init", "invoke")]


@pytest.mark.parametrize("at", ["start", "next"])
def test_one_that_never_gets_ready(impatient: Midge, watch_at: "WatchAt", at: str) -> None:
    """An extension that does not register, or never asks for an event, times out twice; others go on."""
    function, others = watch_at(impatient, {"bad": {"at": at, "do": "sleep"}}, Timeout=2)
    assert function.error() == ("Sandbox.Timedout", "Task timed out after 2.00 seconds")
    others()
    check_phases(function.until("REPORT"), "timeout")


@pytest.fixture(scope="module")
def impatient(start_midge: Callable[..., Midge]) -> Midge:
    """A server whose init phase has one second, so that its end comes soon; Shutdown has the time that AWS gives."""
    return start_midge(MIDGE_LIMITS_INIT_SECONDS="1")


@pytest.fixture(scope="module")
def strict(start_midge: Callable[..., Midge]) -> Midge:
    """A server with AWS's own times."""
    return start_midge()


WatchAt = Callable[..., tuple[Watched, Callable[[], None]]]


@pytest.fixture
def watch_at(request: pytest.FixtureRequest) -> Iterator[WatchAt]:
    """Deploys a function with extensions at a server; returns it and a check that others are well there."""
    unique = str(abs(hash(request.node.name)))
    created: list[tuple[Any, str]] = []

    def make(server: Midge, modes: Mapping[str, Any], **settings: Any) -> tuple[Watched, Callable[[], None]]:
        client = server.client()
        arn = publish(server, f"layer{unique}", *modes)
        environment = {"Variables": {"EXTENSIONS": json.dumps(modes)}}
        for name, source, more in (
            (f"f{unique}", HANDLER, {"Layers": [arn], "Environment": environment, **settings}),
            (f"other{unique}", "def handler(event, context): return event", {}),
        ):
            request = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, "MemorySize": 192, **more}
            client.create_function(FunctionName=name, Code={"ZipFile": make_zip({"app.py": source})}, **request)
            created.append((client, name))
            client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

        def others() -> None:
            answer = client.invoke(FunctionName=f"other{unique}", Payload=b"1")
            assert json.loads(answer["Payload"].read()) == 1

        return Watched(server, f"f{unique}"), others

    yield make
    for client, name in created:
        client.delete_function(FunctionName=name)


def test_one_that_crashes_in_an_invocation(watch: Watch, midge: Midge, deploy: Callable[..., str]) -> None:
    """The invocation ends with Extension.Crash; the environment is replaced, and others go on."""
    function = watch(bad={"at": "INVOKE", "do": "exit", "code": 3})
    assert function.error("sleep") == ("Extension.Crash", "exit status 3")
    check_others(midge, deploy)
    log = function.until("REPORT")
    assert any("Status: error\tError Type: Extension.Crash" in line for line in log)


def test_one_that_never_asks_again(strict: Midge, watch_at: WatchAt) -> None:
    """The caller has its answer, the log tells of a time-out, and the next call has a new environment."""
    function, others = watch_at(strict, {"bad": {"at": "INVOKE", "do": "sleep"}}, Timeout=4)
    function.invoke()
    log = function.until("REPORT")
    assert any("Task timed out after 4.00 seconds" in line for line in log)
    others()


def test_one_that_does_not_end_is_killed(strict: Midge, watch_at: WatchAt) -> None:
    """An extension that ignores SHUTDOWN is gone when its two seconds are over."""
    function, others = watch_at(strict, {"lingering": {"linger": 3600}}, Timeout=20)
    function.invoke()
    function.end()
    log = function.until("@lingering SHUTDOWN")
    function.until_gone("extensions/lingering")
    assert "@lingering done\n" not in log
    others()


@pytest.mark.parametrize("what", ["long lines", "short lines"])
def test_one_that_floods_its_output(strict: Midge, watch_at: WatchAt, what: str) -> None:
    """Gigabytes of output, or millions of lines that others subscribe to, are cut off; the others go on."""
    mode: dict[str, Any] = {"at": "INVOKE", "do": "flood"}
    if what == "short lines":
        mode |= {"what": "x\n", "times": 32768}
    ears = {"sink": "http", "subscribe": {**SUBSCRIPTION, "destination": DESTINATIONS["http"]}}
    function, others = watch_at(strict, {"bad": mode, "ears": ears}, Timeout=4)
    function.invoke()
    others()


def test_one_that_eats_the_memory(strict: Midge, watch_at: WatchAt) -> None:
    """Extensions share the function's memory: one that takes it all fails the invocation, and nobody else's."""
    function, others = watch_at(strict, {"bad": {"at": "INVOKE", "do": "eat"}}, Timeout=20)
    assert function.error("sleep")[0] in {"Extension.Crash", "Runtime.OutOfMemory", "Runtime.ExitError"}
    others()


@pytest.mark.parametrize(
    ("content", "reason"),
    [("no program at all", "exec format error"), ("#!/there/is/none\n", "no such file or directory")],
    ids=["no-format", "no-interpreter"],
)
def test_one_that_is_no_program(watch: Watch, content: str, reason: str) -> None:
    """What cannot be executed is Extension.LaunchError, with the system's reason."""
    function = watch(files={"bad": content})
    assert function.error() == ("Extension.LaunchError", f"fork/exec /opt/extensions/bad: {reason}")


def test_an_eleventh(watch: Watch) -> None:
    """Eleven external extensions are one too many: nothing is started."""
    function = watch(**{f"x{number:02}": {} for number in range(11)})
    assert function.error() == ("Extension.LaunchError", "ErrTooManyExtensions")
    function.until("EXTENSION\tName: x10\tState: LaunchError\tEvents: []\tError Type: TooManyExtensions")


def test_a_bad_subscription_is_refused(watch: Watch) -> None:
    """All that is wrong with a subscription is told, and the extension goes on without."""
    function = watch(
        ears={
            "subscribe": {
                "schemaVersion": "1",
                "types": [],
                "destination": {"protocol": "HTTP", "URI": "http://example.com"},
            }
        }
    )
    function.invoke()
    log = function.until("@ears subscribed")
    line = next(line for line in log if line.startswith("@ears subscribed"))
    assert line.startswith("@ears subscribed 400 {'errorMessage': 'schemaVersion should be one of")
    assert "types should not be empty; URI host should be sandbox.localdomain; URI port is not provided" in line
    assert "'errorType': 'ValidationError'" in line


def test_a_dead_sink_harms_nobody(watch: Watch, midge: Midge, deploy: Callable[..., str]) -> None:
    """Where nobody listens telemetry waits and is tried again; invocations do not notice."""
    function = watch(ears={"subscribe": {**SUBSCRIPTION, "destination": DESTINATIONS["http"]}})
    for _ in range(3):
        function.invoke()
    check_others(midge, deploy)
    function.end()
    function.until("@ears done")


INTERNAL = """
import http.client, json, os, signal, sys, threading
def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    return answer.headers, json.loads(answer.read())
headers, _ = call("POST", "/2020-01-01/extension/register", '{"events": ["INVOKE"]}', Lambda_Extension_Name="inside")
identifier = headers["Lambda-Extension-Identifier"]
heard = []
def live():
    while True:
        _, event = call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=identifier)
        heard.append(event["requestId"])
threading.Thread(target=live, daemon=True).start()
def last(*_):
    os.write(1, f"flushing {len(heard)}\\n".encode())
    sys.exit(0)
signal.signal(signal.SIGTERM, last)
def handler(event, context):
    return context.aws_request_id
"""


def test_an_internal_extension(midge: Midge, deploy: Callable[..., str]) -> None:
    """A thread of the runtime's own takes part in every invocation, and the runtime has time for its last words."""
    name = deploy("internal", {"app.py": INTERNAL})
    function = Watched(midge, name)
    function.invoke()
    function.invoke()
    function.end()
    log = function.until("flushing ")
    assert "flushing 2\n" in log
    assert "EXTENSION\tName: inside\tState: Ready\tEvents: [INVOKE]\n" in log


def test_programs_are_what_the_tests_say() -> None:
    """The program that all of these deploy is a program."""
    compile(PROGRAM, "extension", "exec")
