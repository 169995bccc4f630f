"""One environment through its pool: answers, faults, deadlines, log lines. Virtual time, fake runtimes."""

import base64
import json
from pathlib import Path

import pytest
from unit.world import VERSION, World, in_world

from midge.model.functions import Logging
from midge.model.limits import Limits
from midge.sandbox.fake import Event, FakeRuntime, FakeSandbox, do_nothing


def fail(runtime: FakeRuntime, event: Event) -> None:
    del event
    runtime.fail("Unhandled", b'{"errorType":"ValueError","errorMessage":"no"}')
    runtime.next()


def printing(runtime: FakeRuntime, event: Event) -> None:
    runtime.write_output(b"hello\nworld")
    runtime.respond(event.payload, then_next=True)


def stay(runtime: FakeRuntime) -> None:
    """A runtime that never finishes its initialisation."""
    del runtime


def test_the_event_has_what_a_runtime_needs(tmp_path: Path) -> None:
    """The event carries id, ARN, trace id, payload, and a deadline that is the time-out away."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=7)
        outcome = await world.invoke(b'{"n": 1}')
        (event,) = world.runtime.events
        headers = event.headers
        assert outcome.payload == event.payload == b'{"n": 1}'
        assert outcome.executed_version == b"$LATEST"
        assert headers["lambda-runtime-invoked-function-arn"].endswith(":function:work")
        assert headers["lambda-runtime-trace-id"].startswith("Root=1-")
        assert int(headers["lambda-runtime-deadline-ms"]) == int((world.clock.now() + 7) * 1000)
        assert headers["content-type"] == "application/json"

    in_world(tmp_path, scenario)


def test_a_function_error_is_an_outcome(tmp_path: Path) -> None:
    """A handler's exception reaches the caller as the runtime wrote it, and the environment goes on."""

    async def scenario(world: World) -> None:
        world.put()
        first, second = await world.invoke(), await world.invoke()
        assert first.function_error == second.function_error == "Unhandled"
        assert json.loads(first.payload)["errorType"] == "ValueError"
        assert len(world.sandbox.runtimes) == 1
        assert world.metrics.function("work").errors == 2

    in_world(tmp_path, scenario, FakeSandbox(fail))


def test_a_time_out_ends_the_invocation_and_the_environment(tmp_path: Path) -> None:
    """At the deadline and not before, the caller gets AWS's error; the environment is killed, the next call replaces it."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=3)
        call = world.call()
        await world.settle()
        await world.advance(2.999)
        assert not call.ended
        await world.advance(0.002)
        assert call.outcome.function_error == "Unhandled"
        assert json.loads(call.outcome.payload) == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {call.request_id} Error: Task timed out after 3.00 seconds",
        }
        assert world.runtime.killed
        world.sandbox.on_event = lambda runtime, event: runtime.respond(event.payload, then_next=True)
        assert (await world.invoke(b"2")).payload == b"2"
        assert len(world.sandbox.runtimes) == 2
        log = await world.log()
        assert any(line.endswith(f"{call.request_id} Task timed out after 3.00 seconds\n\n") for line in log)
        assert any("\tStatus: timeout\t" in line and "Duration: 3000" in line for line in log)

    in_world(tmp_path, scenario, FakeSandbox(do_nothing))


def test_the_deadline_moves_with_each_invocation(tmp_path: Path) -> None:
    """The one timer of an environment does not end a later invocation before its own time."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=3)
        await world.invoke()
        await world.advance(2.0)
        world.sandbox.on_event = do_nothing
        call = world.call()
        await world.settle()
        await world.advance(2.9)
        assert not call.ended
        await world.advance(0.2)
        assert call.ended

    in_world(tmp_path, scenario)


def test_a_crash_is_answered_and_replaced(tmp_path: Path) -> None:
    """A process that ends in the middle fails its invocation with AWS's type; the next one gets a new environment."""

    async def scenario(world: World) -> None:
        world.put()
        outcome = await world.invoke()
        assert json.loads(outcome.payload)["errorType"] == "Runtime.ExitError"
        assert json.loads(outcome.payload)["errorMessage"].endswith("Runtime exited with error: exit status 3")
        await world.invoke()
        assert len(world.sandbox.runtimes) == 2
        log = await world.log()
        assert any("\tStatus: error\tError Type: Runtime.ExitError\t\n" in line for line in log)
        assert any("Error: Runtime exited with error: exit status 3\nRuntime.ExitError\n" in line for line in log)

    in_world(tmp_path, scenario, FakeSandbox(lambda runtime, event: runtime.exit(3)))


