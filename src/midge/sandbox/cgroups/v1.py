"""Version 1: one directory of ours in each hierarchy that we may write to."""

import contextlib
from pathlib import Path

from midge.model.limits import MIB
from midge.sandbox.cgroups import cpu, files
from midge.sandbox.cgroups.port import Cgroup


class _CgroupV1:
    def __init__(self, by_controller: dict[str, Path], processes: int) -> None:
        self._directories = by_controller
        self._quota = -1
        for directory in by_controller.values():
            directory.mkdir()
        if "pids" in by_controller:
            files.write(by_controller["pids"] / "pids.max", processes)

    def process_lists(self) -> list[int]:
        return [files.open_list(directory) for directory in self._directories.values()]

    def limit_memory(self, memory_size_mb: int) -> None:
        memory, share = self._directories.get("memory"), self._directories.get("cpu")
        self._quota = cpu.quota_microseconds(memory_size_mb)
        if memory is not None:
            files.write(memory / "memory.limit_in_bytes", memory_size_mb * MIB)
            with contextlib.suppress(OSError):  # only where the kernel accounts for swap
                files.write(memory / "memory.memsw.limit_in_bytes", memory_size_mb * MIB)
        if share is not None:
            files.write(share / "cpu.shares", cpu.shares(memory_size_mb))

    def hold_cpu(self) -> None:
        self._write("cpu", "cpu.cfs_quota_us", self._quota)

    def release_cpu(self) -> None:
        self._write("cpu", "cpu.cfs_quota_us", -1)

    def freeze(self) -> None:
        self._write("freezer", "freezer.state", "FROZEN")

    def thaw(self) -> None:
        self._write("freezer", "freezer.state", "THAWED")

    def _write(self, controller: str, name: str, value: int | str) -> None:
        directory = self._directories.get(controller)
        if directory is not None:
            files.write(directory / name, value)

    def memory_peak_bytes(self) -> int | None:
        memory = self._directories.get("memory")
        text = files.read(memory / "memory.max_usage_in_bytes") if memory is not None else None
        return int(text) if text else None

    def out_of_memory(self) -> bool:
        memory = self._directories.get("memory")
        return memory is not None and files.count(files.read(memory / "memory.oom_control"), "oom_kill") > 0

    def remove(self) -> bool:
        return files.remove_all(list(self._directories.values()))


class CgroupsV1:
    """One directory of ours in each hierarchy that we may write to."""

    def __init__(self, hierarchies: dict[str, Path], name: str, processes: int) -> None:
        self._claims = {controller: files.Claim(path / name) for controller, path in hierarchies.items()}
        self._processes = processes
        self.limits_memory = "memory" in hierarchies
        self.limits_cpu = "cpu" in hierarchies
        self.freezes = "freezer" in hierarchies
        self.description = "v1: " + ", ".join(sorted(hierarchies))

    def create(self, name: str) -> Cgroup:
        return _CgroupV1({controller: claim.path / name for controller, claim in self._claims.items()}, self._processes)

    def directories(self) -> list[Path]:
        return [claim.path for claim in self._claims.values()]

    def close(self) -> None:
        for claim in self._claims.values():
            claim.close()
