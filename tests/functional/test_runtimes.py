"""AWS's runtimes in the real sandbox: Python on every interpreter of this machine, and a bootstrap of the function's own.

Node.js has a module of its own, ``test_nodejs_runtime.py``.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from harness.environments import FOUND, Driven, Workshop, catalogue, namespace_sandbox, workshop, write_package

from midge.runtimes.places import Places
from midge.sandbox.port import ProcessExit

pytestmark = pytest.mark.needs("namespaces")

REQUIRED_PYTHONS = ["python3.9", "python3.10", "python3.11", "python3.12", "python3.13"]
HAS_CLIENTS = FOUND.client("python3.9").is_dir()
PYTHONS = [name for name in catalogue() if name.startswith("python")]
OURS = f"python{sys.version_info[0]}.{sys.version_info[1]}"
ECHO = "def handler(event, context):\n    return event\n"


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    """A sandbox with boto3 preloaded, as midge has it."""
    with workshop(lambda: namespace_sandbox(preload=("boto3",))) as made:
        yield made


def package(directory: Path, source: str, more: Mapping[str, str] | None = None) -> Path:
    return write_package(directory / "function", {"app.py": source, **(more or {})})


@pytest.mark.parametrize("runtime", PYTHONS)
def test_python_of_every_version(shop: Workshop, tmp_path: Path, runtime: str) -> None:
    """A function runs on the interpreter of its runtime's version, as AWS's unprivileged user, from /var/task."""
    source = """
import os, sys
def handler(event, context):
    return ["%d.%d" % sys.version_info[:2], os.getcwd(), os.getuid(), sys.prefix, os.environ["AWS_EXECUTION_ENV"]]
"""
    version, directory, user, prefix, named = shop.invoke(package(tmp_path, source), runtime=runtime)
    assert f"python{version}" == runtime
    assert (directory, user) == ("/var/task", 993)
    assert prefix in ("/var/lang", "/usr")
    assert named == f"AWS_Lambda_{runtime}"


@pytest.mark.parametrize(
    ("runtime", "path"),
    [*((name, "forked") for name in PYTHONS if name != "python3.9" or HAS_CLIENTS), (OURS, "direct")],
)
def test_boto3_is_there_in_every_version(shop: Workshop, tmp_path: Path, runtime: str, path: str) -> None:
    """boto3 can be imported and used, in a runtime that was forked and in one that was started for the function."""
    source = """
import boto3
def handler(event, context):
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    return [boto3.__file__, client.meta.endpoint_url]
"""
    more: dict[str, Any] = {} if path == "forked" else {"PYTHONUNBUFFERED": "1"}
    where, endpoint = shop.invoke(package(tmp_path, source), runtime=runtime, **more)
    assert where == "/var/runtime/boto3/__init__.py"
    assert endpoint == "http://127.0.0.1:4566"


@pytest.mark.skipif("python3.9" not in PYTHONS, reason="this machine has no Python 3.9")
def test_a_version_that_boto3_does_not_support_runs_functions(tmp_path: Path) -> None:
    """Where midge's own client serves a version that its boto3 does not: a function meets the failed import itself."""
    source = """
def handler(event, context):
    try:
        import boto3
    except Exception:
        return "not here"
"""
    nothing_added = catalogue(("boto3",), places=Places(added=tmp_path / "toolchains"))
    with workshop(lambda: namespace_sandbox(programs=nothing_added)) as shop:
        assert shop.invoke(package(tmp_path, source), runtime="python3.9") == "not here"


