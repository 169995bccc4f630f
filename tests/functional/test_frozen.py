"""Between its invocations a function stands still: on the real server, with the machine's own freezer."""

import json
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.sources import STOPWATCH

from tests.functional.server import ROLE, Midge, make_zip
from tests.functional.test_killed import GONE_SECONDS, alive, cgroups_of, family

pytestmark = pytest.mark.needs("namespaces", "freezer")

WAIT_SECONDS = 30.0
ECHO = "def handler(event, context):\n    return event\n"


def until_frozen(midge: Midge, count: int) -> None:
    """Wait until that many environments stand still."""
    deadline = time.monotonic() + WAIT_SECONDS
    line = f"midge_frozen_environments {count}\n".encode()
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{midge.endpoint}/_midge/metrics", timeout=10) as answer:
            if line in answer.read():
                return
    raise AssertionError(f"not {count} environments were frozen; {midge.log()}")


def call(client: Any, name: str) -> Any:
    return json.load(client.invoke(FunctionName=name)["Payload"])


def test_a_background_thread_stands_still(midge: Midge, deploy: Callable[..., str]) -> None:
    """A thread that a function leaves running sees no time pass until the next invocation, which finds it as it was."""
    counter, echo = deploy("counter", {"app.py": STOPWATCH}), deploy("echo", {"app.py": ECHO})
    client = midge.client()
    call(client, counter)
    until_frozen(midge, 1)
    began = time.monotonic()
    for _ in range(100):
        call(client, echo)
    seconds = time.monotonic() - began
    assert call(client, counter) > seconds


def test_frozen_environments_go_with_a_midge_that_is_killed(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """A process that stands still cannot even die: after kill -9 it is thawed, and nothing of it is left."""
    midge = start_midge(tmp_path / "data")
    client = midge.client()
    client.create_function(
        FunctionName="echo",
        Runtime="python3.11",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": make_zip({"app.py": ECHO})},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="echo", WaiterConfig={"Delay": 1})
    call(client, "echo")
    until_frozen(midge, 1)
    pid, processes = midge.process.pid, family(midge.process.pid)
    midge.process.send_signal(signal.SIGKILL)
    midge.process.wait()
    deadline = time.monotonic() + GONE_SECONDS
    while (alive(processes) or cgroups_of(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(processes) == set()
    assert cgroups_of(pid) == []
