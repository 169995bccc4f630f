"""What is restored from a snapshot in the sandbox of namespaces, with AWS's client: the same process, on its own."""

import asyncio
import fcntl
import os
import select
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.environments import (
    Driven,
    Snapshotted,
    Workshop,
    namespace_sandbox,
    process_sandbox,
    workshop,
    write_package,
)

from midge.sandbox.port import ProcessExit, SandboxError, SnapshotError

pytestmark = pytest.mark.needs("root", "namespaces")
HANDLER = """
import os, ssl, sys, uuid
ssl.RAND_bytes(8)
from snapshot_restore_py import register_after_restore, register_before_snapshot
MADE_AT_INIT = str(uuid.uuid4())
ORDER = ["init"]
register_before_snapshot(lambda: ORDER.append("before"))
register_after_restore(lambda: ORDER.append("after"))
os.makedirs("/tmp/a/b")
with open("/tmp/a/b/file", "w") as file:
    file.write("from init")
os.chmod("/tmp/a/b/file", 0o640)
os.symlink("/etc/passwd", "/tmp/link")
KEPT = open("/tmp/a/b/file")
KEPT.read(5)
TASK = open("/var/task/app.py")
def handler(event, context):
    if event == "exit 3":
        os._exit(3)
    if event == "signal 9":
        os.kill(os.getpid(), 9)
    if event == "hang":
        while True: pass
    if event == "where":
        return os.getcwd()
    if event == "write":
        with open("/tmp/mine", "w") as file:
            file.write("x")
    print("said", event)
    return {"id": MADE_AT_INIT, "random": os.urandom(8).hex(), "tls": ssl.RAND_bytes(8).hex(), "order": ORDER, "rest": KEPT.read(), "task": TASK.read(6),
            "tmp": sorted(os.listdir("/tmp")), "link": os.readlink("/tmp/link"), "pid": os.getpid(),
            "mode": os.stat("/tmp/a/b/file").st_mode & 0o777, "owner": os.stat("/tmp/a/b/file").st_uid}
"""
Scenario = Callable[[Snapshotted], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop(namespace_sandbox) as made:
        yield made


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "function", {"app.py": HANDLER})


@pytest.fixture
def with_snapshot(shop: Workshop, package: Path) -> Callable[[Scenario], None]:
    """Runs a scenario with a snapshot of ``HANDLER``."""

    async def run(scenario: Scenario) -> None:
        async with shop.snapshot(package) as made:
            await scenario(made)

    return lambda scenario: shop.run(run(scenario))


def test_hooks_and_state(with_snapshot: Callable[[Scenario], None]) -> None:
    """Two environments restored at once have what initialisation made, each its own random numbers; hooks ran in order.

    Its pid is another than that of the snapshot: OpenSSL, wherever it is linked in, draws a new seed then.
    """

    async def scenario(made: Snapshotted) -> None:
        async with made.restore() as one, made.restore() as other:
            first, second = await asyncio.gather(one.invoke("a"), other.invoke("b"))
        assert first["id"] == second["id"]
        assert first["random"] != second["random"]
        assert first["order"] == second["order"] == ["init", "before", "after"]
        assert first["tls"] != second["tls"]
        assert first["pid"] == second["pid"] != 2

    with_snapshot(scenario)


def test_files(with_snapshot: Callable[[Scenario], None]) -> None:
    """What initialisation left in /tmp is there, with modes and links; open files stand where they stood."""

    async def scenario(made: Snapshotted) -> None:
        for _ in range(2):
            async with made.restore() as restored:
                found = await restored.invoke("write")
                assert found["tmp"] == ["a", "link", "mine"]
                assert (found["rest"], found["task"], found["link"]) == ("init", "\nimpor", "/etc/passwd")
                assert (found["mode"], found["owner"]) == (0o640, 993)
                assert await restored.invoke("where") == "/var/task"

    with_snapshot(scenario)


def test_output(with_snapshot: Callable[[Scenario], None]) -> None:
    """What a restored environment prints is its own output, and nobody else's."""

    async def scenario(made: Snapshotted) -> None:
        async with made.restore() as one, made.restore() as other:
            await one.invoke("one")
            await other.invoke("other")
            assert (one.text, other.text) == ("said one\n", "said other\n")

    with_snapshot(scenario)


@pytest.mark.parametrize(
    ("event", "end"), [("exit 3", ProcessExit(code=3)), ("signal 9", ProcessExit(code=0, signal=9))]
)
def test_end(with_snapshot: Callable[[Scenario], None], event: str, end: ProcessExit) -> None:
    """How the process of a restored environment ends is told, and the snapshot is as good as before."""

    async def scenario(made: Snapshotted) -> None:
        async with made.restore() as restored:
            await restored.give(event)
            assert await restored.end() == end
        async with made.restore() as another:
            assert (await another.invoke("x"))["order"][-1] == "after"

    with_snapshot(scenario)


