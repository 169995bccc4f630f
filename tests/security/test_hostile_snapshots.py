"""Functions with SnapStart that want to reach their snapshot, each other, or who copies them.

A copy is as alone as any environment; what could not be cut off is no snapshot, with a reason that names it.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.environments import Driven, Snapshotted, Workshop, namespace_sandbox, workshop, write_package

from midge.sandbox.cgroups.none import NoCgroups
from midge.sandbox.port import SnapshotError

pytestmark = pytest.mark.needs("root", "namespaces")

GOOD = "def handler(event, context):\n    return event\n"
NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")
PROBE = """
import ctypes, glob, os, socket, signal
libc = ctypes.CDLL(None, use_errno=True)
open("/tmp/secret", "w").write("of the snapshot")
def refused(call, *arguments):
    return call(*arguments) == -1 and ctypes.get_errno()
def attempts():
    init = os.pidfd_open(1)
    try:
        return attempt(init)
    finally:
        os.close(init)
def attempt(init):
    opened = {}
    for path in ["/proc/1/ns/user", "/proc/1/root", "/proc/1/mem", "/proc/1/fd", "/proc/1/environ", "/tmp/.output"]:
        try:
            os.listdir(path) if path.endswith(("fd", "root")) else open(path, "rb").close()
            opened[path] = "open"
        except OSError as error:
            opened[path] = type(error).__name__
    return {
        "pids": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "opened": opened,
        "setns": refused(libc.setns, init, 0x10000000),
        "unshare": refused(libc.unshare, 0x10000000),
        "ptrace": refused(libc.ptrace, 16, 1, 0, 0),
        "clone": refused(libc.syscall, 56, 0x10000000 | 17, 0, 0, 0, 0),
        "mount": refused(libc.mount, b"none", b"/tmp", b"tmpfs", 0, None),
        "setuid": refused(libc.setuid, 100001),
        "capset": refused(libc.capset, ctypes.create_string_buffer(b"\\x22\\x05\\x08\\x20" + bytes(4)),
                          ctypes.create_string_buffer(b"\\xff" * 24)),
        "own": [line for line in open("/proc/self/status") if line.startswith(("Cap", "NoNew", "Seccomp"))],
        "uid_map": open("/proc/self/uid_map").read().split(),
        "unix": [line for line in open("/proc/net/unix")][1:],
    }
AT_INIT = attempts()
def handler(event, context):
    if event == "kill":
        os.kill(-1, signal.SIGKILL)
    if event == "listen":
        global LISTENER
        LISTENER = socket.socket(socket.AF_UNIX); LISTENER.bind("\\0meet"); LISTENER.listen()
        open("/tmp/own", "w").write("mine")
        return None
    if event == "meet":
        try:
            socket.socket(socket.AF_UNIX).connect("\\0meet")
            return "met"
        except OSError as error:
            return [type(error).__name__, sorted(os.listdir("/tmp"))]
    return {"init": AT_INIT, "now": attempts()}