@pytest.mark.parametrize("runtime", REQUIRED_PYTHONS)
@pytest.mark.parametrize("stock", [False, True])
def test_the_client_of_each_version(tmp_path: Path, runtime: str, stock: bool) -> None:
    """Each version runs the awslambdaric that was made for it, with AWS's native transport as well as with midge's."""
    if runtime not in PYTHONS or not FOUND.client(runtime).is_dir():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{runtime} was not added with a client of its own")
    source = """
import importlib.metadata, sys
import runtime_client
def handler(event, context):
    where = importlib.metadata.distribution("awslambdaric").locate_file("awslambdaric")
    return [importlib.metadata.version("awslambdaric"), str(where), runtime_client.__file__, event]
"""
    programs = catalogue(stock_transport=stock)
    with workshop(lambda: namespace_sandbox(programs=programs)) as shop:
        version, where, transport, event = shop.invoke(package(tmp_path, source), {"a": ["ä"]}, runtime=runtime)
    assert version in programs.find(runtime).version
    assert where == "/var/runtime/awslambdaric"
    assert transport.endswith("linux-gnu.so" if stock else "/transport/runtime_client.py")
    assert event == {"a": ["ä"]}


def test_a_library_that_the_function_brings_wins_over_a_preloaded_one(shop: Workshop, tmp_path: Path) -> None:
    """A function with its own boto3, and its own copy of what boto3 needs, gets those; its siblings keep the runtime's."""
    source = "import boto3, urllib3\ndef handler(event, context):\n    return [boto3.__file__, urllib3.__file__]\n"
    plain = package(tmp_path / "plain", source)
    assert shop.invoke(plain) == ["/var/runtime/boto3/__init__.py", "/var/runtime/urllib3/__init__.py"]
    both = {"boto3/__init__.py": "import urllib3", "urllib3/__init__.py": ""}
    own = package(tmp_path / "own", source, both)
    assert shop.invoke(own) == ["/var/task/boto3/__init__.py", "/var/task/urllib3/__init__.py"]
    broken = package(tmp_path / "broken", source, {"urllib3.py": "raise ImportError('no urllib3')"})
    with pytest.raises(AssertionError, match="no urllib3"):
        shop.invoke(broken)  # what the runtime's boto3 needs is the function's copy, as it is on AWS


@pytest.mark.parametrize("runtime", PYTHONS)
def test_variables_that_the_interpreter_reads_are_obeyed(shop: Workshop, tmp_path: Path, runtime: str) -> None:
    """PYTHONHASHSEED and PYTHONOPTIMIZE act, though forked runtimes were started before they were known."""
    source = "import sys\ndef handler(event, context):\n    return [hash('midge'), sys.flags.optimize]\n"
    at = package(tmp_path, source)
    first = shop.invoke(at, runtime=runtime, PYTHONHASHSEED="42", PYTHONOPTIMIZE="1")
    second = shop.invoke(at, runtime=runtime, PYTHONHASHSEED="42", PYTHONOPTIMIZE="1")
    assert first == second
    assert first[1] == 1


@pytest.mark.parametrize("path", ["forked", "direct"])
@pytest.mark.parametrize(
    ("source", "end"),
    [
        ("import os\ndef handler(e, c):\n    os.kill(os.getpid(), 9)\n", ProcessExit(code=0, signal=9)),
        ("import os\ndef handler(e, c):\n    os.abort()\n", ProcessExit(code=0, signal=6)),
        ("import ctypes\ndef handler(e, c):\n    ctypes.string_at(0)\n", ProcessExit(code=0, signal=11)),
        ("import os\ndef handler(e, c):\n    os._exit(7)\n", ProcessExit(code=7)),
        ("import sys\ndef handler(e, c):\n    sys.exit(0)\n", ProcessExit(code=0)),
        ("import sys\ndef handler(e, c):\n    sys.exit(1)\n", ProcessExit(code=1)),
        ("import sys\ndef handler(e, c):\n    sys.exit('no more')\n", ProcessExit(code=1)),
        ("import sys\nsys.exit(3)\n", ProcessExit(code=3)),
        ("import sys\nsys.exit(0)\n", ProcessExit(code=0)),
    ],
)
def test_how_a_python_process_ends(shop: Workshop, tmp_path: Path, source: str, end: ProcessExit, path: str) -> None:
    """Exits and signals, in a handler or at import, are reported as they were, however the interpreter was started."""
    more: dict[str, Any] = {} if path == "forked" else {"PYTHONUNBUFFERED": "1"}

    async def work() -> Driven:
        async with shop.open_environment(package(tmp_path, source), **more) as driven:
            await driven.give({})
            await driven.end()
        return driven

    assert shop.run(work()).exits == [end]


