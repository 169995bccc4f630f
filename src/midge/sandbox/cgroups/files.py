"""The kernel's files of control groups: reading, writing, and a directory that is ours as long as we live."""

import fcntl
import os
from pathlib import Path


def write(path: Path, value: int | str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def read(path: Path) -> str | None:
    try:
        return path.read_text("ascii")
    except OSError:
        return None


def open_list(directory: Path) -> int:
    return os.open(directory / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)


def count(text: str | None, key: str) -> int:
    """The value of ``key`` in the kernel's flat-keyed format."""
    rows = (line.split() for line in (text or "").splitlines())
    return next((int(row[1]) for row in rows if row[0] == key), 0)


def remove_all(directories: list[Path]) -> bool:
    gone = True
    for directory in directories:
        try:
            directory.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            gone = False
    return gone


class Claim:
    """A directory of ours, locked as long as we live: so others can tell it from one that was left behind."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Remove it, unless something still lives there; in any case let go of it."""
        remove_all([self.path])
        os.close(self._descriptor)