def test_end_of_snapshot(shop: Workshop, package: Path) -> None:
    """The end of a snapshot is the end of what was restored from it, and nothing can be restored any more."""

    async def scenario() -> None:
        async with shop.snapshot(package) as made:
            async with made.restore() as restored:
                assert made.snapshot.usable
                await made.snapshot.end()
                assert (await restored.end()).signal == 9
            assert not made.snapshot.usable
            with pytest.raises(SandboxError):
                await _start(made)

    shop.run(scenario())


async def _start(made: Snapshotted) -> None:
    async with made.restore():
        return


def test_burst(with_snapshot: Callable[[Scenario], None]) -> None:
    """Twenty restored at once all work."""

    async def scenario(made: Snapshotted) -> None:
        async def one(restored: Driven) -> str:
            return (await restored.invoke("x"))["id"]

        environments = [made.restore() for _ in range(20)]
        opened = await asyncio.gather(*(environment.__aenter__() for environment in environments))
        try:
            assert len(set(await asyncio.gather(*(one(restored) for restored in opened)))) == 1
        finally:
            await asyncio.gather(*(environment.__aexit__(None, None, None) for environment in environments))

    with_snapshot(scenario)


def test_early_variables(shop: Workshop, package: Path) -> None:
    """A function whose interpreter has to be started with its variables can be restored as well."""

    async def scenario() -> None:
        async with shop.snapshot(package, PYTHONHASHSEED="7") as made, made.restore() as restored:
            assert (await restored.invoke("x"))["order"] == ["init", "before", "after"]

    shop.run(scenario())


def test_refused_without_namespaces(tmp_path: Path) -> None:
    """A sandbox of plain processes says that it makes no snapshots."""
    package = write_package(tmp_path / "plain", {"app.py": "def handler(event, context): pass"})

    async def scenario(plain: Workshop) -> None:
        with pytest.raises(SnapshotError, match="namespaces"):
            async with plain.snapshot(package, runtime="python3.11"):
                pass

    with workshop(process_sandbox) as plain:
        plain.run(scenario(plain))


def test_nothing_left(shop: Workshop, package: Path) -> None:
    """When a snapshot has ended, so have the processes of its environment, of its copies and of who made these."""

    async def scenario() -> list[int]:
        async with shop.snapshot(package) as made, made.restore() as restored:
            await restored.until_ready()
            cells = [made.source.environment.cell, restored.environment.cell]  # type: ignore[attr-defined]
            found = [
                os.dup(descriptor) for cell in cells for descriptor in (cell.pid_descriptor, cell.runtime_descriptor)
            ]
            inside = f"/proc/{_pid(found[0])}/root/proc"
            pids = [_outside(_pid(found[0]), int(name)) for name in os.listdir(inside) if name.isdigit()]
            found += [os.pidfd_open(pid) for pid in pids]
        return found

    descriptors = shop.run(scenario())
    assert len(descriptors) > 6
    for descriptor in descriptors:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(10_000)
        os.close(descriptor)


def _pid(descriptor: int) -> int:
    text = Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pid:"))


def _outside(init_pid: int, inner: int) -> int:
    """The pid here of process ``inner`` of the pid namespace of ``init_pid``."""
    namespace = Path(f"/proc/{init_pid}/ns/pid").stat().st_ino
    for name in os.listdir("/proc"):
        numbers = _numbers(name) if name.isdigit() else []
        for depth, number in enumerate(numbers):
            if number == inner and depth == len(_numbers(str(init_pid))) - 1 and _below(int(name), namespace):
                return int(name)
    raise AssertionError(f"{inner} is not to be found")


def _numbers(name: str) -> list[int]:
    try:
        text = Path(f"/proc/{name}/status").read_text("ascii", "replace")
    except OSError:
        return []
    return next(
        ([int(part) for part in line.split()[1:]] for line in text.splitlines() if line.startswith("NSpid")), []
    )


def _below(pid: int, namespace: int) -> bool:
    """Whether a process is in that pid namespace or in one below it."""
    try:
        descriptor = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
    except OSError:
        return False
    while os.fstat(descriptor).st_ino != namespace:
        try:
            parent = fcntl.ioctl(descriptor, 0xB702)  # NS_GET_PARENT
        except OSError:
            os.close(descriptor)
            return False
        os.close(descriptor)
        descriptor = parent
    os.close(descriptor)
    return True