def test_errors_are_reported_with_their_types(shop: Workshop, tmp_path: Path) -> None:
    """An exception has its type, message and stack; a handler that is not there has AWS's type for that."""

    async def answer(source: str, handler: str = "app.handler") -> dict[str, str]:
        async with shop.open_environment(package(tmp_path, source), handler=handler) as driven:
            call = await (driven.answer({}) if handler == "app.handler" else driven.post())
            assert call.kind == "error"
            return call.json()

    failed = shop.run(answer("def handler(e, c):\n    raise KeyError('x')\n"))
    assert (failed["errorType"], failed["errorMessage"]) == ("KeyError", "'x'")
    assert "/var/task/app.py" in failed["stackTrace"][0]
    missing = shop.run(answer(ECHO, handler="app.other"))
    assert missing["errorType"] == "Runtime.HandlerNotFound"
    module = shop.run(answer(ECHO, handler="nothing.handler"))
    assert module["errorType"] == "Runtime.ImportModuleError"


def test_output_comes_as_the_function_wrote_it(shop: Workshop, tmp_path: Path) -> None:
    """print, logging and subprocesses share one stream; nothing is held back when the answer is there."""
    source = """
import logging, subprocess, sys
def handler(event, context):
    print("printed")
    logging.getLogger().warning("logged")
    print("erred", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo spawned"], check=True)
"""

    async def work() -> str:
        async with shop.open_environment(package(tmp_path, source)) as driven:
            await driven.invoke({})
            return driven.text

    lines = shop.run(work()).splitlines()
    assert [line.split("\t")[0] for line in lines] == ["printed", "[WARNING]", "erred", "spawned"]
    assert lines[1].rstrip().endswith("logged")


@pytest.mark.parametrize("path", ["forked", "direct"])
def test_json_logging(shop: Workshop, tmp_path: Path, path: str) -> None:
    """AWS_LAMBDA_LOG_FORMAT=JSON makes each record one JSON object, with the level and the request id."""
    source = "import logging\ndef handler(e, c):\n    logging.getLogger().error('two\\nlines')\n"
    more: dict[str, Any] = {} if path == "forked" else {"PYTHONUNBUFFERED": "1"}

    async def work() -> str:
        async with shop.open_environment(
            package(tmp_path, source), AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO", **more
        ) as driven:
            await driven.invoke({})
            return driven.text

    record = json.loads(shop.run(work()))
    assert (record["level"], record["message"]) == ("ERROR", "two\nlines")
    assert record["requestId"].startswith("8476a536")


def test_orphans_are_reaped(shop: Workshop, tmp_path: Path) -> None:
    """Processes whose parents have gone leave no zombies, also those that end while the function is idle."""
    source = """
import os, subprocess, time
def zombies():
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with open("/proc/%s/stat" % name) as file:
                found += file.read().rsplit(")", 1)[1].split()[0] == "Z"
    return found
def handler(event, context):
    for _ in range(20):
        subprocess.run(["sh", "-c", "(sleep 0.05 &) ; exit 0"], check=True)
    deadline = time.monotonic() + 10
    while len([n for n in os.listdir("/proc") if n.isdigit()]) > 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    return [zombies(), sorted(int(n) for n in os.listdir("/proc") if n.isdigit())[:1], len([n for n in os.listdir("/proc") if n.isdigit()])]
"""
    assert shop.invoke(package(tmp_path, source)) == [0, [1], 2]


def test_forks_do_not_share_their_randomness(shop: Workshop, tmp_path: Path) -> None:
    """Environments forked from one zygote draw different random numbers, from every source that libraries use."""
    source = """
import random, secrets, ssl, uuid, tempfile
def handler(event, context):
    return [random.random(), secrets.token_hex(8), ssl.RAND_bytes(8).hex(), str(uuid.uuid4()), str(uuid.uuid1())[:8]]
"""
    at = package(tmp_path, source)
    draws = [shop.invoke(at) for _ in range(4)]
    for position in range(4):
        assert len({draw[position] for draw in draws}) == len(draws), position


