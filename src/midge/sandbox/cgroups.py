"""Limits on an environment by the kernel's control groups: memory, CPU share and number of processes.

Works with what the machine has: version 1 hierarchies, version 2 where its controllers are delegated to us, or neither
(then ``NoCgroups``, and the caller falls back to rlimits). Moving a process into a v1 group can wait several
milliseconds for an RCU grace period: an environment moves itself, before anybody waits for it.
Source: https://docs.kernel.org/admin-guide/cgroup-v1/ and cgroup-v2.html.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol

from midge.model.limits import MIB
from midge.sandbox.inside import janitor

PREFIX = "midge-"


def unique_name() -> str:
    """A name for our directory that no other midge has, whatever pid namespace it is in."""
    return f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}"


_CPU_SHARES_PER_CORE = 1024
_MEMORY_MB_PER_CORE = 1769
"""Memory at which AWS gives a function one CPU; docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""


class Cgroup(Protocol):
    """The group of one environment."""

    def process_lists(self) -> list[int]:
        """Descriptors of its lists of processes: who writes "0" to each moves in, with our rights. The caller closes."""
        ...

    def limit_memory(self, memory_size_mb: int) -> None:
        """Set the memory limit, and the CPU share that goes with it."""
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

    def create(self, name: str) -> Cgroup: ...

    def directories(self) -> list[Path]:
        """What has to be removed when midge is gone."""
        ...

    def close(self) -> None: ...


