"""Version 2: one directory of ours in the unified hierarchy, with the controllers that were delegated to us."""

import contextlib
from pathlib import Path

from midge.model.limits import MIB
from midge.sandbox.cgroups import cpu, files
from midge.sandbox.cgroups.port import Cgroup


class _CgroupV2:
    def __init__(self, directory: Path, controllers: frozenset[str], processes: int) -> None:
        self._directory = directory
        self._controllers = controllers
        self._quota: int | None = None
        directory.mkdir()
        if "pids" in controllers:
            files.write(directory / "pids.max", processes)

    def process_lists(self) -> list[int]:
        return [files.open_list(self._directory)]

    def limit_memory(self, memory_size_mb: int) -> None:
        if "memory" in self._controllers:
            files.write(self._directory / "memory.max", memory_size_mb * MIB)
            with contextlib.suppress(OSError):  # only where the kernel accounts for swap
                files.write(self._directory / "memory.swap.max", 0)
        if "cpu" in self._controllers:
            self._quota = cpu.quota_microseconds(memory_size_mb)
            files.write(self._directory / "cpu.weight", cpu.weight(memory_size_mb))

    def hold_cpu(self) -> None:
        if self._quota is not None:
            files.write(self._directory / "cpu.max", f"{self._quota} {cpu.PERIOD_MICROSECONDS}")

    def release_cpu(self) -> None:
        if self._quota is not None:
            files.write(self._directory / "cpu.max", f"max {cpu.PERIOD_MICROSECONDS}")

    def freeze(self) -> None:
        files.write(self._directory / "cgroup.freeze", 1)

    def thaw(self) -> None:
        files.write(self._directory / "cgroup.freeze", 0)

    def memory_peak_bytes(self) -> int | None:
        text = files.read(self._directory / "memory.peak") or files.read(self._directory / "memory.current")
        return int(text) if text else None

    def out_of_memory(self) -> bool:
        return files.count(files.read(self._directory / "memory.events"), "oom_kill") > 0

    def remove(self) -> bool:
        return files.remove_all([self._directory])


class CgroupsV2:
    """One directory of ours in the unified hierarchy, with the controllers that were delegated to us."""

    def __init__(self, parent: Path, name: str, controllers: frozenset[str], processes: int) -> None:
        self._claim = files.Claim(parent / name)
        self._controllers = controllers
        self._processes = processes
        files.write(self._claim.path / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(controllers)))
        self.limits_memory = "memory" in controllers
        self.limits_cpu = "cpu" in controllers
        self.freezes = True
        self.description = "v2: " + ", ".join(sorted(controllers))

    def create(self, name: str) -> Cgroup:
        return _CgroupV2(self._claim.path / name, self._controllers, self._processes)

    def directories(self) -> list[Path]:
        return [self._claim.path]

    def close(self) -> None:
        self._claim.close()