def test_a_time_zone_is_obeyed(shop: Workshop, tmp_path: Path) -> None:
    """TZ acts in a forked runtime, which was started without it."""
    source = "import time\ndef handler(e, c):\n    return time.localtime(0).tm_hour\n"
    at = package(tmp_path, source)
    assert shop.invoke(at, TZ=":UTC") == 0
    assert shop.invoke(at, TZ=":Asia/Tokyo") == 9


BOOTSTRAP = """#!/bin/sh
set -eu
echo "started in $PWD with handler $_HANDLER"
api="http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime"
while true; do
  headers=$(mktemp)
  event=$(curl -sS -LD "$headers" "$api/invocation/next")
  id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -o /dev/null "$api/invocation/$id/response" -d "{\\"got\\": $event, \\"user\\": $(id -u)}"
done
"""


@pytest.mark.needs("curl")
@pytest.mark.parametrize("runtime", ["provided.al2", "provided.al2023"])
def test_a_function_s_own_bootstrap(shop: Workshop, tmp_path: Path, runtime: str) -> None:
    """AWS's own example of a custom runtime, a shell script, serves several events."""
    at = write_package(tmp_path / "function", {"bootstrap": BOOTSTRAP}, executable=("bootstrap",))

    async def work() -> str:
        async with shop.open_environment(at, runtime=runtime, handler="my.handler") as driven:
            for event in (1, {"a": [2]}):
                assert await driven.invoke(event) == {"got": event, "user": 993}
            return driven.text

    assert shop.run(work()) == "started in /var/task with handler my.handler\n"


@pytest.mark.parametrize(
    ("files", "executable", "error"),
    [
        ({"bootstrap": "#!/bin/sh\nexit 4\n"}, ("bootstrap",), None),
        ({"bootstrap": "#!/bin/sh\n"}, (), "fork/exec /var/task/bootstrap: permission denied"),
        ({"other": ""}, (), "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        (
            {"bootstrap/other": ""},
            (),
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
        ),
        (
            {"bootstrap": b"\x00\x01\x02not a program"},
            ("bootstrap",),
            "fork/exec /var/task/bootstrap: exec format error",
        ),
        (
            {"bootstrap": "#!/nowhere/sh\n"},
            ("bootstrap",),
            "fork/exec /var/task/bootstrap: no such file or directory",
        ),
    ],
)
def test_a_bootstrap_that_does_not_run(
    shop: Workshop, tmp_path: Path, files: dict[str, str], executable: tuple[str, ...], error: str | None
) -> None:
    """A bootstrap that ends, is missing, not executable or no program ends the environment, which says why."""
    at = write_package(tmp_path / "function", files, executable)

    async def work() -> Driven:
        async with shop.open_environment(at, runtime="provided.al2023", handler="x") as driven:
            await driven.end()
        return driven

    driven = shop.run(work())
    assert driven.exits == [ProcessExit(code=4 if error is None else 127, launch_error=error)]
    assert driven.output == b""


@pytest.mark.needs("gcc")
def test_a_compiled_bootstrap(shop: Workshop, tmp_path: Path) -> None:
    """A bootstrap may be a program of its own, linked statically or against the machine's libraries."""
    source = tmp_path / "bootstrap.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("compiled"); return 5; }\n')
    at = write_package(tmp_path / "function", {"bootstrap": ""}, ("bootstrap",))
    subprocess.run([shutil.which("gcc") or "gcc", str(source), "-o", str(at / "bootstrap")], check=True)

    async def work() -> Driven:
        async with shop.open_environment(at, runtime="provided.al2023", handler="x") as driven:
            await driven.end()
        return driven

    driven = shop.run(work())
    assert (driven.exits, driven.output) == ([ProcessExit(code=5)], b"compiled\n")
