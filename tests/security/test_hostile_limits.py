"""Functions that take all they can: each is stopped at its own limit, and its neighbours and the machine go on.

Everything is bounded in the handler itself as well, so that a missing limit fails the test and not the machine.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.environments import Driven, Workshop, namespace_sandbox, workshop, write_package

from midge.model.limits import Limits
from midge.sandbox.cgroups.discovery import open_cgroups
from midge.sandbox.cgroups.none import NoCgroups
from midge.sandbox.namespaces import NamespaceSandbox

pytestmark = pytest.mark.needs("namespaces")

GOOD = "def handler(event, context):\n    return event\n"


def groups_limit_memory() -> bool:
    """Whether this machine lets us bound memory by control groups."""
    cgroups = open_cgroups("midge-tests", 16)
    try:
        return cgroups.limits_memory
    finally:
        cgroups.close()


@pytest.fixture(scope="module", params=["groups", "rlimits"])
def shop(request: pytest.FixtureRequest) -> Iterator[Workshop]:
    """With the machine's control groups where it has them, and without any."""
    if request.param == "groups" and not groups_limit_memory():
        pytest.skip("this machine gives us no control groups that bound memory")
    none = NoCgroups("for this test")
    with workshop(lambda: namespace_sandbox(cgroups=None if request.param == "groups" else none)) as made:
        yield made


def held_by_groups(shop: Workshop) -> bool:
    assert isinstance(shop.sandbox, NamespaceSandbox)
    return shop.sandbox.limits_memory


def with_neighbour(shop: Workshop, tmp_path: Path, source: str, event: Any, **settings: Any) -> tuple[Driven, Any]:
    """Give ``event`` to a function made of ``source``; its answer or None if it ended. A neighbour must live through it."""
    at = write_package(tmp_path / "bad", {"app.py": source})
    good = write_package(tmp_path / "good", {"app.py": GOOD})

    async def work() -> tuple[Driven, Any]:
        async with shop.open_environment(good) as neighbour, shop.open_environment(at, **settings) as driven:
            await neighbour.until_ready()
            await driven.until_ready()
            answer = asyncio.ensure_future(driven.answer(event))
            for number in range(20):
                assert await neighbour.invoke(number) == number
            try:
                result = (await answer).json()
            except AssertionError:
                result = None
            assert await neighbour.invoke("still here") == "still here"
            assert not neighbour.exits
            return driven, result

    return shop.run(work())


HOG = """
def handler(most_mb, context):
    held = []
    try:
        for _ in range(most_mb):
            held.append(bytearray(b"x" * (1 << 20)))
    except MemoryError:
        return "refused"
    return len(held)
"""


def test_a_memory_hog_is_ended_and_named(shop: Workshop, tmp_path: Path) -> None:
    """A function that takes more than its memory is killed, reported as out of memory; without groups it is refused."""
    driven, result = with_neighbour(shop, tmp_path, HOG, 2048, memory_size_mb=128)
    if held_by_groups(shop):
        assert result is None
        assert (driven.exits[0].signal, driven.exits[0].out_of_memory) == (9, True)
    else:
        assert result == "refused"


def test_memory_within_the_limit_is_given(shop: Workshop, tmp_path: Path) -> None:
    """A function of 512 MB gets 300 of them, and the peak says so where somebody counts."""
    at = write_package(tmp_path / "function", {"app.py": HOG})

    async def work() -> tuple[Any, int | None]:
        async with shop.open_environment(at, memory_size_mb=512) as driven:
            return await driven.invoke(300), driven.environment.memory_peak_bytes()

    held, peak = shop.run(work())
    assert held == 300
    assert peak is None or 300 << 20 <= peak <= 512 << 20


FORK_BOMB = """
import os, time
def handler(most, context):
    made = 0
    error = None
    while made < most:
        try:
            pid = os.fork()
        except OSError as failure:
            error = failure.errno
            break
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
    return [made, error]
"""


def test_a_fork_bomb_is_contained(shop: Workshop, tmp_path: Path) -> None:
    """Processes end at the limit with EAGAIN; they go with their environment, and a neighbour notices nothing."""
    limit = Limits().processes_per_environment
    driven, (made, error) = with_neighbour(shop, tmp_path, FORK_BOMB, limit + 200, memory_size_mb=2048)
    assert error == 11
    assert limit - 64 <= made <= limit
    assert len(driven.exits) == 1


def test_descriptors_end_at_the_limit(shop: Workshop, tmp_path: Path) -> None:
    """A function has 1,024 file descriptors, as on AWS; what it wastes is not its neighbour's."""
    source = """
import os
def handler(most, context):
    opened = []
    try:
        for _ in range(most):
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        failed = error.errno
    for descriptor in opened:
        os.close(descriptor)
    return [len(opened), failed]
"""
    _, (opened, error) = with_neighbour(shop, tmp_path, source, 5000)
    assert error == 24
    assert 1000 <= opened <= 1024


