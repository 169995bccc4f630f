"""One server per data directory: a file lock that the kernel gives back when the process ends, however it ends."""

import fcntl
import os
from pathlib import Path

from midge.store.errors import StoreUnavailableError


class DirectoryLock:
    """Holds ``<directory>/lock`` from construction until ``close``; the file contains the holder's process id."""

    def __init__(self, directory: Path) -> None:
        """Raises StoreUnavailableError at once if another server holds it. Makes the directory if there is none."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreUnavailableError(f"{directory} is in use by another midge (process {holder})") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def close(self) -> None:
        """Let go of it; harmless if done already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
