"""The images that functions run: resolved, pulled and unpacked, each once, shared read-only by their environments.

``images/<root>/`` is a root directory, named by what its layers are, so that images which differ in their configuration
alone share it. Unlike a package it cannot always be made again (its registry may be gone, its name may mean another image
by now), so it is on disk, synced, before it counts. What is half done lies beside it until the next start.
"""

import asyncio
import functools
import hashlib
import os
import secrets
from collections.abc import Callable, Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from midge.images.egress import Egress
from midge.images.errors import ImageError, Trouble
from midge.images.layers import Unpacker, prepare_places, remove_tree
from midge.images.local import ArchiveFiles, DirectoryFiles, DockerArchiveSource, LayoutSource
from midge.images.manifests import Choice, Manifest, Settings, read_document, read_settings
from midge.images.port import Document, Source
from midge.images.references import REGISTRY, ImageReference, parse
from midge.images.registry import RegistrySource
from midge.images.streams import Bounded, Halt, Verified, decompressed, read_whole
from midge.model.functions import FunctionImage
from midge.model.limits import Limits

ROOT_PREFIX = "image-"
"""What the name of every root begins with, so that it is no package's."""
_TEMPORARY = ".new-"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PIECE_BYTES = 1 << 20

T = TypeVar("T")
W = TypeVar("W")


def is_root(name: str) -> bool:
    """Whether ``name``, as the digest of some code, is an image's."""
    return name.startswith(ROOT_PREFIX)


class Images:
    """Owns the directory and the threads that pull. ``sweep`` comes first, ``close`` last."""

    def __init__(self, directory: Path, egress: Egress, limits: Limits, *, machine: str = os.uname().machine) -> None:
        """``machine`` is the processor that images have to be for, by the kernel's name."""
        self._directory = directory
        self._egress = egress
        self._limits = limits
        self._architecture = _ARCHITECTURES.get(machine, machine)
        self._pullers = ThreadPoolExecutor(limits.image_pulls, thread_name_prefix="midge-images")
        self._askers = ThreadPoolExecutor(limits.image_pulls, thread_name_prefix="midge-image-names")
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
        return await self._run(self._askers, self._limits.image_resolve_seconds, self._resolve, uri)

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
            await asyncio.get_running_loop().run_in_executor(self._pullers, self._remove, name)

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
        cancelled = False
        try:
            while not job.done():
                try:
                    await asyncio.wait([job])
                except asyncio.CancelledError:
                    cancelled = True
                    halt.stop("the work was called off")
        finally:
            timer.cancel()
            self._halts.discard(halt)
        if cancelled:
            raise asyncio.CancelledError
        return job.result()

    # in the executors' threads

    def _resolve(self, halt: Halt, uri: str) -> FunctionImage:
        reference = parse(uri)
        with self._source(reference, halt) as source:
            digest, manifest = self._manifest(source, reference.digest)
            settings = self._settings(source, manifest, halt)
        return FunctionImage(
            uri=uri,
            resolved_uri=str(reference.pinned(digest)),
            digest=digest,
            root=_root_name(settings),
            entry_point=settings.entry_point,
            command=settings.command,
            working_directory=settings.working_directory,
            environment=settings.environment,
        )

    def _pull(self, halt: Halt, image: FunctionImage) -> None:
        if (self._directory / image.root).is_dir():
            return  # it has had its name since it was whole
        self._directory.mkdir(parents=True, exist_ok=True)
        place = self._directory / (_TEMPORARY + secrets.token_hex(8))
        place.mkdir(mode=0o755)
        try:
            with self._source(parse(image.resolved_uri), halt) as source:
                _, manifest = self._manifest(source, image.digest)
                settings = self._settings(source, manifest, halt)
                if _root_name(settings) != image.root:
                    raise ImageError(Trouble.INVALID, f"{image.resolved_uri} is not what it was")
                self._unpack(source, manifest, settings, place, halt)
            prepare_places(place)
            place.chmod(0o755)
            os.sync()
            place.rename(self._directory / image.root)
        except BaseException:
            remove_tree(place)
            raise
        _sync_directory(self._directory)

    @contextmanager
    def _source(self, reference: ImageReference, halt: Halt) -> Generator[Source]:
        if reference.transport == REGISTRY:
            yield RegistrySource(reference, self._egress, self._limits, halt)
            return
        path = self._egress.local(reference.path)
        try:
            files = DirectoryFiles(path) if reference.transport == "oci" else ArchiveFiles(path, self._limits)
        except OSError as error:
            raise ImageError(Trouble.MISSING, f"{reference.path} cannot be read: {error.strerror}") from error
        kind = DockerArchiveSource if reference.transport == "docker-archive" else LayoutSource
        yield kind(reference, files, self._limits)

    def _manifest(self, source: Source, digest: str | None) -> tuple[str, Manifest]:
        """One image and its digest; of an index that which is for this machine."""
        document = _verified(source.document(digest), digest)
        found = read_document(document.data, document.media_type)
        if isinstance(found, Manifest):
            return document.digest, found
        chosen = self._choose(found).manifest
        document = _verified(source.document(chosen.digest), chosen.digest)
        found = read_document(document.data, chosen.media_type)
        if not isinstance(found, Manifest):
            raise ImageError(Trouble.UNSUPPORTED, "midge does not know indexes within indexes")
        return document.digest, found

    def _choose(self, choices: tuple[Choice, ...]) -> Choice:
        for choice in choices:
            if (choice.os, choice.architecture) == ("linux", self._architecture):
                return choice
        raise ImageError(
            Trouble.UNSUPPORTED, f"the image is not there for linux/{self._architecture}, which this machine is"
        )

    def _settings(self, source: Source, manifest: Manifest, halt: Halt) -> Settings:
        blob = manifest.config
        with source.blob(blob) as body:
            data = read_whole(Verified(body, blob.digest, blob.size_bytes, halt), self._limits.image_document_bytes)
        settings = read_settings(data)
        if (settings.os, settings.architecture) != ("linux", self._architecture):
            raise ImageError(
                Trouble.UNSUPPORTED,
                f"the image is for {settings.os}/{settings.architecture}, and this machine is linux/{self._architecture}",
            )
        if len(settings.diff_ids) != len(manifest.layers):
            raise ImageError(Trouble.INVALID, "the image is not valid: its manifest and its configuration disagree")
        return settings

    def _unpack(self, source: Source, manifest: Manifest, settings: Settings, place: Path, halt: Halt) -> None:
        unpacker = Unpacker(place, self._limits, halt)
        uncompressed, compressed = Bounded(self._limits.image_bytes), Bounded(self._limits.image_bytes)
        for layer, diff_id in zip(manifest.layers, settings.diff_ids, strict=True):
            with source.blob(layer.blob) as body:
                whole = Verified(compressed.of(body), layer.blob.digest, layer.blob.size_bytes or None, halt)
                content = Verified(uncompressed.of(decompressed(whole, layer.compression)), diff_id, None, halt)
                unpacker.apply(content)
                while whole.read(_PIECE_BYTES):
                    halt.check()

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


def _verified(document: Document, digest: str | None) -> Document:
    if digest is not None and document.digest != digest:
        raise ImageError(Trouble.INVALID, f"the image is not valid: its manifest is not what {digest} names")
    return document


def _root_name(settings: Settings) -> str:
    return ROOT_PREFIX + hashlib.sha256("\n".join(settings.diff_ids).encode("ascii")).hexdigest()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
