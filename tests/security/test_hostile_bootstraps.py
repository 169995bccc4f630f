"""Bootstraps that mean harm or just break, on a real server: each ends in AWS's error, and midge and others stay well.

After each, a neighbour on the same server answers, the server says that it is well, and its log has no traceback.
"""

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from functional.server import ROLE, Midge, make_zip
from functional.watched import Watched
from security.bootstraps import PERL, RUDE

from midge.model.limits import Limits

pytestmark = pytest.mark.needs("namespaces", "perl")

NONE = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
MOST_GROWTH_MB = 96
"""Of midge, over what it was: its bounds on what waits, with what the interpreter makes of it."""
LOG_FILES = 2


@pytest.fixture(scope="module")
def midge(start_midge: Callable[..., Midge]) -> Midge:
    return start_midge(
        MIDGE_LIMITS_INIT_SECONDS="3",
        MIDGE_LIMITS_LOG_STREAM_FILES=str(LOG_FILES),
    )


def create(
    midge: Midge, name: str, files: Mapping[str, str | bytes], *, executable: bool = True, **more: Any
) -> Watched:
    """A function of an OS-only runtime."""
    code = {"ZipFile": make_zip(files, ("bootstrap",) if executable else ())}
    quiet = {"Variables": {"PERL_BADLANG": "0"}}  # the machine need not have AWS's locale
    settings = {"Runtime": "provided.al2023", "Handler": "x", "Role": ROLE, "Environment": quiet, "Timeout": 20, **more}
    client = midge.client()
    client.create_function(FunctionName=name, Code=code, **settings)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return Watched(midge, name)


@pytest.fixture(scope="module")
def neighbour(midge: Midge) -> Watched:
    return create(midge, "neighbour", {"bootstrap": PERL + "well();"})


Publish = Callable[..., Watched]


@pytest.fixture
def publish(midge: Midge, neighbour: Watched, request: pytest.FixtureRequest) -> Iterator[Publish]:
    """Makes the function of a test; when it is over, all else must be well: ``publish("exit 3;", Timeout=2)``."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[-60:].strip("-")

    def make(perl: str | None = None, files: Mapping[str, str | bytes] | None = None, **more: Any) -> Watched:
        return create(midge, name, files or {"bootstrap": PERL + (perl or "")}, **more)

    yield make
    assert neighbour.invoke() == "well"
    with urllib.request.urlopen(f"{midge.endpoint}/_midge/health", timeout=20) as answer:
        assert json.load(answer)["status"] == "ok"
    midge.client().delete_function(FunctionName=name)
    assert "Traceback" not in midge.log()


@pytest.mark.parametrize(
    ("files", "executable", "error"),
    [
        ({"other": ""}, False, NONE),
        ({"bootstrap/inner": ""}, False, NONE),
        ({"bootstrap": "#!/bin/sh\n"}, False, "fork/exec /var/task/bootstrap: permission denied"),
        ({"bootstrap": b"\x00\x01no program"}, True, "fork/exec /var/task/bootstrap: exec format error"),
        ({"bootstrap": "#!/nowhere/sh\n"}, True, "fork/exec /var/task/bootstrap: no such file or directory"),
    ],
    ids=["missing", "directory", "not executable", "garbage", "no interpreter"],
)
def test_one_that_cannot_be_executed(
    publish: Publish, files: Mapping[str, str | bytes], executable: bool, error: str
) -> None:
    """Runtime.InvalidEntrypoint with the launcher's words, to the caller and in the log, each time anew."""
    function = publish(files=files, executable=executable)
    assert [function.error(), function.error()] == [("Runtime.InvalidEntrypoint", error)] * 2
    log = function.until("INIT_REPORT", "RequestId")
    assert any(
        line.startswith("RequestId") and line.endswith(f"Error: {error}\nRuntime.InvalidEntrypoint\n") for line in log
    ), log
    assert any("Phase: init\tStatus: error\tError Type: Runtime.InvalidEntrypoint" in line for line in log), log


def test_one_in_a_layer_that_cannot_be_executed(midge: Midge, publish: Publish) -> None:
    """A layer's bootstrap is named by its path in /opt."""
    content = {"ZipFile": make_zip({"bootstrap": "#!/bin/sh\n"})}
    layer = midge.client().publish_layer_version(LayerName="not-executable", Content=content)["LayerVersionArn"]
    function = publish(files={"other": ""}, Layers=[layer])
    assert function.error() == ("Runtime.InvalidEntrypoint", "fork/exec /opt/bootstrap: permission denied")


