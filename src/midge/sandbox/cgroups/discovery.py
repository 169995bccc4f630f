"""Which control groups this machine gives: version 1 hierarchies, version 2 where it is delegated to us, or neither."""

import contextlib
import fcntl
import os
from pathlib import Path

from midge.sandbox.cgroups import files
from midge.sandbox.cgroups.none import NoCgroups
from midge.sandbox.cgroups.port import PREFIX, Cgroups
from midge.sandbox.cgroups.v1 import CgroupsV1
from midge.sandbox.cgroups.v2 import CgroupsV2
from midge.sandbox.inside import janitor

_LIMITS = ("memory", "cpu", "pids")
_WANTED_V1 = (*_LIMITS, "freezer")
"""Version 2 freezes without a controller."""


def _own_groups() -> dict[str, str]:
    """Controller (or "" for the unified hierarchy) to this process's group in it."""
    groups: dict[str, str] = {}
    for line in (files.read(Path("/proc/self/cgroup")) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _mount_points() -> dict[str, Path]:
    """Controller (or "") to where its hierarchy is mounted."""
    places: dict[str, Path] = {}
    for line in (files.read(Path("/proc/self/mountinfo")) or "").splitlines():
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
    for controller in _WANTED_V1:
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
    enabled = frozenset((files.read(directory / "cgroup.subtree_control") or "").split())
    offered = frozenset((files.read(directory / "cgroup.controllers") or "").split())
    wanted = frozenset(_LIMITS) & offered
    if not os.access(directory, os.W_OK):
        return frozenset()
    if not wanted <= enabled:
        try:
            files.write(directory / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(wanted)))
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