"""
UNFIT: dict[str, tuple[str, str]] = {
    "threads": (
        "threads",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
    ),
    "child": ("child processes", "import subprocess\nCHILD = subprocess.Popen(['/bin/sleep', '1000'])"),
    "zombie": ("child processes", "import os\nif os.fork() == 0: os._exit(0)"),
    "same memory": (
        "child processes",
        (
            "import ctypes\nlibc = ctypes.CDLL(None)\nSTACK = ctypes.create_string_buffer(65536)\n"
            "sleep = ctypes.cast(libc.pause, ctypes.c_void_p)\n"
            "assert libc.clone(sleep, ctypes.c_void_p(ctypes.addressof(STACK) + 65520), 0x100, None) > 0"
        ),
    ),
    "shared memory": ("MAP_SHARED", "import mmap\nSHARED = mmap.mmap(-1, 4096)"),
    "shared file": (
        "MAP_SHARED",
        "import mmap\nF = open('/tmp/f', 'w+b'); F.truncate(4096)\nSHARED = mmap.mmap(F.fileno(), 4096)",
    ),
    "pipe": ("descriptor", "import os\nPIPE = os.pipe()"),
    "socket pair": ("descriptor", "import socket\nPAIR = socket.socketpair()"),
    "event": ("descriptor", "import os\nEVENT = os.eventfd(0)"),
    "epoll": ("descriptor", "import select\nEPOLL = select.epoll()"),
    "memory file": ("descriptor", "import os\nMEMORY = os.memfd_create('x')"),
    "deleted file": ("descriptor", "import os\nF = open('/tmp/f', 'w'); os.unlink('/tmp/f')"),
    "listener": ("descriptor", "import socket\nL = socket.create_server(('127.0.0.1', 8000))"),
    "netlink": ("descriptor", "import socket\nN = socket.socket(16, 3, 0)"),
    "deep": (
        "directories in each other",
        "import os\nfor _ in range(70):\n    os.mkdir('/tmp/d' if _ == 0 else 'd'); os.chdir('/tmp/d' if _ == 0 else 'd')",
    ),
    "no memory": (
        "stopped and held",
        (
            "import http.client, resource\nfrom snapshot_restore_py import register_before_snapshot\n"
            "register_before_snapshot(lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20)))"
        ),
    ),
}


@pytest.fixture(scope="module", params=["groups", "none"])
def shop(request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """With the machine's control groups, and without any."""
    none = None if request.param == "groups" else NoCgroups("for this test")
    with workshop(lambda: namespace_sandbox(cgroups=none)) as made:
        yield made


def host_pid(driven: Driven) -> int:
    descriptor: int = driven.environment.cell.runtime_descriptor  # type: ignore[attr-defined]
    text = Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pid:"))


def seen(pid: int) -> dict[str, Any]:
    """What the machine says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    links = {name: Path(f"/proc/{pid}/ns/{name}").readlink().name for name in NAMESPACES}
    return {"uid": status["Uid"].split(), "groups": Path(f"/proc/{pid}/cgroup").read_text("ascii"), **links}


def run(shop: Workshop, tmp_path: Path, source: str, work: Callable[[Snapshotted], Any]) -> None:
    package = write_package(tmp_path / "function", {"app.py": source})

    async def live() -> None:
        async with shop.snapshot(package) as made:
            await work(made)

    shop.run(live())


def test_attempts(shop: Workshop, tmp_path: Path) -> None:
    """Neither at its initialisation nor restored does a function reach another process, a namespace or a right."""

    async def work(made: Snapshotted) -> None:
        async with made.restore() as restored, made.restore():
            both = await restored.invoke()
        for found in both.values():
            assert len(found["pids"]) == 2
            assert all(found[name] for name in ("setns", "unshare", "ptrace", "clone", "mount", "setuid", "capset"))
            assert set(found["opened"].values()) <= {"PermissionError", "FileNotFoundError"}
            rights = {line.split(":")[0]: line.split()[1] for line in found["own"]}
            assert {rights[f"Cap{name}"] for name in ("Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
            assert (rights["NoNewPrivs"], rights["Seccomp"]) == ("1", "2")
            assert found["unix"] == []
        assert both["now"]["uid_map"][0] == "993"
        assert len(both["now"]["uid_map"]) == 3

    run(shop, tmp_path, PROBE, work)


def test_alone(shop: Workshop, tmp_path: Path) -> None:
    """From outside: snapshot and copies differ in every namespace, in their user and in their control groups."""

    async def work(made: Snapshotted) -> None:
        async with made.restore() as one, made.restore() as other:
            await one.until_ready()
            await other.until_ready()
            found = [seen(host_pid(driven)) for driven in (made.source, one, other)]
        for name in ("uid", *NAMESPACES):
            assert len({str(about[name]) for about in found}) == 3, name
        assert all(len(set(about["uid"])) == 1 and int(about["uid"][0]) > 0 for about in found)
        if "midge" in found[0]["groups"]:
            assert len({about["groups"] for about in found}) == 3

    run(shop, tmp_path, PROBE, work)


def test_do_not_meet(shop: Workshop, tmp_path: Path) -> None:
    """Copies do not find each other's sockets or files, and one that kills all it can leaves the others alone."""

    async def work(made: Snapshotted) -> None:
        async with made.restore() as one, made.restore() as other:
            await one.invoke("listen")
            assert await other.invoke("meet") == ["ConnectionRefusedError", ["secret"]]
            await one.give("kill")
            await asyncio.sleep(0)
            assert await other.invoke("meet") == ["ConnectionRefusedError", ["secret"]]
            assert made.snapshot.usable

    run(shop, tmp_path, PROBE, work)


