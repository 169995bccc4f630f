"""midge killed with -9 in the middle of its work: what was answered with success stays, and nothing else does."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.functional.server import ROLE, Midge, make_zip

GONE_SECONDS = 20.0
KILLS = 3
HANDLER = "def handler(event, context):\n    return {NAME!r}\n"

pytestmark = pytest.mark.needs("namespaces")


def family(pid: int) -> set[tuple[int, int]]:
    """Every process below ``pid``, itself included, as (pid, start time): a number alone may come again."""
    stats: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                stats[int(entry.name)] = (int(fields[1]), int(fields[19]))
    found = [pid]
    for one in found:
        found += [child for child, (parent, _) in stats.items() if parent == one]
    return {(one, stats[one][1]) for one in found if one in stats}


def alive(processes: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of ``processes`` that still run."""
    left: set[tuple[int, int]] = set()
    for pid, started in processes:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if int(fields[19]) == started and fields[0] != "Z":
                left.add((pid, started))
    return left


def cgroups_of(pid: int) -> list[str]:
    """Control groups that a midge with this pid has made."""
    trees = os.walk("/sys/fs/cgroup")
    return [f"{tree}/{name}" for tree, names, _ in trees for name in names if name.startswith(f"midge-{pid}-")]


class Traffic:
    """Threads that create, update and invoke functions until the server is gone; remembers what succeeded."""

    def __init__(self, midge: Midge, generation: int) -> None:
        self._midge = midge
        self._generation = generation
        self._threads = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(3)]
        self.created: dict[str, str] = {}
        self.answered = 0
        self.wrong: list[Any] = []
        for thread in self._threads:
            thread.start()

    def _work(self, number: int) -> None:
        client = self._midge.client()
        for count in range(100_000):
            name = f"f{self._generation}-{number}-{count}"
            try:
                code = make_zip({"app.py": HANDLER.replace("{NAME!r}", repr(name))})
                client.create_function(
                    FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": code}
                )
                self.created[name] = name
                client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
                for _ in range(5):
                    answer = json.load(client.invoke(FunctionName=name)["Payload"])
                    self.answered += 1
                    if answer != name:
                        self.wrong.append((name, answer))
            except (BotoCoreError, ClientError):
                return

    def until(self, answers: int) -> None:
        """Wait for that many answers; they come within seconds."""
        deadline = time.monotonic() + 60
        while self.answered < answers and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.answered >= answers, f"only {self.answered} answers; {self._midge.log()}"

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def host_mounts() -> Iterator[None]:
    """Fails the test if the machine has other mounts after it than before."""
    before = Path("/proc/self/mountinfo").read_text()
    yield
    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.mark.usefixtures("host_mounts")
def test_nothing_answered_is_lost_and_nothing_is_left(start_midge: Callable[..., Midge], tmp_path: Path) -> None:
    """Killed again and again under load, midge keeps each function it said it had, and leaves the machine clean."""
    data = tmp_path / "data"
    created: dict[str, str] = {}
    for generation in range(KILLS):
        midge = start_midge(data)
        traffic = Traffic(midge, generation)
        traffic.until(20)
        pid, processes = midge.process.pid, family(midge.process.pid)
        assert len(processes) > 3, "no environment was running"
        midge.process.send_signal(signal.SIGKILL)
        midge.process.wait()
        traffic.join()
        assert traffic.wrong == []
        created |= traffic.created
        deadline = time.monotonic() + GONE_SECONDS
        while (alive(processes) or cgroups_of(pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert alive(processes) == set()
        assert cgroups_of(pid) == []

    midge = start_midge(data)
    client = midge.client()
    found = {
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
    }
    assert set(created) <= found
    for name in created:
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        answer = client.invoke(FunctionName=name)
        assert "FunctionError" not in answer
        assert json.load(answer["Payload"]) == name
    assert not [path for path in (data / "packages").iterdir() if path.is_dir() and len(path.name) != 64]
