"""No control groups at all: environments are held by rlimits alone."""

from pathlib import Path

from midge.sandbox.cgroups.port import Cgroup


class _NoCgroup:
    def process_lists(self) -> list[int]:
        return []

    def limit_memory(self, memory_size_mb: int) -> None:
        """Nothing to limit it with: see ``NoCgroups``."""

    def hold_cpu(self) -> None:
        """As above."""

    def release_cpu(self) -> None:
        """As above."""

    def freeze(self) -> None:
        """As above."""

    def thaw(self) -> None:
        """As above."""

    def memory_peak_bytes(self) -> int | None:
        return None

    def out_of_memory(self) -> bool:
        return False

    def remove(self) -> bool:
        return True


class NoCgroups:
    """For machines that give us none: environments are held by rlimits alone."""

    limits_memory = False
    limits_cpu = False
    freezes = False

    def __init__(self, reason: str) -> None:
        self.description = f"none: {reason}"

    def create(self, name: str) -> Cgroup:
        del name
        return _NoCgroup()

    def directories(self) -> list[Path]:
        return []

    def close(self) -> None:
        """Nothing was made."""
