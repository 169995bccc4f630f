"""Extensions through the pool: their beginning, their invocations, their failures, their end. Virtual time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.world import VERSION, Call, World, in_world

from midge.model.functions import Logging
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox, do_nothing
from midge.sandbox.fake_extension import FakeExtension

SIGTERM, SIGKILL = 15, 9
API = "/2020-01-01/extension"


def stay(*_: object) -> None:
    """What never does anything."""


def ready(extension: FakeExtension) -> None:
    """Registers for everything and asks for its first event as soon as it may."""
    extension.register("INVOKE", "SHUTDOWN")
    extension.loop_soon(extension.next)


def prompt(extension: FakeExtension, event: dict[str, Any]) -> None:
    """Takes each event and asks for the next; ends when it shall."""
    if event["eventType"] == "SHUTDOWN":
        extension.exit(0)
    else:
        extension.next()


class Stage:
    """A world whose function has external extensions of these names."""

    def __init__(self, tmp_path: Path, *names: str, start: Callable[[FakeExtension], None] = ready) -> None:
        self.tmp_path = tmp_path
        self.sandbox = FakeSandbox()
        self.sandbox.on_extension_start = start
        self.sandbox.on_extension_event = prompt
        (tmp_path / "layers/extensions").mkdir(parents=True)
        for name in names:
            (tmp_path / "layers/extensions" / name).touch()

    def run(self, scenario: Callable[[World], Any], **version: Any) -> None:
        async def put_and_run(world: World) -> None:
            world.put(layers_root=self.tmp_path / "layers", **version)
            await scenario(world)

        in_world(self.tmp_path / "data", put_and_run, self.sandbox)


def error_of(call: Call) -> tuple[str, str]:
    """Type and message of the error that a caller got."""
    document = json.loads(call.outcome.payload)
    return document["errorType"], document["errorMessage"].partition("Error: ")[2]


# beginning


def test_the_runtime_starts_when_all_have_registered(tmp_path: Path) -> None:
    """External extensions are started first; the runtime only when each of them has registered."""
    stage = Stage(tmp_path, "b", "a", start=stay)

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        first, second = world.runtime.extensions
        assert [first.name, second.name] == ["a", "b"]
        first.register("INVOKE")
        await world.settle()
        assert not world.runtime.started
        second.register()
        await world.settle()
        assert world.runtime.started
        assert not call.ended
        first.next()
        second.next()
        await world.settle()
        assert call.outcome.payload == b"{}"
        assert len(first.events) == 1
        assert not second.events

    stage.run(scenario)


def test_extensions_see_the_functions_variables_but_the_runtimes_own(tmp_path: Path) -> None:
    """Of AWS's list of variables that are the runtime's own none reaches an extension; the function's all do."""
    stage = Stage(tmp_path, "a")

    async def scenario(world: World) -> None:
        await world.invoke()
        processes = world.runtime.request.extensions
        assert processes is not None
        names = set(processes.environment)
        assert {"MINE", "AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME"} <= names
        own = {"AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "_HANDLER"}
        own |= {"AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"}
        assert not names & (own | {"_AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_PORT"})

    stage.run(scenario, environment={"MINE": "1"})


def test_registration_tells_of_the_function(tmp_path: Path) -> None:
    """The answer names function, version and handler, the account where asked for, and the extension's identifier."""
    stage = Stage(tmp_path, "a", start=stay)

    async def scenario(world: World) -> None:
        world.call()
        await world.settle()
        (extension,) = world.runtime.extensions
        headers = {"Lambda_Extension_Name": "a", "Lambda_Extension_Accept_Feature": "accountId"}
        extension.request("POST", f"{API}/register", b'{"events":["INVOKE"]}', **headers)
        await world.settle()
        status, body = extension.replies[0]
        assert status == 200
        expected = {"functionName": "work", "functionVersion": "$LATEST", "handler": "app.handler"}
        assert json.loads(body) == {**expected, "accountId": "123456789012"}
        assert len(extension.identifier) == 36

    stage.run(scenario)


def test_the_log_tells_how_each_stands(tmp_path: Path) -> None:
    """At the end of initialisation each extension has a line in the log, with the events that it registered for."""
    stage = Stage(tmp_path, "a")

    async def scenario(world: World) -> None:
        await world.invoke()
        log = await world.log()
        assert log[0] == "EXTENSION\tName: a\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n"
        assert log[1].startswith("START")

    stage.run(scenario)


def test_what_extensions_write_is_in_the_log(tmp_path: Path) -> None:
    """The output of an extension is part of the function's log."""
    stage = Stage(tmp_path, "a")

    async def scenario(world: World) -> None:
        await world.invoke()
        world.runtime.extensions[0].write_output(b"I watch\n")
        assert "I watch\n" in await world.log()

    stage.run(scenario)


# invocations


def test_the_invoke_event_describes_the_invocation(tmp_path: Path) -> None:
    """Deadline, request id, ARN and trace header are those that the runtime gets."""
    stage = Stage(tmp_path, "a")

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        event = json.loads(world.runtime.extensions[0].events[0])
        headers = world.runtime.events[0].headers
        assert event == {
            "eventType": "INVOKE",
            "deadlineMs": int(headers["lambda-runtime-deadline-ms"]),
            "requestId": call.request_id,
            "invokedFunctionArn": headers["lambda-runtime-invoked-function-arn"],
            "tracing": {"type": "X-Amzn-Trace-Id", "value": headers["lambda-runtime-trace-id"]},
        }

    stage.run(scenario)


def test_an_invocation_is_over_when_all_have_asked_again(tmp_path: Path) -> None:
    """The caller has its answer at once; the environment, its place and its REPORT wait for the extension."""
    stage = Stage(tmp_path, "a")
    stage.sandbox.on_extension_event = stay

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        assert call.outcome.payload == b"{}"
        assert world.platform.concurrency.total() == 1
        await world.advance(1.5)
        assert not any(line.startswith("REPORT") for line in await world.log())
        world.runtime.extensions[0].next()
        await world.settle()
        assert world.platform.concurrency.total() == 0
        assert any("\tDuration: 1500.00 ms\t" in line for line in await world.log())
        world.call()
        await world.settle()
        assert len(world.sandbox.runtimes) == 1
        assert len(world.runtime.extensions[0].events) == 2

    stage.run(scenario)


def test_an_extension_that_never_asks_again_times_out(tmp_path: Path) -> None:
    """At the function's time-out the environment is reset and the log tells of it; the caller keeps its answer."""
    stage = Stage(tmp_path, "a")
    stage.sandbox.on_extension_event = stay

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        await world.advance(3.1)
        assert call.outcome.payload == b"{}"
        assert world.platform.concurrency.total() == 0
        assert world.metrics.function("work").timeouts == 1
        log = await world.log()
        assert any(line.endswith(f"{call.request_id} Task timed out after 3.00 seconds\n\n") for line in log)
        assert any("\tStatus: timeout\t" in line for line in log)
        await world.advance(2.1)
        assert world.runtime.killed

    stage.run(scenario)


def test_an_internal_extension_takes_part(tmp_path: Path) -> None:
    """One that a runtime registers itself gets INVOKE events and is waited for."""

    def start(runtime: FakeRuntime) -> None:
        inside = FakeExtension(runtime.request, "inside", prompt_inside)
        inside.register("INVOKE")
        runtime.extensions.append(inside)
        inside.loop_soon(inside.next)
        inside.loop_soon(runtime.next)

    def prompt_inside(extension: FakeExtension, event: dict[str, Any]) -> None:
        del event
        extension.next()

    async def scenario(world: World) -> None:
        world.put()
        assert (await world.invoke()).payload == b"{}"
        assert (await world.invoke()).payload == b"{}"
        assert len(world.runtime.extensions[0].events) == 2

    in_world(tmp_path, scenario, FakeSandbox(on_start=start))


# refusals


REFUSED: dict[str, tuple[str, str, bytes, dict[str, str], int, str]] = {
    "no name": ("POST", "register", b'{"events":[]}', {}, 403, "Extension.InvalidExtensionName"),
    "no JSON": ("POST", "register", b"{", {"Lambda_Extension_Name": "a"}, 403, "InvalidRequestFormat"),
    "an event that there is not": (
        "POST", "register", b'{"events":["X"]}', {"Lambda_Extension_Name": "a"}, 403, "Extension.InvalidEventType",
    ),
    "SHUTDOWN for an internal one": (
        "POST", "register", b'{"events":["SHUTDOWN"]}', {"Lambda_Extension_Name": "in"}, 403, "Extension.InvalidEventType",
    ),
    "no identifier": ("GET", "event/next", b"", {}, 403, "Extension.MissingExtensionIdentifier"),
    "no such identifier": (
        "GET", "event/next", b"", {"Lambda_Extension_Identifier": "9f" * 16}, 403, "Extension.UnknownExtensionIdentifier",
    ),
    "no identifier at all": (
        "GET", "event/next", b"", {"Lambda_Extension_Identifier": "x"}, 403, "Extension.InvalidExtensionIdentifier",
    ),
    "another method": ("GET", "register", b"", {"Lambda_Extension_Name": "a"}, 405, "MethodNotAllowed"),
    "another path": ("GET", "sleep", b"", {}, 404, "NotFound"),
    "configuration keys": (
        "POST", "register", b'{"configurationKeys":["a"]}', {"Lambda_Extension_Name": "a"}, 403, "InvalidRequestFormat",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_calls_are_refused_as_on_aws(tmp_path: Path, case: str) -> None:
    """Each call that makes no sense has AWS's status and error type, and changes nothing."""
    method, path, body, headers, status, kind = REFUSED[case]
    stage = Stage(tmp_path, "a", start=stay)

    async def scenario(world: World) -> None:
        world.call()
        await world.settle()
        (extension,) = world.runtime.extensions
        extension.request(method, f"{API}/{path}", body, **headers)
        await world.settle()
        assert extension.replies[0][0] == status
        assert json.loads(extension.replies[0][1])["errorType"] == kind
        extension.register("INVOKE")
        await world.settle()
        assert extension.replies[1][0] == 200

    stage.run(scenario)


def test_after_the_runtime_is_ready_nobody_may_register(tmp_path: Path) -> None:
    """An internal extension that comes when initialisation is over is refused."""

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        late = FakeExtension(world.runtime.request, "late", stay)
        late.register("INVOKE")
        await world.settle()
        assert json.loads(late.replies[0][1])["errorType"] == "Extension.RegistrationClosed"

    in_world(tmp_path, scenario)


def test_an_eleventh_internal_extension_is_refused(tmp_path: Path) -> None:
    """Ten extensions may register; the next is told that the limit is reached."""
    answers: list[tuple[int, bytes]] = []

    def start(runtime: FakeRuntime) -> None:
        for number in range(11):
            extension = FakeExtension(runtime.request, f"in{number}", stay)
            runtime.extensions.append(extension)
            extension.register("INVOKE")

    async def scenario(world: World) -> None:
        world.put()
        world.call()
        await world.settle()
        answers.extend(extension.replies[0] for extension in world.runtime.extensions)
        assert [status for status, _ in answers] == [200] * 10 + [403]
        document = json.loads(answers[-1][1])
        assert document == {"errorType": "Extension.TooManyExtensions", "errorMessage": "Extension limit (10) reached"}

    in_world(tmp_path, scenario, FakeSandbox(on_start=start))


def test_a_subscription_after_init_is_refused(tmp_path: Path) -> None:
    """Whoever subscribes to telemetry when initialisation is over is told that it is too late."""
    stage = Stage(tmp_path, "a")

    async def scenario(world: World) -> None:
        await world.invoke()
        (extension,) = world.runtime.extensions
        document = {
            "schemaVersion": "2022-07-01",
            "types": ["platform"],
            "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"},
        }
        extension.disconnect()
        extension.subscribe(document)
        await world.settle()
        status, body = extension.replies[-1]
        assert (status, json.loads(body)["errorType"]) == (403, "Telemetry.SubscriptionClosed")

    stage.run(scenario)


# failures


def test_an_eleventh_external_extension_fails_the_initialisation(tmp_path: Path) -> None:
    """A function with eleven files in /opt/extensions gets Extension.LaunchError; no process is started."""
    stage = Stage(tmp_path, *(f"x{number:02}" for number in range(11)))

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        assert error_of(call) == ("Extension.LaunchError", "ErrTooManyExtensions")
        assert not world.sandbox.runtimes
        log = await world.log()
        assert "EXTENSION\tName: x10\tState: LaunchError\tEvents: []\tError Type: TooManyExtensions\n" in log

    stage.run(scenario)


@pytest.mark.parametrize(
    ("number", "reason", "kind"),
    [(13, "permission denied", "PermissionDenied"), (8, "exec format error", "UnknownError"), (2, "no such file or directory", "UnknownError")],
)  # fmt: skip
def test_one_that_cannot_be_started_fails_the_initialisation(
    tmp_path: Path, number: int, reason: str, kind: str
) -> None:
    """A file that is no program ends the invocation with Extension.LaunchError and the system's reason."""
    stage = Stage(tmp_path, "a", start=lambda extension: extension.fail_launch(number))

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        await world.advance(0.5)
        assert error_of(call) == ("Extension.LaunchError", f"fork/exec /opt/extensions/a: {reason}")
        log = await world.log()
        assert f"EXTENSION\tName: a\tState: LaunchError\tEvents: []\tError Type: {kind}\n" in log
        assert any("Phase: invoke\tStatus: error\tError Type: Extension.LaunchError" in line for line in log)

    stage.run(scenario)


def test_one_that_never_registers_times_out(tmp_path: Path) -> None:
    """An extension that does not register uses up init's time, then the function's: Sandbox.Timedout."""
    stage = Stage(tmp_path, "a", start=stay)

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        await world.advance(10.1)
        assert not call.ended
        assert not world.sandbox.runtimes[0].started
        await world.advance(3.1)
        assert error_of(call) == ("Sandbox.Timedout", "Task timed out after 3.00 seconds")
        log = await world.log()
        assert "EXTENSION\tName: a\tState: Started\tEvents: []\n" in log
        assert log.index("INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout\n") > 0

    stage.run(scenario)


@pytest.mark.parametrize(("code", "text"), [(0, "exit code 0"), (2, "exit status 2")])
def test_one_that_ends_while_initialising_is_a_crash(tmp_path: Path, code: int, text: str) -> None:
    """An extension that exits before it is ready ends the invocation with Extension.Crash, after a second attempt."""
    stage = Stage(tmp_path, "a", start=lambda extension: extension.exit(code))

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        await world.advance(0.5)
        assert error_of(call) == ("Extension.Crash", text)
        assert len(world.sandbox.runtimes) == 2
        log = await world.log()
        assert any(line.endswith(f"Error: {text}\nExtension.Crash\n") for line in log)
        assert any("Phase: init\tStatus: error\tError Type: Extension.Crash" in line for line in log)

    stage.run(scenario)


def test_one_that_ends_in_an_invocation_is_a_crash(tmp_path: Path) -> None:
    """The invocation fails with Extension.Crash, the runtime and the others are ended, the next call works."""
    stage = Stage(tmp_path, "a")
    stage.sandbox.on_event = do_nothing
    stage.sandbox.on_extension_event = lambda extension, event: extension.exit(3)

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        assert error_of(call) == ("Extension.Crash", "exit status 3")
        assert any("\tStatus: error\tError Type: Extension.Crash\t" in line for line in await world.log())
        world.sandbox.on_extension_event = prompt
        world.sandbox.on_event = lambda runtime, event: runtime.respond(event.payload, then_next=True)
        assert (await world.invoke(b"2")).payload == b"2"
        assert len(world.sandbox.runtimes) == 2

    stage.run(scenario)


def test_one_that_ends_while_nobody_calls_is_replaced(tmp_path: Path) -> None:
    """An idle environment whose extension exits is of no use any more; the next invocation gets another."""
    stage = Stage(tmp_path, "a")

    async def scenario(world: World) -> None:
        await world.invoke()
        world.runtime.extensions[0].exit(1)
        await world.settle()
        assert (await world.invoke(b"2")).payload == b"2"
        assert len(world.sandbox.runtimes) == 2

    stage.run(scenario)


@pytest.mark.parametrize(("phase", "kind"), [("init", "Extension.InitError"), ("exit", "Extension.ExitError")])
def test_one_that_gives_up_says_why(tmp_path: Path, phase: str, kind: str) -> None:
    """After init/error or exit/error the end of its process has that error's type, and the log its own reason."""

    def give_up(extension: FakeExtension) -> None:
        extension.register("INVOKE")
        extension.loop_soon(lambda: extension.report(phase, "Extension.NoConfig"))
        extension.loop_soon(lambda: extension.loop_soon(lambda: extension.exit(0)))

    stage = Stage(tmp_path, "a", start=give_up)

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        await world.advance(0.5)
        assert world.sandbox.runtimes[0].extensions[0].replies[-1] == (202, b'{"status":"OK"}\n')
        assert error_of(call) == (kind, "exit code 0")
        state = "InitError" if phase == "init" else "ExitError"
        line = f"EXTENSION\tName: a\tState: {state}\tEvents: [INVOKE]\tError Type: Extension.NoConfig\n"
        assert line in await world.log()

    stage.run(scenario)


def test_a_runtime_that_ends_beside_extensions_is_its_own_error(tmp_path: Path) -> None:
    """A crash of the runtime is Runtime.ExitError also where extensions go on; they are told that it failed."""
    stage = Stage(tmp_path, "a")
    stage.sandbox.on_event = lambda runtime, event: runtime.exit_runtime(1)

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        assert error_of(call) == ("Runtime.ExitError", "Runtime exited with error: exit status 1")
        last = json.loads(world.runtime.extensions[0].events[-1])
        assert last["shutdownReason"] == "failure"
        assert not world.runtime.signals
        assert world.runtime.killed

    stage.run(scenario)


# end


def idle_then_reaped(world: World) -> None:
    """Let an environment be ended because nobody calls."""
    for pool in world.pools.pools():
        pool.reap(float("inf"))


def test_without_extensions_there_is_no_time_to_end(tmp_path: Path) -> None:
    """No extension: SIGKILL at once (0 ms)."""

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        idle_then_reaped(world)
        assert world.runtime.killed
        assert not world.runtime.signals

    in_world(tmp_path, scenario)


def test_with_an_internal_extension_the_runtime_has_half_a_second(tmp_path: Path) -> None:
    """SIGTERM to the runtime, 500 ms, then SIGKILL."""

    def start(runtime: FakeRuntime) -> None:
        inside = FakeExtension(runtime.request, "inside", stay)
        inside.register()
        inside.loop_soon(inside.next)
        inside.loop_soon(runtime.next)

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        idle_then_reaped(world)
        assert world.runtime.signals == [SIGTERM]
        await world.advance(0.499)
        assert not world.runtime.killed
        await world.advance(0.002)
        assert world.runtime.killed

    in_world(tmp_path, scenario, FakeSandbox(on_start=start))


def test_with_external_extensions_there_are_two_seconds(tmp_path: Path) -> None:
    """SIGTERM and 300 ms for the runtime, SIGKILL for it; then SHUTDOWN for the extension; SIGKILL for all at 2,000 ms."""
    stage = Stage(tmp_path, "a")

    async def scenario(world: World) -> None:
        await world.invoke()
        world.sandbox.on_extension_event = stay
        began = world.clock.now()
        idle_then_reaped(world)
        (extension,) = world.runtime.extensions
        await world.advance(0.299)
        assert world.runtime.signals == [SIGTERM]
        assert len(extension.events) == 1
        await world.advance(0.002)
        assert world.runtime.signals == [SIGTERM, SIGKILL]
        event = json.loads(extension.events[-1])
        assert (event["eventType"], event["shutdownReason"]) == ("SHUTDOWN", "spindown")
        assert event["deadlineMs"] == pytest.approx((began + 2.0) * 1000, abs=1)
        await world.advance(1.69)
        assert not world.runtime.killed
        await world.advance(0.01)
        assert world.runtime.killed

    stage.run(scenario)


def test_the_end_comes_as_soon_as_all_have_ended(tmp_path: Path) -> None:
    """A runtime and extensions that end at once are not waited for."""
    stage = Stage(tmp_path, "a", "b")

    async def scenario(world: World) -> None:
        await world.invoke()
        idle_then_reaped(world)
        world.runtime.exit_runtime(0, SIGTERM)
        await world.settle()
        assert [json.loads(e.events[-1])["eventType"] for e in world.runtime.extensions] == ["SHUTDOWN"] * 2
        assert world.runtime.killed

    stage.run(scenario)


def test_the_reason_for_a_time_out_is_told(tmp_path: Path) -> None:
    """After a time-out the extensions' SHUTDOWN event says so, also to one that has not asked yet."""
    stage = Stage(tmp_path, "a")
    stage.sandbox.on_event = do_nothing
    stage.sandbox.on_extension_event = stay

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        await world.advance(3.1)
        assert error_of(call) == ("Sandbox.Timedout", "Task timed out after 3.00 seconds")
        await world.advance(0.3)
        (extension,) = world.runtime.extensions
        assert len(extension.events) == 1
        extension.next()
        await world.settle()
        assert json.loads(extension.events[-1])["shutdownReason"] == "timeout"

    stage.run(scenario)


def test_closing_gives_extensions_their_time(tmp_path: Path) -> None:
    """When midge closes, extensions are told and waited for; what runs is answered with a service error."""
    stage = Stage(tmp_path, "a")
    stage.sandbox.on_event = do_nothing

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        await world.close_pools()
        assert call.error.code == "ServiceException"
        assert json.loads(world.runtime.extensions[0].events[-1])["shutdownReason"] == "spindown"
        assert world.runtime.killed

    stage.run(scenario)


def test_json_logging_has_records_of_extensions(tmp_path: Path) -> None:
    """With the JSON format the line about an extension is a platform.extension document."""
    stage = Stage(tmp_path, "a")

    async def scenario(world: World) -> None:
        await world.invoke()
        document = json.loads((await world.log())[1])
        assert document["type"] == "platform.extension"
        assert document["record"] == {"name": "a", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}

    stage.run(scenario, logging=Logging(format="JSON", group=VERSION.logging.group, system_level="INFO"))


def crash_quietly(runtime: FakeRuntime, event: Event) -> None:
    """A runtime that answers and is gone before it asks again."""
    runtime.respond(event.payload)
    runtime.exit_runtime(1)


def test_a_crash_after_the_answer_is_told_in_the_log(tmp_path: Path) -> None:
    """A runtime that dies while extensions still run: the caller keeps its answer, the REPORT tells of the error."""
    stage = Stage(tmp_path, "a")
    stage.sandbox.on_extension_event = stay
    stage.sandbox.on_event = crash_quietly

    async def scenario(world: World) -> None:
        call = world.call()
        await world.settle()
        assert call.outcome.function_error is None
        assert any("\tStatus: error\tError Type: Runtime.ExitError\t" in line for line in await world.log())
        assert world.platform.concurrency.total() == 0

    stage.run(scenario)