def test_running_out_of_memory_has_its_own_type(tmp_path: Path) -> None:
    """A process killed for memory is Runtime.OutOfMemory."""

    async def scenario(world: World) -> None:
        world.put()
        assert json.loads((await world.invoke()).payload)["errorType"] == "Runtime.OutOfMemory"

    in_world(tmp_path, scenario, FakeSandbox(lambda runtime, event: runtime.exit(0, 9, out_of_memory=True)))


def test_a_failed_initialisation_is_tried_again_and_then_the_answer(tmp_path: Path) -> None:
    """What a runtime posts to init/error reaches the caller after a second attempt as part of the invocation."""
    document = b'{"errorType":"Runtime.ImportModuleError","errorMessage":"no module"}'

    async def scenario(world: World) -> None:
        world.put()
        outcome = await world.invoke()
        assert outcome.payload == document
        assert outcome.function_error == "Unhandled"
        assert [runtime.killed for runtime in world.sandbox.runtimes] == [True, True]
        assert world.metrics.function("work").cold_starts == 1
        log = await world.log()
        failed = "\tStatus: error\tError Type: Runtime.ImportModuleError"
        assert [line.split("ms\t", 1)[1] for line in log[:2]] == [f"Phase: {x}{failed}\n" for x in ("init", "invoke")]
        assert [line.split(" ")[0] for line in log] == ["INIT_REPORT", "INIT_REPORT", "START", "END", "REPORT"]
        assert log[-1].endswith(f"{failed}\t\n")

    sandbox = FakeSandbox(on_start=lambda runtime: runtime.fail_init("Runtime.ImportModuleError", document))
    in_world(tmp_path, scenario, sandbox)


def test_a_second_attempt_that_succeeds_runs_the_invocation(tmp_path: Path) -> None:
    """A suppressed init counts as the invocation's time, bills no init duration, and its environment goes on."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=3)
        call = world.call()
        await world.settle()
        world.sandbox.runtimes[0].exit(1)
        await world.settle()
        await world.advance(2.0)
        world.runtime.next()
        await world.settle()
        assert call.outcome.payload == b"{}"
        assert (await world.invoke(b"2")).payload == b"2"
        assert len(world.sandbox.runtimes) == 2
        headers = world.runtime.events[0].headers
        assert int(headers["lambda-runtime-deadline-ms"]) == int((world.clock.now() + 1.0) * 1000)
        report = next(line for line in await world.log() if line.startswith("REPORT"))
        assert "\tDuration: 2000.00 ms\tBilled Duration: 2000 ms\t" in report
        assert "Init Duration" not in report

    in_world(tmp_path, scenario, FakeSandbox(on_start=stay))


def test_a_process_that_ends_while_initialising_fails_one_call(tmp_path: Path) -> None:
    """An environment that exits before its first GET /next, twice, fails one invocation; the others get new ones."""

    async def scenario(world: World) -> None:
        world.put()
        first, second = world.call(), world.call()
        await world.settle()
        world.sandbox.runtimes[0].exit(1)
        await world.settle()
        assert not first.ended
        assert len(world.sandbox.runtimes) == 3
        world.sandbox.runtimes[2].exit(1)
        await world.settle()
        assert json.loads(first.outcome.payload)["errorType"] == "Runtime.ExitError"
        assert not second.ended
        world.sandbox.runtimes[1].next()
        await world.settle()
        assert second.outcome.payload == b"{}"

    in_world(tmp_path, scenario, FakeSandbox(on_start=stay))


def test_initialisation_has_ten_seconds_and_then_the_functions_time(tmp_path: Path) -> None:
    """A runtime that never gets ready is ended after 10 s and started anew inside the function's time-out."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=3)
        call = world.call()
        await world.settle()
        await world.advance(9.9)
        assert not world.runtime.killed
        await world.advance(0.2)
        assert world.sandbox.runtimes[0].killed
        assert len(world.sandbox.runtimes) == 2
        await world.advance(2.8)
        assert not call.ended
        await world.advance(0.2)
        assert json.loads(call.outcome.payload)["errorType"] == "Sandbox.Timedout"
        assert world.runtime.killed
        log = await world.log()
        assert log[0] == "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout\n"
        assert log[1] == "INIT_REPORT Init Duration: 3000.00 ms\tPhase: invoke\tStatus: timeout\n"

    in_world(tmp_path, scenario, FakeSandbox(on_start=stay))


