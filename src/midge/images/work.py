"""Finds images and unpacks them: what is done with a source, step by step. Blocking; knows no threads and no event loop.

Everything is verified while it streams: the digest and the size of what comes, and the digest of what is in it.
"""

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from midge.images.egress import Egress
from midge.images.errors import ImageError, Trouble
from midge.images.layers import Unpacker, prepare_places
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
_PIECE_BYTES = 1 << 20
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The kernel's word for a processor to that of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """See the module. ``architecture`` is the processor that images have to be for, in their own words."""

    egress: Egress
    limits: Limits
    architecture: str

    def resolve(self, halt: Halt, uri: str) -> FunctionImage:
        """What ``uri`` means now. Raises ImageError, OSError."""
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

    def pull(self, halt: Halt, image: FunctionImage, place: Path) -> None:
        """Unpack ``image`` into ``place``, an empty directory; on return it is on disk. Raises ImageError, OSError."""
        with self._source(parse(image.resolved_uri), halt) as source:
            _, manifest = self._manifest(source, image.digest)
            settings = self._settings(source, manifest, halt)
            if _root_name(settings) != image.root:
                raise ImageError(Trouble.INVALID, f"{image.resolved_uri} is not what it was")
            self._unpack(source, manifest, settings, place, halt)
        prepare_places(place)
        place.chmod(0o755)
        os.sync()

    @contextmanager
    def _source(self, reference: ImageReference, halt: Halt) -> Generator[Source]:
        if reference.transport == REGISTRY:
            yield RegistrySource(reference, self.egress, self.limits, halt)
            return
        path = self.egress.local(reference.path)
        try:
            files = DirectoryFiles(path) if reference.transport == "oci" else ArchiveFiles(path, self.limits)
        except OSError as error:
            raise ImageError(Trouble.MISSING, f"{reference.path} cannot be read: {error.strerror}") from error
        kind = DockerArchiveSource if reference.transport == "docker-archive" else LayoutSource
        yield kind(reference, files, self.limits)

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
            if (choice.os, choice.architecture) == ("linux", self.architecture):
                return choice
        raise ImageError(
            Trouble.UNSUPPORTED, f"the image is not there for linux/{self.architecture}, which this machine is"
        )

    def _settings(self, source: Source, manifest: Manifest, halt: Halt) -> Settings:
        blob = manifest.config
        with source.blob(blob) as body:
            data = read_whole(Verified(body, blob.digest, blob.size_bytes, halt), self.limits.image_document_bytes)
        settings = read_settings(data)
        if (settings.os, settings.architecture) != ("linux", self.architecture):
            raise ImageError(
                Trouble.UNSUPPORTED,
                f"the image is for {settings.os}/{settings.architecture}, and this machine is linux/{self.architecture}",
            )
        if len(settings.diff_ids) != len(manifest.layers):
            raise ImageError(Trouble.INVALID, "the image is not valid: its manifest and its configuration disagree")
        return settings

    def _unpack(self, source: Source, manifest: Manifest, settings: Settings, place: Path, halt: Halt) -> None:
        unpacker = Unpacker(place, self.limits, halt)
        uncompressed, compressed = Bounded(self.limits.image_bytes), Bounded(self.limits.image_bytes)
        for layer, diff_id in zip(manifest.layers, settings.diff_ids, strict=True):
            with source.blob(layer.blob) as body:
                whole = Verified(compressed.of(body), layer.blob.digest, layer.blob.size_bytes or None, halt)
                content = Verified(uncompressed.of(decompressed(whole, layer.compression)), diff_id, None, halt)
                unpacker.apply(content)
                while whole.read(_PIECE_BYTES):
                    halt.check()


def _verified(document: Document, digest: str | None) -> Document:
    if digest is not None and document.digest != digest:
        raise ImageError(Trouble.INVALID, f"the image is not valid: its manifest is not what {digest} names")
    return document


def _root_name(settings: Settings) -> str:
    return ROOT_PREFIX + hashlib.sha256("\n".join(settings.diff_ids).encode("ascii")).hexdigest()
