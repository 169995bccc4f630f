"""The control group of one environment, and what makes them.

Implementations: ``v1`` and ``v2`` of the kernel's interface, and ``none``. Moving a process into a v1 group can wait
several milliseconds for an RCU grace period: an environment moves itself, before anybody waits for it.
Source: https://docs.kernel.org/admin-guide/cgroup-v1/ and cgroup-v2.html.
"""

import os
from pathlib import Path
from typing import Protocol

PREFIX = "midge-"


def unique_name() -> str:
    """A name for our directory that no other midge has, whatever pid namespace it is in."""
    return f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}"


class Cgroup(Protocol):
    """The group of one environment."""

    def process_lists(self) -> list[int]:
        """Descriptors of its lists of processes: who writes "0" to each moves in, with our rights. The caller closes."""
        ...

    def limit_memory(self, memory_size_mb: int) -> None:
        """Set the memory limit, and the share of the CPU that goes with it where many want it at once."""
        ...

    def hold_cpu(self) -> None:
        """Give it no more of the CPU's time than its memory size buys, however much is free."""
        ...

    def release_cpu(self) -> None:
        """Let it have what is free again."""
        ...

    def freeze(self) -> None:
        """Let every process in it stand still, those that it would start too; the kernel takes a moment for it."""
        ...

    def thaw(self) -> None:
        """Let them go on. A process must be thawed to end, also when it has been killed."""
        ...

    def memory_peak_bytes(self) -> int | None: ...

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process here for want of memory."""
        ...

    def remove(self) -> bool:
        """Remove the group once its processes are gone; False if some are still going."""
        ...


class Cgroups(Protocol):
    """Makes groups below one directory of our own (per hierarchy)."""

    description: str
    limits_memory: bool
    limits_cpu: bool
    freezes: bool

    def create(self, name: str) -> Cgroup: ...

    def directories(self) -> list[Path]:
        """What has to be removed when midge is gone."""
        ...

    def close(self) -> None: ...