def _write(path: Path, value: int | str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def _read(path: Path) -> str | None:
    try:
        return path.read_text("ascii")
    except OSError:
        return None


def _open_list(directory: Path) -> int:
    return os.open(directory / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)


def _count(text: str | None, key: str) -> int:
    """The value of ``key`` in the kernel's flat-keyed format."""
    rows = (line.split() for line in (text or "").splitlines())
    return next((int(row[1]) for row in rows if row[0] == key), 0)


def _cpu_shares(memory_size_mb: int) -> int:
    return max(2, memory_size_mb * _CPU_SHARES_PER_CORE // _MEMORY_MB_PER_CORE)


def _remove_all(directories: list[Path]) -> bool:
    gone = True
    for directory in directories:
        try:
            directory.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            gone = False
    return gone


class _CgroupV1:
    def __init__(self, by_controller: dict[str, Path], processes: int) -> None:
        self._directories = by_controller
        for directory in by_controller.values():
            directory.mkdir()
        if "pids" in by_controller:
            _write(by_controller["pids"] / "pids.max", processes)

    def process_lists(self) -> list[int]:
        return [_open_list(directory) for directory in self._directories.values()]

    def limit_memory(self, memory_size_mb: int) -> None:
        memory, cpu = self._directories.get("memory"), self._directories.get("cpu")
        if memory is not None:
            _write(memory / "memory.limit_in_bytes", memory_size_mb * MIB)
            with contextlib.suppress(OSError):  # only where the kernel accounts for swap
                _write(memory / "memory.memsw.limit_in_bytes", memory_size_mb * MIB)
        if cpu is not None:
            _write(cpu / "cpu.shares", _cpu_shares(memory_size_mb))

    def memory_peak_bytes(self) -> int | None:
        memory = self._directories.get("memory")
        text = _read(memory / "memory.max_usage_in_bytes") if memory is not None else None
        return int(text) if text else None

    def out_of_memory(self) -> bool:
        memory = self._directories.get("memory")
        return memory is not None and _count(_read(memory / "memory.oom_control"), "oom_kill") > 0

    def remove(self) -> bool:
        return _remove_all(list(self._directories.values()))


class _Claim:
    """A directory of ours, locked as long as we live: so others can tell it from one that was left behind."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Remove it, unless something still lives there; in any case let go of it."""
        _remove_all([self.path])
        os.close(self._descriptor)


class CgroupsV1:
    """One directory of ours in each hierarchy that we may write to."""

    def __init__(self, hierarchies: dict[str, Path], name: str, processes: int) -> None:
        self._claims = {controller: _Claim(path / name) for controller, path in hierarchies.items()}
        self._processes = processes
        self.limits_memory = "memory" in hierarchies
        self.description = "v1: " + ", ".join(sorted(hierarchies))

    def create(self, name: str) -> Cgroup:
        return _CgroupV1({controller: claim.path / name for controller, claim in self._claims.items()}, self._processes)

    def directories(self) -> list[Path]:
        return [claim.path for claim in self._claims.values()]

    def close(self) -> None:
        for claim in self._claims.values():
            claim.close()


class _CgroupV2:
    def __init__(self, directory: Path, controllers: frozenset[str], processes: int) -> None:
        self._directory = directory
        self._controllers = controllers
        directory.mkdir()
        if "pids" in controllers:
            _write(directory / "pids.max", processes)

    def process_lists(self) -> list[int]:
        return [_open_list(self._directory)]

    def limit_memory(self, memory_size_mb: int) -> None:
        if "memory" in self._controllers:
            _write(self._directory / "memory.max", memory_size_mb * MIB)
            with contextlib.suppress(OSError):  # only where the kernel accounts for swap
                _write(self._directory / "memory.swap.max", 0)
        if "cpu" in self._controllers:
            weight = 1 + (_cpu_shares(memory_size_mb) - 2) * 9999 // 262142
            _write(self._directory / "cpu.weight", weight)

    def memory_peak_bytes(self) -> int | None:
        text = _read(self._directory / "memory.peak") or _read(self._directory / "memory.current")
        return int(text) if text else None

    def out_of_memory(self) -> bool:
        return _count(_read(self._directory / "memory.events"), "oom_kill") > 0

    def remove(self) -> bool:
        return _remove_all([self._directory])


class CgroupsV2:
    """One directory of ours in the unified hierarchy, with the controllers that were delegated to us."""

    def __init__(self, parent: Path, name: str, controllers: frozenset[str], processes: int) -> None:
        self._claim = _Claim(parent / name)
        self._controllers = controllers
        self._processes = processes
        _write(self._claim.path / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(controllers)))
        self.limits_memory = "memory" in controllers
        self.description = "v2: " + ", ".join(sorted(controllers))

    def create(self, name: str) -> Cgroup:
        return _CgroupV2(self._claim.path / name, self._controllers, self._processes)

    def directories(self) -> list[Path]:
        return [self._claim.path]

    def close(self) -> None:
        self._claim.close()


class _NoCgroup:
    def process_lists(self) -> list[int]:
        return []

    def limit_memory(self, memory_size_mb: int) -> None:
        """Nothing to limit it with: see ``NoCgroups``."""

    def memory_peak_bytes(self) -> int | None:
        return None

    def out_of_memory(self) -> bool:
        return False

    def remove(self) -> bool:
        return True


class NoCgroups:
    """For machines that give us none: environments are held by rlimits alone."""

    limits_memory = False

    def __init__(self, reason: str) -> None:
        self.description = f"none: {reason}"

    def create(self, name: str) -> Cgroup:
        del name
        return _NoCgroup()

    def directories(self) -> list[Path]:
        return []

    def close(self) -> None:
        """Nothing was made."""


_WANTED = ("memory", "cpu", "pids")


def _own_groups() -> dict[str, str]:
    """Controller (or "" for the unified hierarchy) to this process's group in it."""
    groups: dict[str, str] = {}
    for line in (_read(Path("/proc/self/cgroup")) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _mount_points() -> dict[str, Path]:
    """Controller (or "") to where its hierarchy is mounted."""
    places: dict[str, Path] = {}
    for line in (_read(Path("/proc/self/mountinfo")) or "").splitlines():
        left, right = line.split(" - ", 1)
        kind, _, options = right.split(" ", 2)
        place = Path(left.split()[4])
        if kind == "cgroup2":
            places.setdefault("", place)
        elif kind == "cgroup":
            for option in options.split(","):
                places.setdefault(option, place)
    return places


def _usable_v1(places: dict[str, Path], groups: dict[str, str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for controller in _WANTED:
        if controller in places and controller in groups:
            own = places[controller] / groups[controller].lstrip("/")
            directory = own if own.is_dir() else places[controller]
            if os.access(directory, os.W_OK):
                found[controller] = directory
    return found


def _usable_v2(places: dict[str, Path], groups: dict[str, str]) -> tuple[Path, frozenset[str]] | None:
    """The directory that hands down the most of what we want: our own group, or else the hierarchy's root.

    Processes live in our own, midge among them, and then the kernel hands nothing down; its root is free of that rule.
    """
    if "" not in places or "" not in groups:
        return None
    own = places[""] / groups[""].lstrip("/")
    found = [(directory, _handed_down(directory)) for directory in dict.fromkeys((own, places[""]))]
    best = max(found, key=lambda candidate: len(candidate[1]))
    return best if best[1] else None


def _handed_down(directory: Path) -> frozenset[str]:
    """The controllers that groups below ``directory`` get, after asking for all that we want."""
    enabled = frozenset((_read(directory / "cgroup.subtree_control") or "").split())
    offered = frozenset((_read(directory / "cgroup.controllers") or "").split())
    wanted = frozenset(_WANTED) & offered
    if not os.access(directory, os.W_OK):
        return frozenset()
    if not wanted <= enabled:
        try:
            _write(directory / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(wanted)))
        except OSError:
            wanted &= enabled
    return wanted


def _sweep(parent: Path) -> None:
    """Remove what a midge left behind that was killed together with its janitor: directories that nobody claims.

    A process id would say nothing: it may be another one's in another pid namespace.
    """
    for directory in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                janitor.remove(str(directory))
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)


def open_cgroups(name: str, processes: int) -> Cgroups:
    """The best that this machine gives: groups below a directory ``name``, each of at most ``processes``.

    ``name`` begins with ``PREFIX`` and is nobody else's.
    """
    places, groups = _mount_points(), _own_groups()
    try:
        v2 = _usable_v2(places, groups)
        if v2 is not None:
            _sweep(v2[0])
            return CgroupsV2(v2[0], name, v2[1], processes)
        v1 = _usable_v1(places, groups)
        if v1:
            for parent in v1.values():
                _sweep(parent)
            return CgroupsV1(v1, name, processes)
    except OSError as error:
        return NoCgroups(str(error))
    return NoCgroups("no hierarchy is writable for this user")