@pytest.mark.parametrize(("timeout", "seconds"), [(3, 130), (900, 900)])
def test_provisioned_environments_have_more_time_to_initialise(tmp_path: Path, timeout: int, seconds: int) -> None:
    """130 s or the function's time-out, whichever is more; then the attempt has failed, with no second one."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=timeout)
        world.target()
        world.router.provision(VERSION.function, {"$LATEST": 1})
        await world.settle()
        await world.advance(seconds - 0.1)
        assert not world.runtime.killed
        await world.advance(0.2)
        assert world.runtime.killed
        assert len(world.sandbox.runtimes) == 1
        assert world.router.provisioned(VERSION.function, "$LATEST").failed
        expected = f"INIT_REPORT Init Duration: {seconds}000.00 ms\tPhase: init\tStatus: timeout\n"
        assert await world.log() == [expected]

    in_world(tmp_path, scenario, FakeSandbox(on_start=stay))


def test_a_sandbox_that_cannot_start_is_a_service_error(tmp_path: Path) -> None:
    """When the machine cannot start an environment the caller gets ServiceException, and the place is given back."""

    async def scenario(world: World) -> None:
        world.put()
        world.sandbox.refuses = True
        call = world.call()
        await world.settle()
        assert call.error.code == "ServiceException"
        world.sandbox.refuses = False
        assert (await world.invoke(b"1")).payload == b"1"
        assert world.platform.concurrency.total() == 0

    in_world(tmp_path, scenario)


def test_a_runtime_that_never_asks_again_is_ended(tmp_path: Path) -> None:
    """An environment that has answered and does not ask for the next event within the time-out is killed."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=3)
        assert (await world.invoke()).payload == b"{}"
        await world.advance(3.1)
        assert world.runtime.killed

    in_world(tmp_path, scenario, FakeSandbox(lambda runtime, event: runtime.respond(event.payload)))


