"""How much memory functions may have, on machines as their kernels tell of them."""

from pathlib import Path

import pytest

from midge.app.memory import memory_for_functions_mb
from midge.model.limits import MIB, Limits

HALF = Limits(functions_memory_share=0.5)
MEMINFO = "MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:    2048000 kB\nSwapTotal: 0 kB\n"


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/meminfo": MEMINFO}, 1_000),
        ({}, 0),
        ({"proc/meminfo": "MemTotal: 1 kB\n"}, 0),
        ({"proc/meminfo": "MemAvailable:    900 kB\n"}, 1),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "max\n",
                "sys/fs/cgroup/a/memory.max": f"{600 * MIB}\n",
            },
            300,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "5:cpu,memory:/docker/x\n1:name=systemd:/\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{800 * MIB}\n",
            },
            400,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "5:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            1_000,
        ),
    ],
)
def test_the_least_of_machine_and_groups_counts(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    """A share of what is available, or of a control group's limit above midge if that is less; 0 where nobody knows."""
    assert memory_for_functions_mb(HALF, machine(tmp_path, files)) == expected


def test_what_is_configured_is_taken(tmp_path: Path) -> None:
    """A number of megabytes overrides what the machine says."""
    root = machine(tmp_path, {"proc/meminfo": MEMINFO})
    assert memory_for_functions_mb(Limits(functions_memory_mb=300), root) == 300
