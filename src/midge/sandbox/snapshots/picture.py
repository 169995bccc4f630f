"""What a stopped process consists of, and whether a copy of it can be cut off from it altogether.

Whatever a copy would share with what it was copied from, is either opened anew in the copy's own place or refused here:
nothing may pass between environments that were restored from the same snapshot.
Sources: man 5 proc, https://docs.aws.amazon.com/lambda/latest/dg/snapstart-best-practices.html
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from midge.sandbox.snapshots.tracee import Mapping, mappings

API_PORT = 9001
_DEVICES = frozenset({"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})
_LISTENING = "0A"
_REOPENED_FLAGS = os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK | os.O_DIRECTORY
_KINDS = {"tcp": (2, 1), "tcp6": (10, 1), "udp": (2, 2), "udp6": (10, 2)}
MOST_DESCRIPTORS = 256
DEEPEST_DIRECTORIES = 64


class UnfitError(Exception):
    """No snapshot can be made of it. The text says why, to the function's author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One that a copy gets anew: ``number`` and its flags, and what it is: one of the others."""

    number: int
    flags: int
    position: int = 0
    path: str | None = None
    socket: tuple[int, int] | None = None
    """Family and type of one that shall not be connected any more."""
    output: bool = False
    api: bool = False
    """Whether it is the connection on which the process waits for GET /restore/next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is to be made anew in a copy."""

    inner_pid: int
    working_directory: str
    descriptors: tuple[Descriptor, ...]


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def inner_pids(pid: int) -> list[int]:
    """A process's pid in each pid namespace, from ours inwards."""
    return [int(text) for text in status(pid)["NSpid"].split()]


def look(pid: int, init_pid: int, port: int, output_inode: int) -> Picture:
    """Of a stopped process. ``port`` is that of its connection that waits. Raises UnfitError, OSError."""
    inner = inner_pids(pid)[-1]
    _check_alone(pid, init_pid, inner)
    for mapping in mappings(pid):
        _check_mapping(mapping)
    numbers = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    if len(numbers) > MOST_DESCRIPTORS:
        raise UnfitError(f"it has more than {MOST_DESCRIPTORS} open files and connections")
    sockets = _sockets(pid)
    found = tuple(_describe(pid, init_pid, number, sockets, port, output_inode) for number in sorted(numbers))
    if sum(descriptor.api for descriptor in found) != 1:
        raise UnfitError("it does not wait for GET /restore/next as the runtime client does")
    _check_depth(init_pid)
    return Picture(inner_pid=inner, working_directory=os.readlink(f"/proc/{pid}/cwd"), descriptors=found)


def _check_alone(pid: int, init_pid: int, inner: int) -> None:
    threads = len(os.listdir(f"/proc/{pid}/task"))
    if threads != 1:
        raise UnfitError(f"it has {threads} threads: only the main thread can be restored here")
    others = {int(name) for name in os.listdir(f"/proc/{init_pid}/root/proc") if name.isdigit()} - {1, inner}
    if others:
        raise UnfitError("it has child processes, which cannot be restored here")
    if status(pid)["Seccomp"] != "2" or status(pid)["NoNewPrivs"] != "1":
        raise UnfitError("it is not held as function code is")


def _check_mapping(mapping: Mapping) -> None:
    if mapping.permissions[3] != "s":
        return
    if mapping.permissions == "r--s" and mapping.path.startswith(("/usr/", "/lib", "/var/", "/opt/", "/etc/")):
        return
    raise UnfitError(f"it shares memory (MAP_SHARED), which its copies would share: {mapping.path or 'anonymous'}")


def _sockets(pid: int) -> dict[int, tuple[str, int, str]]:
    """Of its network namespace, by inode: kind, local port, state."""
    found: dict[int, tuple[str, int, str]] = {}
    for kind in _KINDS:
        path = Path(f"/proc/{pid}/net/{kind}")
        for line in path.read_text("ascii").splitlines()[1:] if path.exists() else ():
            fields = line.split()
            found[int(fields[9])] = (kind, int(fields[1].rpartition(":")[2], 16), fields[3])
    return found


def _describe(
    pid: int, init_pid: int, number: int, sockets: dict[int, tuple[str, int, str]], port: int, output_inode: int
) -> Descriptor:
    place = f"/proc/{pid}/fd/{number}"
    link = os.readlink(place)
    info = Path(f"/proc/{pid}/fdinfo/{number}").read_text("ascii", "replace")
    values = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    flags, position = int(values["flags"], 8), int(values["pos"])
    what = os.stat(place)
    if stat.S_ISFIFO(what.st_mode) and what.st_ino == output_inode:
        return Descriptor(number=number, flags=flags, output=True)
    if stat.S_ISSOCK(what.st_mode) and what.st_ino in sockets:
        kind, local, state = sockets[what.st_ino]
        if kind == "tcp" and local == port:
            return Descriptor(number=number, flags=flags, api=True)
        if state != _LISTENING:
            return Descriptor(number=number, flags=flags, socket=_KINDS[kind])
    kept = flags & (_REOPENED_FLAGS | os.O_CLOEXEC)
    if stat.S_ISREG(what.st_mode) or stat.S_ISDIR(what.st_mode) or (stat.S_ISCHR(what.st_mode) and link in _DEVICES):
        try:
            there = os.lstat(f"/proc/{init_pid}/root{link}")
        except OSError:
            there = None
        if there is not None and os.path.samestat(there, what):
            return Descriptor(number=number, flags=kept, position=position, path=link)
    raise UnfitError(f"its open descriptor {number} ({_name(link)}) cannot be restored here")


def _name(link: str) -> str:
    text = link if link.isprintable() else ascii(link)
    return text[:128]


def _check_depth(init_pid: int) -> None:
    """The files are copied into each restored environment, by a walk that is bounded."""
    root = f"/proc/{init_pid}/root/tmp"
    for directory, _, _, descriptor in os.fwalk(root, follow_symlinks=False):
        del descriptor
        if directory.removeprefix(root).count("/") > DEEPEST_DIRECTORIES:
            raise UnfitError(f"its /tmp has more than {DEEPEST_DIRECTORIES} directories in each other")