@pytest.mark.parametrize("case", UNFIT)
def test_unfit(shop: Workshop, tmp_path: Path, case: str) -> None:
    """What copies would share with each other, or what they could not have, is no snapshot, and says why."""
    reason, source = UNFIT[case]
    package = write_package(tmp_path / "function", {"app.py": f"{source}\n{GOOD}"})

    async def work() -> None:
        with pytest.raises(SnapshotError, match=reason):
            async with shop.snapshot(package):
                pass

    shop.run(work())


OWN_FILTER = """
import ctypes, struct
from snapshot_restore_py import register_before_snapshot
def kill_on(*numbers):
    code = [(0x20, 0, 0, 0)] + [item for number in numbers for item in ((0x15, 0, 1, number), (6, 0, 0, 0x80000000))]
    code.append((6, 0, 0, 0x7FFF0000))
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *item) for item in code))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(program)))
    assert ctypes.CDLL(None).prctl(22, 2, ctypes.c_ulong(ctypes.addressof(header)), 0, 0) == 0
register_before_snapshot(lambda: kill_on(56, 308, 434, 117, 119, 126))
def handler(event, context):
    if event == "fork":
        ctypes.CDLL(None).syscall(119, 0, 0, 0)
    return [line.split()[1] for line in open("/proc/self/status") if line.startswith("Seccomp")]
"""


def test_own_filter(shop: Workshop, tmp_path: Path) -> None:
    """A function's own filters do not strike whoever copies it, and hold again in the copy."""

    async def work(made: Snapshotted) -> None:
        async with made.restore() as restored:
            assert await restored.invoke() == ["2", "2"]
            await restored.give("fork")
            assert (await restored.end()).signal is not None

    run(shop, tmp_path, OWN_FILTER, work)


STORM = (
    """
import signal
TICKS = 0
def tick(number, frame):
    global TICKS
    TICKS += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
"""
    + GOOD
)


def test_signals(shop: Workshop, tmp_path: Path) -> None:
    """A storm of signals in the snapshot reaches neither the steps of the copying nor the copies."""

    async def work(made: Snapshotted) -> None:
        for number in range(3):
            async with made.restore() as restored:
                assert await restored.invoke(number) == number

    run(shop, tmp_path, STORM, work)


MAPS = (
    """
import ctypes
from snapshot_restore_py import register_before_snapshot
libc = ctypes.CDLL(None, use_errno=True)
def spoil():
    for line in open("/proc/self/maps"):
        fields = line.split()
        start, end = (int(text, 16) for text in fields[0].split("-"))
        if fields[1] == "r-xp" and fields[-1].startswith("/"):
            # the first page of each piece of code that we can do without: other instructions
            if "hashlib" in line or "_struct" in line or "libcrypto" in line:
                libc.mprotect(ctypes.c_void_p(start), end - start, 7)
                ctypes.memset(start, 0xCC, 16)
register_before_snapshot(spoil)
"""
    + GOOD
)


def test_replaced_code(shop: Workshop, tmp_path: Path) -> None:
    """Code that has been overwritten or made writable does not run in whoever copies it: the copy works or is refused."""

    async def work(made: Snapshotted) -> None:
        async with made.restore() as restored:
            assert await restored.invoke(1) == 1

    run(shop, tmp_path, MAPS, work)
