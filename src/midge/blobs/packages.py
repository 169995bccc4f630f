"""Unpacked deployment packages: ``packages/<digest>/``, each unpacked once and shared read-only by its environments.

The layers of a function lie there as well, laid over each other: one directory for each combination of zips, named by
``digests.layers_name``.

The directory is a cache of ``blobs``: everything in it can be made again. Packages are not synced to disk one by one;
instead the machine's boot is recorded beside them, and what another boot has written is thrown away at start, because
a power cut may have left it in pieces. A crash of midge alone leaves them whole.
"""

import asyncio
import os
import platform
import secrets
import zipfile
import zlib
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from midge.blobs.digests import code_of, layers_name
from midge.blobs.port import Blobs
from midge.blobs.processors import foreign_file
from midge.blobs.unpacking import remove_tree, unpack
from midge.blobs.zips import check_zip, extensions, unzipped_bytes
from midge.model.errors import ServiceError
from midge.model.functions import Code
from midge.model.limits import Limits
from midge.tasks import to_the_end

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOT_FILE = ".boot"
_TEMPORARY = ".new-"
_UNUSABLE = (ServiceError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


class PackageError(Exception):
    """A package that had been accepted cannot be unpacked; the text says why, for midge's log and the state's reason."""


class Packages:
    """Owns the directory and the threads that unpack. ``sweep`` comes first, ``close`` last."""

    def __init__(
        self,
        directory: Path,
        blobs: Blobs,
        limits: Limits,
        *,
        boot_file: Path = _BOOT_ID,
        processor: str = platform.machine(),
    ) -> None:
        self._directory = directory
        self._blobs = blobs
        self._limits = limits
        self._boot_file = boot_file
        self._processor = processor
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="midge-packages")
        self._whole: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """A directory's lock exists as long as somebody holds it or waits for it."""

    async def sweep(self, wanted: Collection[str]) -> None:
        """Remove what a crash left half unpacked, what another boot wrote, and whatever is not ``wanted`` (names)."""
        loop = asyncio.get_running_loop()
        self._whole = await loop.run_in_executor(self._executor, self._sweep, frozenset(wanted))

    async def check(self, data: bytes) -> Code:
        """What ``data`` is as a package. Raises InvalidParameterValueException if it may be none: ``zips.check_zip``."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._check, data)

    async def unzipped_bytes(self, code: Code) -> int:
        """The size of all files together, counted anew if the record does not know it. Raises PackageError, OSError."""
        if code.unzipped_bytes is not None:
            return code.unzipped_bytes
        (data,) = await self._zips((code.digest,))
        try:
            checked = await self.check(data)
        except ServiceError as error:
            raise PackageError(f"the zip {code.digest} cannot be unpacked: {error}") from error
        return checked.unzipped_bytes or 0

    def path(self, code: Code) -> Path:
        """Where ``code`` is, or will be, unpacked."""
        return self._directory / code.digest

    def layers_path(self, digests: Sequence[str]) -> Path | None:
        """Where these zips are, or will be, unpacked over each other; None if there are none."""
        return self._directory / layers_name(digests) if digests else None

    async def unpacked(self, code: Code) -> Path:
        """The directory with the package, unpacked if it was not yet; concurrent callers share one unpacking.

        Raises PackageError if the blob is gone or no longer acceptable, OSError if the disk refuses.
        """
        return await self._tree(code.digest, (code.digest,))

    async def layers_unpacked(self, digests: Sequence[str]) -> Path | None:
        """As ``unpacked``, for these zips laid over each other, the last one uppermost; None if there are none."""
        return await self._tree(layers_name(digests), digests) if digests else None

    async def _tree(self, name: str, digests: Sequence[str]) -> Path:
        if name not in self._whole:
            lock = self._locks.setdefault(name, asyncio.Lock())
            async with lock:
                if name not in self._whole:
                    await self._unpack(name, digests)
        return self._directory / name

    async def remove(self, name: str) -> None:
        """Remove the directory of that name; harmless if it was never unpacked. It must not be in use."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            self._whole.discard(name)
            await self._in_thread(self._remove, name)

    async def close(self) -> None:
        """Wait for what is being unpacked."""
        await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)

    async def _zips(self, digests: Sequence[str]) -> list[bytes]:
        try:
            return [await self._blobs.get(digest) for digest in digests]
        except KeyError as error:
            raise PackageError(f"the zip {error.args[0]} is missing") from error

    async def _unpack(self, name: str, digests: Sequence[str]) -> None:
        zips = await self._zips(digests)
        try:
            await self._in_thread(self._unpack_into_place, name, zips)
        except _UNUSABLE as error:
            raise PackageError(f"the zip {' with '.join(digests)} cannot be unpacked: {error}") from error
        self._whole.add(name)

    async def _in_thread(self, work: Callable[..., None], *args: object) -> None:
        """Run ``work`` in a thread; the lock must outlast it."""
        job = asyncio.get_running_loop().run_in_executor(self._executor, work, *args)
        await to_the_end(job)

    # in the executor's threads

    def _check(self, data: bytes) -> Code:
        plan = check_zip(data, self._limits)
        return replace(
            code_of(data),
            unzipped_bytes=unzipped_bytes(plan),
            extensions=extensions(plan),
            foreign_file=foreign_file(plan.processors, self._processor),
        )

    def _unpack_into_place(self, name: str, zips: Sequence[bytes]) -> None:
        temporary = self._directory / (_TEMPORARY + secrets.token_hex(8))
        unpack(zips, temporary, self._limits)
        target = self._directory / name
        try:
            temporary.rename(target)
        except OSError:
            # A caller that was cancelled when its unpacking was done has left the same there.
            remove_tree(temporary)
            if not target.is_dir():
                raise

    def _remove(self, name: str) -> None:
        temporary = self._directory / (_TEMPORARY + secrets.token_hex(8))
        try:
            (self._directory / name).rename(temporary)
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
