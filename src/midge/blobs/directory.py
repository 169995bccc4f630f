"""Blobs in a directory: ``sha256/ab/cdef...``. A file appears under its name only when all of it is on disk.

Written to a temporary name in the same directory, synced, renamed; then the directory is synced. Leftovers of writes
that a crash cut short are removed by ``open``.
"""

import asyncio
import hashlib
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = ".new-"


class DirectoryBlobs:
    """Owns the directory and the threads that touch it. Make it with ``open``, end it with ``close``.

    Methods raise OSError when the disk refuses (full, broken); nothing is kept then.
    """

    def __init__(self, directory: Path, executor: ThreadPoolExecutor) -> None:
        self._directory = directory / "sha256"
        self._executor = executor

    @classmethod
    async def open(cls, directory: Path) -> "DirectoryBlobs":
        """Make the directory if there is none and tidy it."""
        blobs = cls(directory, ThreadPoolExecutor(2, thread_name_prefix="midge-blobs"))
        await asyncio.get_running_loop().run_in_executor(blobs._executor, blobs._prepare)
        return blobs

    async def close(self) -> None:
        """Wait for what is being written."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._executor.shutdown)

    async def put(self, data: bytes) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._put, data)

    async def get(self, digest: str) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._get, digest)

    async def delete(self, digest: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._delete, digest)

    async def digests(self) -> set[str]:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._digests)

    def _prepare(self) -> None:
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for leftover in self._directory.glob(f"*/{_TEMPORARY}*"):
            leftover.unlink(missing_ok=True)
        _sync(self._directory.parent)

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise KeyError(digest)
        return self._directory / digest[:2] / digest[2:]

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _sync(self._directory)
        if not path.exists():
            _write(path, data)
        # Also for a file that was there: whoever renamed it may not have come to this point yet.
        _sync(path.parent)
        return digest

    def _get(self, digest: str) -> bytes:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(digest) from error

    def _delete(self, digest: str) -> None:
        if _DIGEST.fullmatch(digest):
            self._path(digest).unlink(missing_ok=True)

    def _digests(self) -> set[str]:
        found = {path.parent.name + path.name for path in self._directory.glob("??/*")}
        return {digest for digest in found if _DIGEST.fullmatch(digest)}


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(_TEMPORARY + secrets.token_hex(8))
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
