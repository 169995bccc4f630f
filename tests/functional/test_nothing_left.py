"""A sandbox whose process is killed with -9: no process, control group, mount or file of it is left on the machine."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import doomed
from harness.environments import write_package

pytestmark = pytest.mark.needs("namespaces")

GONE_SECONDS = 30.0
MARK = "midge-doomed-function"
STUBBORN = f"""
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
def handler(event, context):
    for _ in range(2):
        libc.prctl(1, 0)  # dies with nobody
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                libc.prctl(15, b"{MARK[:15]}")
                open("/tmp/file", "w").write("x")
                while True:
                    time.sleep(1)
            os._exit(0)
    return "stubborn"
"""


def descendants(pid: int) -> set[int]:
    """Every process below ``pid``."""
    found: set[int] = set()
    todo = [pid]
    while todo:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{todo.pop()}/task").iterdir():
                children = {int(child) for child in (task / "children").read_text().split()}
                todo += children - found
                found |= children
    return found


def alive(pids: set[int], started_after: float) -> set[int]:
    """Those that still run, and are not others of the same number."""
    left: set[int] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z" and int(fields[19]) / os.sysconf("SC_CLK_TCK") >= started_after:
                left.add(pid)
    return left


def groups_of(pid: int) -> list[str]:
    """Control groups that a sandbox in process ``pid`` has made; other sandboxes come and go meanwhile."""
    return [place for place, _, _ in os.walk("/sys/fs/cgroup") if Path(place).name.startswith(f"midge-{pid}-")]


def named(mark: str) -> list[str]:
    """Processes whose name begins with ``mark``."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "comm").read_text().startswith(mark[:15]):
                found.append(entry.name)
    return found


def eventually(empty: Callable[[], object]) -> object:
    """What ``empty`` still returns when it has had its time; falsy as soon as it is."""
    deadline = time.monotonic() + GONE_SECONDS
    while (left := empty()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with six environments, of functions that try to outlive it."""
    package = write_package(
        tmp_path / "function",
        {"app.py": STUBBORN, "bootstrap": "#!/bin/sh\ntrap '' HUP TERM INT\nwhile true; do sleep 1; done\n"},
        executable=("bootstrap",),
    )
    process = subprocess.Popen(
        [sys.executable, doomed.__file__, str(package), "3"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_nothing_is_left_of_a_killed_sandbox(victim: subprocess.Popen[str], tmp_path: Path) -> None:
    """After SIGKILL every process ends, those too that asked not to; control groups, mounts and files are gone."""
    before = Path("/proc/self/mountinfo").read_text()
    started = time.clock_gettime(time.CLOCK_BOOTTIME) - 120
    family = descendants(victim.pid)
    assert len(family) >= 6
    assert len(named(MARK)) >= 3
    victim.send_signal(signal.SIGKILL)
    victim.wait(GONE_SECONDS)
    assert not eventually(lambda: alive(family, started))
    assert not eventually(lambda: named(MARK))
    assert not eventually(lambda: groups_of(victim.pid))
    assert Path("/proc/self/mountinfo").read_text() == before
    assert {path.name for path in tmp_path.iterdir()} == {"function"}
    assert not list(Path(tempfile.gettempdir()).glob(f"*midge*{victim.pid}*"))


def test_the_same_of_one_that_is_interrupted(victim: subprocess.Popen[str]) -> None:
    """SIGINT and SIGTERM to the whole group, as a terminal or a service manager sends them, leave nothing either."""
    started = time.clock_gettime(time.CLOCK_BOOTTIME) - 120
    family = descendants(victim.pid)
    os.killpg(victim.pid, signal.SIGINT)
    os.killpg(victim.pid, signal.SIGTERM)
    victim.wait(GONE_SECONDS)
    assert not eventually(lambda: alive(family, started))
    assert not eventually(lambda: groups_of(victim.pid))
