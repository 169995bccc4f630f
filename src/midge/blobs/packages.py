"""Unpacked deployment packages: ``packages/<digest>/``, each unpacked once and shared read-only by its environments.

The directory is a cache of ``blobs``: everything in it can be made again. Packages are not synced to disk one by one;
instead the machine's boot is recorded beside them, and what another boot has written is thrown away at start, because
a power cut may have left it in pieces. A crash of midge alone leaves them whole.
"""

import asyncio
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import WeakValueDictionary

from midge.blobs.digests import code_of
from midge.blobs.port import Blobs
from midge.blobs.unpacking import remove_tree, unpack
from midge.blobs.zips import check_zip
from midge.model.errors import ServiceError
from midge.model.functions import Code
from midge.model.limits import Limits

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOT_FILE = ".boot"
_TEMPORARY = ".new-"
_UNUSABLE = (ServiceError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


class PackageError(Exception):
    """A package that had been accepted cannot be unpacked; the text says why, for midge's log and the state's reason."""


class Packages:
    """Owns the directory and the threads that unpack. ``sweep`` comes first, ``close`` last."""

    def __init__(self, directory: Path, blobs: Blobs, limits: Limits, *, boot_file: Path = _BOOT_ID) -> None:
        self._directory = directory
        self._blobs = blobs
        self._limits = limits
        self._boot_file = boot_file
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="midge-packages")
        self._whole: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """A digest's lock exists as long as somebody holds it or waits for it."""

    async def sweep(self, wanted: Collection[str]) -> None:
        """Remove what a crash left half unpacked, what another boot wrote, and whatever is not ``wanted`` (digests)."""
        loop = asyncio.get_running_loop()
        self._whole = await loop.run_in_executor(self._executor, self._sweep, frozenset(wanted))

    async def check(self, data: bytes) -> Code:
        """What ``data`` is as a package. Raises InvalidParameterValueException if it may be none: ``zips.check_zip``."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._check, data)

    def path(self, code: Code) -> Path:
        """Where ``code`` is, or will be, unpacked."""
        return self._directory / code.digest

    async def unpacked(self, code: Code) -> Path:
        """The directory with the package, unpacked if it was not yet; concurrent callers share one unpacking.

        Raises PackageError if the blob is gone or no longer acceptable, OSError if the disk refuses.
        """
        digest = code.digest
        if digest in self._whole:
            return self.path(code)
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            if digest not in self._whole:
                await self._unpack(digest)
        return self.path(code)

    async def remove(self, digest: str) -> None:
        """Remove the package; harmless if it was never unpacked. It must not be in use."""
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            self._whole.discard(digest)
            await self._to_the_end(self._remove, digest)

    async def close(self) -> None:
        """Wait for what is being unpacked."""
        await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)

    async def _unpack(self, digest: str) -> None:
        try:
            data = await self._blobs.get(digest)
        except KeyError as error:
            raise PackageError(f"the zip {digest} is missing") from error
        try:
            await self._to_the_end(self._unpack_into_place, digest, data)
        except _UNUSABLE as error:
            raise PackageError(f"the zip {digest} cannot be unpacked: {error}") from error
        self._whole.add(digest)

    async def _to_the_end(self, work: Callable[..., None], *args: object) -> None:
        """Run ``work`` in a thread and return, or be cancelled, only when it is over: the lock must outlast it."""
        job = asyncio.get_running_loop().run_in_executor(self._executor, work, *args)
        cancelled = False
        while not job.done():
            try:
                await asyncio.wait([job])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError
        job.result()

    # in the executor's threads

    def _check(self, data: bytes) -> Code:
        check_zip(data, self._limits)
        return code_of(data)

    def _unpack_into_place(self, digest: str, data: bytes) -> None:
        temporary = self._directory / (_TEMPORARY + secrets.token_hex(8))
        unpack(data, temporary, self._limits)
        target = self._directory / digest
        try:
            temporary.rename(target)
        except OSError:
            # A caller that was cancelled when its unpacking was done has left the same there.
            remove_tree(temporary)
            if not target.is_dir():
                raise

    def _remove(self, digest: str) -> None:
        temporary = self._directory / (_TEMPORARY + secrets.token_hex(8))
        try:
            (self._directory / digest).rename(temporary)
        except FileNotFoundError:
            return
        remove_tree(temporary)

    def _sweep(self, wanted: frozenset[str]) -> set[str]:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o755)
        recorded = self._directory / _BOOT_FILE
        boot = self._boot_file.read_bytes()
        trusted = recorded.exists() and recorded.read_bytes() == boot
        whole: set[str] = set()
        for entry in os.scandir(self._directory):
            if trusted and entry.name in wanted and entry.is_dir(follow_symlinks=False):
                whole.add(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                remove_tree(Path(entry.path))
        if not trusted:
            recorded.write_bytes(boot)
        return whole
