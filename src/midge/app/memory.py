"""How much memory functions may have on this machine, from what the kernel tells: what is available, within our group."""

import re
from pathlib import Path

from midge.model.limits import MIB, Limits

_ROOT = Path("/")
_KIB = 1024
_LIMIT_FILES = {"": "sys/fs/cgroup/{place}/memory.max", "memory": "sys/fs/cgroup/memory/{place}/memory.limit_in_bytes"}
"""Of version 2, which names no controllers, and of version 1."""


def memory_for_functions_mb(limits: Limits, root: Path = _ROOT) -> int:
    """As configured, or a share of what is available now; at least 1, and 0, for no limit, where nobody knows.

    ``root`` is where ``/proc`` and ``/sys`` are.
    """
    if limits.functions_memory_mb:
        return limits.functions_memory_mb
    found = [size for size in (_available(root), *_of_groups(root)) if size is not None]
    return max(1, int(min(found) * limits.functions_memory_share) // MIB) if found else 0


def _available(root: Path) -> int | None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", _read(root / "proc/meminfo"), re.MULTILINE)
    return None if found is None else int(found[1]) * _KIB


def _of_groups(root: Path) -> list[int]:
    """The limits of midge's own control groups and of those above; none where they are not to be seen."""
    found: list[int] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, place = line.split(":", 2)
        kind = "memory" if "memory" in controllers.split(",") else controllers
        if kind in _LIMIT_FILES:
            group = Path(place)
            for each in (group, *group.parents):
                text = _read(root / _LIMIT_FILES[kind].format(place=str(each).lstrip("/"))).strip()
                if text.isdecimal():
                    found.append(int(text))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