@pytest.mark.parametrize(
    ("perl", "error"),
    [
        ("exit 0;", "Runtime exited without providing a reason"),
        ("exit 3;", "Runtime exited with error: exit status 3"),
        ("kill 'KILL', $$; sleep 60;", "Runtime exited with error: signal: killed"),
        ("event(); exit 0;", "Runtime exited without providing a reason"),
        ("event(); kill 'SEGV', $$; sleep 60;", "Runtime exited with error: signal: segmentation fault"),
    ],
    ids=["exit 0 at init", "exit 3 at init", "killed at init", "exit 0", "signal"],
)
def test_one_that_ends(publish: Publish, perl: str, error: str) -> None:
    """Runtime.ExitError, at init and in an invocation."""
    assert publish(perl).error() == ("Runtime.ExitError", error)


@pytest.mark.parametrize(
    "perl",
    [
        "1 while 1;",
        "sleep 1 while 1;",
        "event(); sleep 1 while 1;",
        "my $held = dial(); put($held, 'GET '); sleep 1 while 1;",
        "respond(event() . 'x', 1); sleep 1 while 1;",
    ],
    ids=["loops", "sleeps", "never answers", "half a request", "answers another only"],
)
def test_one_that_never_gets_there(publish: Publish, perl: str) -> None:
    """One that never asks for an event, or never answers its own, has the function's time and no more."""
    assert publish(perl, Timeout=2).error() == ("Sandbox.Timedout", "Task timed out after 2.00 seconds")


@pytest.mark.parametrize("when", ["", "event();"], ids=["at init", "in an invocation"])
def test_a_flood_of_output(midge: Midge, neighbour: Watched, publish: Publish, when: str) -> None:
    """One that prints without end is ended in time; meanwhile others are served, and neither memory nor disk fills."""
    function = publish(f"{when} my $line = ('x' x 1023 . \"\\n\") x 64; syswrite STDOUT, $line while 1;", Timeout=3)
    before = memory_mb(midge)
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(function.error)
        served = 0
        while not flood.done():
            assert neighbour.invoke() == "well"
            served += 1
    assert flood.result() == ("Sandbox.Timedout", "Task timed out after 3.00 seconds")
    assert served >= 3
    assert most_memory_mb(midge) < before + MOST_GROWTH_MB
    written = sizes(midge.data_dir / "logs", function.name)
    limits = Limits()
    most = limits.log_stream_file_bytes + limits.pending_log_bytes * 11 // 10  # with each line's time
    assert limits.log_stream_file_bytes // 2 < max(written) < most
    assert sum(written) < 2 * (LOG_FILES + 1) * most  # initialised twice, that makes two streams


def memory_mb(midge: Midge) -> int:
    """midge's memory; what was its most is forgotten (man 5 proc, clear_refs)."""
    Path(f"/proc/{midge.process.pid}/clear_refs").write_text("5")
    return _status_mb(midge, "VmRSS")


def most_memory_mb(midge: Midge) -> int:
    """The most since ``memory_mb``."""
    return _status_mb(midge, "VmHWM")