def test_a_late_answer_is_not_heard(tmp_path: Path) -> None:
    """What a runtime sends after its time is up changes nothing."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=1)
        call = world.call()
        await world.settle()
        world.clock.advance(1.1)
        world.runtime.respond(b"late", then_next=True)
        await world.settle()
        assert json.loads(call.outcome.payload)["errorType"] == "Sandbox.Timedout"

    in_world(tmp_path, scenario, FakeSandbox(do_nothing))


def test_log_lines_are_awss_and_in_order(tmp_path: Path) -> None:
    """START, the function's output, END, REPORT: in AWS's words, with the initialisation billed once."""

    async def scenario(world: World) -> None:
        world.put()
        ids = [world.call().request_id]
        await world.settle()
        ids.append(world.call().request_id)
        await world.settle()
        expected: list[str] = []
        memory = "Memory Size: 128 MB\tMax Memory Used: 34 MB\t"
        for request_id, init in zip(ids, ("Init Duration: 0.00 ms\t", ""), strict=True):
            expected += [
                f"START RequestId: {request_id} Version: $LATEST\n",
                "hello\n",
                "world",
                f"END RequestId: {request_id}\n",
                f"REPORT RequestId: {request_id}\tDuration: 0.00 ms\tBilled Duration: 1 ms\t{memory}{init}\n",
            ]
        assert await world.log() == expected

    in_world(tmp_path, scenario, FakeSandbox(printing))


def test_output_read_after_the_answer_comes_before_the_end_line(tmp_path: Path) -> None:
    """Output that the platform reads late is put where the function wrote it."""

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke()
        await world.logs.flush()
        await world.invoke()
        world.runtime.write_output(b"late\n")
        log = await world.log()
        assert [line.split(" ")[0] for line in log[3:]] == ["START", "late\n", "END", "REPORT"]

    in_world(tmp_path, scenario)


def test_the_tail_is_this_invocations_log(tmp_path: Path) -> None:
    """LogType Tail gives START, output that had to be drained, END and REPORT of this invocation alone."""

    def held(runtime: FakeRuntime, event: Event) -> None:
        runtime.hold_output(f"in {event.payload.decode()}\n".encode())
        runtime.respond(event.payload, then_next=True)

    async def scenario(world: World) -> None:
        world.put()
        await world.invoke(b"1")
        outcome = await world.invoke(b"2", tail=True)
        assert outcome.log_tail is not None
        lines = base64.b64decode(outcome.log_tail).decode().splitlines()
        assert [line.split(" ")[0] for line in lines] == ["START", "in", "END", "REPORT"]
        assert lines[1] == "in 2"

    in_world(tmp_path, scenario, FakeSandbox(held))


def test_the_tail_is_four_kilobytes(tmp_path: Path) -> None:
    """Of a long log the tail has the last 4 KB."""

    def chatty(runtime: FakeRuntime, event: Event) -> None:
        runtime.write_output(b"x" * 10_000 + b"\n")
        runtime.respond(event.payload, then_next=True)

    async def scenario(world: World) -> None:
        world.put()
        tail = (await world.invoke(tail=True)).log_tail
        assert tail is not None
        assert len(base64.b64decode(tail)) == 4096
        assert b"REPORT RequestId" in base64.b64decode(tail)

    in_world(tmp_path, scenario, FakeSandbox(chatty))


def test_json_logging_writes_platform_records(tmp_path: Path) -> None:
    """With the JSON format START and REPORT are platform.start and platform.report documents."""

    async def scenario(world: World) -> None:
        world.put(logging=Logging(format="JSON", group=VERSION.logging.group, system_level="INFO"))
        call = world.call()
        await world.settle()
        init, *documents = [json.loads(line) for line in await world.log()]
        assert init["type"] == "platform.initStart"
        assert [document["type"] for document in documents] == ["platform.start", "platform.report"]
        assert all(document["record"]["requestId"] == call.request_id for document in documents)
        assert documents[1]["record"]["metrics"]["memorySizeMB"] == 128
        assert documents[1]["record"]["status"] == "success"

    in_world(tmp_path, scenario)


STEPS = ["initStart", "initRuntimeDone", "initReport"]


@pytest.mark.parametrize(
    ("level", "on_event", "told"),
    [
        ("DEBUG", None, STEPS),
        ("INFO", None, STEPS[:1]),
        ("WARN", None, []),
        ("DEBUG", "crash", STEPS),
        ("WARN", "crash", STEPS[1:]),
    ],
)
def test_json_logging_tells_of_initialisation(
    tmp_path: Path, level: str, on_event: str | None, told: list[str]
) -> None:
    """Its steps are platform documents with a level each; those of one that failed are at WARN, with its error."""
    sandbox = FakeSandbox() if on_event is None else FakeSandbox(on_start=lambda runtime: runtime.exit(1))

    async def scenario(world: World) -> None:
        world.put(logging=Logging(format="JSON", group=VERSION.logging.group, system_level=level))
        world.call()
        await world.settle()
        documents = [json.loads(line) for line in await world.log() if line.startswith("{")]
        steps = [document for document in documents if document["type"].startswith("platform.init")]
        assert [step["type"].removeprefix("platform.") for step in steps][: len(told)] == told
        assert all(step["record"]["initializationType"] == "on-demand" for step in steps)
        if on_event is not None:
            assert (steps[-1]["record"]["status"], steps[-1]["record"]["errorType"]) == ("error", "Runtime.ExitError")
        elif not told:
            assert not steps

    in_world(tmp_path, scenario, sandbox)


def test_stopping_answers_what_runs(tmp_path: Path) -> None:
    """When midge closes, a running invocation is answered with a service error and its environment is killed."""

    async def scenario(world: World) -> None:
        world.put()
        call = world.call()
        await world.settle()
        await world.pools.close()
        assert call.error.code == "ServiceException"
        assert world.runtime.killed

    in_world(tmp_path, scenario, FakeSandbox(do_nothing))


@pytest.mark.parametrize("seconds", [5, 9])
def test_long_runs_are_billed_to_the_millisecond(tmp_path: Path, seconds: int) -> None:
    """Duration and billed duration are the time between event and answer."""

    async def scenario(world: World) -> None:
        world.put(timeout_seconds=60)
        world.call()
        await world.settle()
        await world.advance(seconds)
        world.runtime.respond(b"1")
        assert any(
            f"\tDuration: {seconds}000.00 ms\tBilled Duration: {seconds}000 ms\t" in x for x in await world.log()
        )

    in_world(tmp_path, scenario, FakeSandbox(do_nothing), Limits())
