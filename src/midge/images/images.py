"""The images that functions run: resolved, pulled and unpacked, each once, shared read-only by their environments.

``images/<root>/`` is a root directory, named by what its layers are, so that images which differ in their configuration
alone share it. Unlike a package it cannot always be made again (its registry may be gone, its name may mean another image
by now), so it is on disk, synced, before it counts. What is half done lies beside it until the next start.
"""

import asyncio
import functools
import os
import secrets
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from midge.images.apart import pull_apart
from midge.images.egress import Egress
from midge.images.layers import remove_tree
from midge.images.streams import Halt
from midge.images.work import ARCHITECTURES, ROOT_PREFIX, Work
from midge.model.functions import FunctionImage
from midge.model.limits import Limits
from midge.tasks import to_the_end

_TEMPORARY = ".new-"

T = TypeVar("T")
W = TypeVar("W")


def is_root(name: str) -> bool:
    """Whether ``name``, as the digest of some code, is an image's."""
    return name.startswith(ROOT_PREFIX)


class Images:
    """Owns the directory and the threads that pull. ``sweep`` comes first, ``close`` last."""

    def __init__(self, directory: Path, egress: Egress, limits: Limits, *, apart: bool = False) -> None:
        """``apart``: images are unpacked by processes of their own, which do not keep this one from its work."""
        machine = os.uname().machine
        self._directory = directory
        self._limits = limits
        self._apart = apart
        self._work = Work(egress=egress, limits=limits, architecture=ARCHITECTURES.get(machine, machine))
        self._pullers = ThreadPoolExecutor(limits.image_pulls, thread_name_prefix="midge-images")
        self._askers = ThreadPoolExecutor(limits.image_resolutions, thread_name_prefix="midge-image-names")
        self._halts: set[Halt] = set()
        self._whole: set[str] = set()
        self._held: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def sweep(self, wanted: Collection[str]) -> None:
        """Remove what was left half done and whatever is not ``wanted``, by name."""
        self._whole = await asyncio.get_running_loop().run_in_executor(
            self._pullers, self._sweep, frozenset(wanted) | self._held
        )

    async def resolve(self, uri: str) -> FunctionImage:
        """What ``uri`` means now. Raises ImageError."""
        return await self._run(self._askers, self._limits.image_resolve_seconds, self._work.resolve, uri)

    def hold(self, root: str) -> None:
        """Keep the root of that name for good, whoever uses it."""
        self._held.add(root)

    def path(self, root: str) -> Path:
        """Where the root of that name is, or will be."""
        return self._directory / root

    async def unpacked(self, image: FunctionImage) -> Path:
        """The root of ``image``, pulled and unpacked if it was not yet; concurrent callers share the work.

        Raises ImageError, or OSError if the disk refuses.
        """
        name = image.root
        if name not in self._whole:
            lock = self._locks.setdefault(name, asyncio.Lock())
            async with lock:
                if name not in self._whole:
                    await self._run(self._pullers, self._limits.image_pull_seconds, self._pull, image)
                    self._whole.add(name)
        return self._directory / name

    async def remove(self, name: str) -> None:
        """Remove the root of that name, unless it is held; harmless if there is none. It must not be in use."""
        if name in self._held:
            return
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            self._whole.discard(name)
            await asyncio.get_running_loop().run_in_executor(None, self._remove, name)

    async def close(self) -> None:
        """Stop what is being pulled, and wait for that."""
        for halt in list(self._halts):
            halt.stop("midge is being stopped")
        for executor in (self._pullers, self._askers):
            await asyncio.get_running_loop().run_in_executor(
                None, functools.partial(executor.shutdown, cancel_futures=True)
            )

    async def _run(self, executor: ThreadPoolExecutor, seconds: float, work: Callable[[Halt, W], T], what: W) -> T:
        """Run ``work`` in a thread, for so long at most, and return, or be cancelled, only when it is over."""
        loop, halt = asyncio.get_running_loop(), Halt()
        self._halts.add(halt)
        job = loop.run_in_executor(executor, work, halt, what)
        timer = loop.call_later(seconds, halt.stop, f"it took longer than {seconds:g} seconds")
        try:
            return await to_the_end(job, on_cancel=lambda: halt.stop("the work was called off"))
        finally:
            timer.cancel()
            self._halts.discard(halt)

    # in the executors' threads

    def _pull(self, halt: Halt, image: FunctionImage) -> None:
        target = self._directory / image.root
        if target.is_dir():
            return  # it has had its name since it was whole
        self._directory.mkdir(parents=True, exist_ok=True)
        place = self._directory / (_TEMPORARY + secrets.token_hex(8))
        place.mkdir(mode=0o755)
        try:
            if self._apart:
                pull_apart(self._work, halt, image, place)
            else:
                self._work.pull(halt, image, place)
            place.rename(target)
        except BaseException:
            remove_tree(place)
            raise
        _sync_directory(self._directory)

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
        whole: set[str] = set()
        for entry in os.scandir(self._directory):
            if entry.name in wanted and entry.is_dir(follow_symlinks=False):
                whole.add(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                remove_tree(Path(entry.path))
        return whole


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
