"""Environments that wait for a runtime to be forked into them: there are as many as shall be, and none is relied on."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from functional.test_nothing_left import descendants, eventually
from harness.environments import Workshop, namespace_sandbox, workshop, write_package

pytestmark = pytest.mark.needs("namespaces")

WHO = """
import os
def handler(event, context):
    return os.readlink("/proc/self/ns/net")
"""


@pytest.fixture
def shop() -> Iterator[Workshop]:
    """A sandbox that keeps two cells and a stem."""
    with workshop(namespace_sandbox) as made:
        yield made


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "function", {"app.py": WHO})


def waiting_inits() -> list[int]:
    """Inits below this process that have made themselves small, by pid."""
    found: list[int] = []
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0infinity"):
                found.append(pid)
    return found


def at_once(shop: Workshop, package: Path, count: int) -> list[str]:
    """Network namespaces of ``count`` environments that live at the same time."""

    async def main() -> list[str]:
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(shop.open_environment(package)) for _ in range(count)]
            return [await driven.invoke() for driven in opened]

    return shop.run(main())


def test_more_are_started_than_wait(shop: Workshop, package: Path) -> None:
    """When every cell has been taken further environments are made on demand, each with namespaces of its own."""
    assert len(set(at_once(shop, package, 8))) == 8


def test_cells_that_have_ended_are_passed_over(shop: Workshop, package: Path) -> None:
    """When all that wait are killed, the next environment starts none the less."""
    shop.run(shop.sandbox.expect("python3.11", package))

    def too_few() -> bool:
        """Whether there are less than the stem and the two cells that a sandbox keeps which expects a function."""
        shop.run(asyncio.sleep(0.01))
        return len(waiting_inits()) < 3

    assert not eventually(too_few)
    inits = waiting_inits()
    for pid in inits:
        os.kill(pid, signal.SIGKILL)
    # An init's number is given back when all that lived in its namespaces has ended.
    assert not eventually(lambda: [pid for pid in inits if Path(f"/proc/{pid}").exists()])
    assert len(set(at_once(shop, package, 4))) == 4