def test_tmp_is_as_large_as_asked_for(shop: Workshop, tmp_path: Path) -> None:
    """/tmp holds its configured size and not more; the rest fails with ENOSPC."""
    source = """
def handler(most_mb, context):
    written = 0
    try:
        with open("/tmp/big", "wb", 0) as file:
            for _ in range(most_mb):
                written += file.write(bytes(1 << 20))
    except OSError as error:
        return [written >> 20, error.errno]
"""
    _, result = with_neighbour(shop, tmp_path, source, 700, memory_size_mb=1024, ephemeral_storage_mb=600)
    assert result == [600, 28]


def test_small_files_in_tmp_are_bounded_as_well(shop: Workshop, tmp_path: Path) -> None:
    """/tmp does not take files without end: each costs the kernel memory, however little it holds."""
    source = """
def handler(most, context):
    made = 0
    try:
        while made < most:
            open("/tmp/%d" % made, "w").close()
            made += 1
    except OSError as error:
        return [made, error.errno]
    return [made, None]
"""
    driven, result = with_neighbour(shop, tmp_path, source, 400_000, memory_size_mb=512)
    assert result is None or result[1] == 28, result
    assert result is not None or driven.exits[0].out_of_memory


def test_a_flood_of_output_holds_nobody_up(shop: Workshop, tmp_path: Path) -> None:
    """While a process writes all the time, draining returns, neighbours are served, and killing works at once."""
    source = """
import os
def handler(event, context):
    if os.fork() == 0:
        for _ in range(200_000):
            os.write(1, b"x" * 65536)
        os._exit(0)
    return "flooding"
"""
    at = write_package(tmp_path / "bad", {"app.py": source})
    good = write_package(tmp_path / "good", {"app.py": GOOD})

    async def work() -> int:
        async with shop.open_environment(good) as neighbour, shop.open_environment(at) as driven:
            assert await driven.invoke(None) == "flooding"
            for number in range(10_000):
                driven.environment.drain_output()
                assert await neighbour.invoke(number) == number
                if number >= 50 and driven.output_bytes > 1 << 20:
                    break  # the flood had its turn of a busy processor as well
            driven.environment.kill()
            await driven.end()
            return driven.output_bytes

    assert shop.run(work()) > 1 << 20


def test_connections_to_the_runtime_api_do_no_harm(shop: Workshop, tmp_path: Path) -> None:
    """A function that opens hundreds of connections to its Runtime API gets its answer through all the same."""
    source = """
import socket
held = []
def handler(event, context):
    for _ in range(500):
        try:
            held.append(socket.create_connection(("127.0.0.1", 9001), 1))
        except OSError:
            break
    return len(held) > 0
"""
    _, result = with_neighbour(shop, tmp_path, source, None)
    assert result is True


@pytest.mark.parametrize("victim", ["itself and its children", "everybody"])
def test_signals_reach_only_its_own(shop: Workshop, tmp_path: Path, victim: str) -> None:
    """kill(-1) ends what the function started and leaves init, which no signal from inside can end."""
    source = """
import os, signal, subprocess, time
def handler(event, context):
    for number in range(1, 65):
        if number not in (signal.SIGCHLD,):
            try:
                os.kill(1, number)
            except (OSError, ValueError):
                continue
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    if event == "everybody":
        os.kill(-1, signal.SIGKILL)
    else:
        for child in children:
            child.kill()
    return [child.wait() for child in children] + [os.path.exists("/proc/1")]
"""
    _, result = with_neighbour(shop, tmp_path, source, victim)
    assert result == [-9, -9, -9, True]


BURN = """
import time
def handler(cpu_seconds, context):
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < cpu_seconds:
        pass
    return time.monotonic() - began
"""


def test_a_computation_can_be_held_to_what_its_memory_buys(shop: Workshop, tmp_path: Path) -> None:
    """Held, a function of 128 MB computes at most at 128/1,769 of a processor's speed, however idle the machine is."""
    assert isinstance(shop.sandbox, NamespaceSandbox)
    if not shop.sandbox.limits_cpu:
        pytest.skip("this machine gives us no control groups that hold the CPU")
    at = write_package(tmp_path / "burner", {"app.py": BURN})

    async def main() -> float:
        async with shop.open_environment(at, memory_size_mb=128) as driven:
            await driven.until_ready()
            driven.environment.hold_cpu()
            seconds: float = await driven.invoke(0.05)
            driven.environment.release_cpu()
            return seconds

    assert shop.run(main()) > 0.05 / (128 / 1769) * 0.6  # what is left of a period when it begins is free
