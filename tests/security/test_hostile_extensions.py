"""External extensions that mean harm, in the real sandbox: they are held as their function is, and init is closed to them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.environments import Workshop, namespace_sandbox, workshop, write_package

pytestmark = pytest.mark.needs("namespaces")

HANDLER = {"app.py": "def handler(event, context): return event"}
LOOK = r"""#!/usr/bin/env python3.11
import os, socket
def attempt(work, *arguments):
    try:
        return work(*arguments) or "something"
    except OSError:
        return None
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
print({key: status[key].split()[0] for key in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")})
print(sorted(fd for fd in os.listdir("/proc/self/fd") if attempt(os.readlink, "/proc/self/fd/" + fd))[:9])
others = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid())]
print([attempt(os.listdir, f"/proc/{pid}/fd") for pid in ("1",)], [attempt(open, "/proc/1/environ", "rb")])
print([attempt(os.kill, 1, number) and "sent" for number in (9, 15, 19)])
print(os.getcwd(), attempt(os.listdir, "/root"), attempt(os.mkdir, "/opt/extensions/more"), len(others) >= 2)
print(attempt(open, "/proc/self/oom_score_adj").read().strip())
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    with workshop(namespace_sandbox) as made:
        yield made


def test_an_extension_has_the_function_s_rights_and_no_more(shop: Workshop, tmp_path: Path) -> None:
    """User 993 without capabilities, under the filter, with no descriptor but its streams; init cannot be looked into."""
    layers = write_package(tmp_path / "layers", {"extensions/look": LOOK}, ("extensions/look",))
    package = write_package(tmp_path / "function", HANDLER)

    async def main() -> list[str]:
        async with shop.open_environment(package, layers=layers, extensions=("look",)) as driven:
            assert (await driven.told.get())[0] == "look"
            driven.environment.start_runtime()
            assert await driven.invoke(1) == 1
            return driven.extensions_output.decode().splitlines()

    lines = shop.run(main())
    none = "0" * 16
    assert lines == [
        str({"Uid": "993", "CapEff": none, "CapBnd": none, "NoNewPrivs": "1", "Seccomp": "2"}),
        "['0', '1', '2']",
        "[None] [None]",
        "['sent', 'sent', 'sent']",
        "/ None None True",
        "500",
    ]


FORKING = """#!/bin/sh
while true; do sleep 1000 & done
"""


def test_a_fork_bomb_beside_the_runtime_is_held(shop: Workshop, tmp_path: Path) -> None:
    """An extension that forks without end uses up what its own environment has, and nobody else's; it ends with it."""
    layers = write_package(tmp_path / "layers", {"extensions/bomb": FORKING}, ("extensions/bomb",))
    package = write_package(tmp_path / "function", HANDLER)

    async def main() -> None:
        async with shop.open_environment(package, layers=layers, extensions=("bomb",)) as driven:
            assert (await driven.told.get())[0] in {"bomb", "runtime"}  # no room is left: for processes, or for memory
            async with shop.open_environment(package) as other:
                assert await other.invoke(2) == 2

    shop.run(main())