def _status_mb(midge: Midge, field: str) -> int:
    lines = Path(f"/proc/{midge.process.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) >> 10


def sizes(logs: Path, function: str) -> list[int]:
    """Of the files of a function's log streams."""
    return [path.stat().st_size for path in logs.rglob("*") if path.is_file() and function in str(path)]


@pytest.mark.parametrize(("perl", "said"), RUDE.values(), ids=RUDE)
def test_one_that_breaks_the_protocol_is_refused_and_may_go_on(publish: Publish, perl: str, said: str) -> None:
    """Each call out of turn or out of shape has its refusal; the invocation that is open is answered all the same."""
    function = publish(f"{perl} well();")
    assert function.invoke() == "well"
    assert function.invoke() == "well"
    heard = next(line for line in function.until("@") if line.startswith("@"))
    assert heard.startswith(f"@ {said}")


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_huge_answer(midge: Midge, publish: Publish, declared: bool) -> None:
    """Seventy megabytes are refused, not kept; the caller is told, and the environment goes on with its next event."""
    head = "Content-Length: 73400320" if declared else "Transfer-Encoding: chunked"
    part = "$data" if declared else r'"100000\r\n$data\r\n"'
    function = publish(
        rf"""
        my $id = event(); my $over = dial(); my $data = 'x' x 1048576;
        put($over, "POST $invocations/$id/response HTTP/1.1\r\n{head}\r\n\r\n");
        for (1..70) {{ put($over, {part}) or last }}
        well();
        """
    )
    before = memory_mb(midge)
    assert function.error()[0] == "Function.ResponseSizeTooLarge"
    assert function.invoke() == "well"
    assert most_memory_mb(midge) < before + MOST_GROWTH_MB


def test_a_streamed_answer_that_breaks_off(publish: Publish) -> None:
    """Runtime.TruncatedResponse, if the runtime does not end; it may go on."""
    function = publish(
        r"""
        my $id = event(); my $over = dial();
        put($over, "POST $invocations/$id/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
          . "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
        close $over; select undef, undef, undef, 0.2;  # or it asks before the end is noticed, and is refused
        well();
        """
    )
    stream = function.client.invoke_with_response_stream(FunctionName=function.name)["EventStream"]
    ends = [event["InvokeComplete"] for event in stream if "InvokeComplete" in event]
    assert [end["ErrorCode"] for end in ends] == ["Runtime.TruncatedResponse"]
    assert function.invoke() == "well"


def test_questions_whose_answers_are_never_read(midge: Midge, publish: Publish) -> None:
    """One that sends requests without end and reads nothing is made to wait; midge does not collect the answers."""
    function = publish(
        r"""
        my $id = event(); my $over = dial();
        my $many = "GET /nothing HTTP/1.1\r\n\r\n" x 2000;
        1 while put($over, $many);
        sleep 60;
        """,
        Timeout=5,
    )
    before = memory_mb(midge)
    assert function.error() == ("Sandbox.Timedout", "Task timed out after 5.00 seconds")
    assert most_memory_mb(midge) < before + 16


def test_one_that_never_asks_again(publish: Publish) -> None:
    """Its callers have their answers, each from an environment of its own, which ends when its time is over."""
    function = publish("respond(event(), '\"well\"'); exec 'sleep 987650';", Timeout=2)
    assert [function.invoke(), function.invoke()] == ["well", "well"]
    function.until_gone("sleep 987650")


@pytest.mark.parametrize("when", ["", "event();"], ids=["at init", "in an invocation"])
def test_a_daemon_that_is_left_behind(publish: Publish, when: str) -> None:
    """A grandchild in a session of its own ends with the environment, though its parents have exited before."""
    words = f"sleep 98{len(when)}7654"
    function = publish(
        f"""
        {when}
        unless (fork) {{ use POSIX (); POSIX::setsid(); unless (fork) {{ exec '{words}'; }} POSIX::_exit(0); }}
        select undef, undef, undef, 0.3; exit 0;
        """
    )
    assert function.error() == ("Runtime.ExitError", "Runtime exited without providing a reason")
    function.until_gone(words)


def test_one_that_fills_its_disk(publish: Publish) -> None:
    """/tmp is full at its size, which is the function's own problem: it may still answer."""
    function = publish(
        r"""
        my $id = event(); my $written = 0; open my $file, '>', '/tmp/big'; my $part = 'x' x 1048576;
        while ($written < 700) { last if (syswrite($file, $part) // 0) < 1048576; $written += 1 }
        respond($id, "[$written, " . ($! + 0) . "]");
        well();
        """,
        MemorySize=1024,
    )
    assert function.invoke() == [512, 28]


def test_a_fork_bomb(neighbour: Watched, publish: Publish) -> None:
    """Processes without end stop at the environment's own limits, and with its time; others are served meanwhile."""
    function = publish("event(); while (1) { fork }", Timeout=3, MemorySize=1024)
    with ThreadPoolExecutor(1) as pool:
        bomb = pool.submit(function.error)
        while not bomb.done():
            assert neighbour.invoke() == "well"
    assert bomb.result()[0] in {"Sandbox.Timedout", "Runtime.OutOfMemory"}


@pytest.mark.parametrize("signal", ["KILL", "TERM", "STOP", "SEGV"])
def test_one_that_turns_on_its_parent(publish: Publish, signal: str) -> None:
    """Its parent is init, which no signal from inside reaches; nor does one to everybody, who is nobody but itself."""
    function = publish(
        f"my $id = event(); kill '{signal}', 1; kill '{signal}', getppid; kill '{signal}', -1;"
        " respond($id, '[' . getppid . ', \"well\"]'); well();"
    )
    assert function.invoke() == [1, "well"]
    assert function.invoke() == "well"
