"""Images from local files: an OCI image layout, as a directory or as a tar, and what ``docker save`` writes. Blocking.

A tar is read by looking its entries up once; what they hold is then read in place. Nothing is unpacked, and no link is
followed out of a layout: its files are opened without following links.
Sources: the OCI image specification, "image-layout.md"; Docker's "Image Specification v1.2" for ``manifest.json``.
"""

import contextlib
import hashlib
import io
import os
import posixpath
import stat
import tarfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import msgspec

from midge.images.errors import ImageError, Trouble
from midge.images.manifests import INDEX_TYPES, MANIFEST_TYPES, Descriptor, compression_of, read_settings
from midge.images.port import Document
from midge.images.references import ImageReference, is_digest
from midge.images.streams import Readable, decompressed, read_whole
from midge.model.limits import Limits

_HEADER_BYTES = 4 * 1024 * 1024
_NAME = "org.opencontainers.image.ref.name"
_MOST_LINKS = 8


class Files(Protocol):
    """Named files, of a directory or of a tar."""

    def open(self, name: str) -> io.BufferedReader:
        """Raises FileNotFoundError, or another OSError."""
        ...


class DirectoryFiles:
    """The files below a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, name: str) -> io.BufferedReader:
        """``name`` is made of our own words and of digests: it cannot lead anywhere else but through a link."""
        place = self._root
        for part in name.split("/")[:-1]:
            place /= part
            if place.is_symlink():
                raise FileNotFoundError(name)
        descriptor = os.open(self._root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise FileNotFoundError(name)
        return file


class _Part(io.RawIOBase):
    """A part of a file, which is closed with it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__()
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Guarded:
    """What ``tarfile`` looks for entries in: between two of them it may read so much and no more."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.budget = _HEADER_BYTES

    def read(self, size: int = -1, /) -> bytes:
        self.budget -= max(size, 0)
        if self.budget < 0:
            raise tarfile.ReadError("the headers of an entry are too long")
        return self._file.read(size)

    def seek(self, position: int, whence: int = 0, /) -> int:
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()


class ArchiveFiles:
    """The files in a tar that is not compressed. Raises ImageError if it is none."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        with path.open("rb") as file:
            guarded = _Guarded(file)
            try:
                with tarfile.open(fileobj=cast("BinaryIO", guarded), mode="r:", errors="surrogateescape") as tar:
                    self._look(tar, guarded, limits)
            except OSError:
                raise
            except Exception as error:  # tarfile knows more ways to fail at a damaged header than errors of its own
                raise ImageError(Trouble.INVALID, f"{path} is no tar that is not compressed: {error}") from error

    def _look(self, tar: tarfile.TarFile, guarded: _Guarded, limits: Limits) -> None:
        for count in range(limits.image_files + 1):
            guarded.budget = _HEADER_BYTES
            entry = tar.next()
            if entry is None:
                return
            cast("Any", tar).members = []
            name = posixpath.normpath(entry.name)
            if entry.isreg() and not entry.issparse():
                self._places[name] = (entry.offset_data, entry.size)
            elif entry.issym():
                self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), entry.linkname))
            elif entry.islnk():
                self._links[name] = posixpath.normpath(entry.linkname)
            if count == limits.image_files:
                raise tarfile.ReadError("it has too many entries")

    def open(self, name: str) -> io.BufferedReader:
        for _ in range(_MOST_LINKS):
            if name not in self._links:
                break
            name = self._links[name]
        if name not in self._places:
            raise FileNotFoundError(name)
        offset, size = self._places[name]
        file = self._path.open("rb")
        file.seek(offset)
        return io.BufferedReader(_Part(file, size))


class LayoutSource:
    """An OCI image layout."""

    def __init__(self, reference: ImageReference, files: Files, limits: Limits) -> None:
        self._reference = reference
        self._files = files
        self._limits = limits

    def document(self, digest: str | None) -> Document:
        wanted = digest or self._reference.digest
        media_type = ""
        if wanted is None:
            wanted, media_type = self._named()
        data = self._read(_blob_name(wanted))
        return Document(data=data, media_type=media_type, digest=f"sha256:{hashlib.sha256(data).hexdigest()}")

    def _named(self) -> tuple[str, str]:
        index = _object(self._read("index.json"))
        entries = [entry for entry in _objects(index.get("manifests")) if entry.get("mediaType") in _DOCUMENT_TYPES]
        tag = self._reference.tag
        if tag is not None:
            entries = [entry for entry in entries if _mapping(entry.get("annotations")).get(_NAME) == tag]
        if len(entries) != 1:
            raise ImageError(
                Trouble.MISSING,
                f"{self._reference} has {len(entries)} images of that name; say which one by :name or @digest",
            )
        digest = str(entries[0].get("digest"))
        if not is_digest(digest):
            raise ImageError(Trouble.UNSUPPORTED, "midge does not know digests of another kind than SHA-256")
        return digest, str(entries[0]["mediaType"])

    def _read(self, name: str) -> bytes:
        with _found(self._files, name, self._reference) as file:
            return read_whole(file, self._limits.image_document_bytes)

    @contextlib.contextmanager
    def blob(self, descriptor: Descriptor) -> Generator[Readable]:
        with _found(self._files, _blob_name(descriptor.digest), self._reference) as file:
            yield file


class DockerArchiveSource:
    """What ``docker save`` writes: made to look like an image with a manifest.

    Its layers are named by what they are uncompressed, as its configuration does, which is also how they are verified.
    """

    def __init__(self, reference: ImageReference, files: Files, limits: Limits) -> None:
        self._reference = reference
        self._files = files
        self._limits = limits
        self._names: dict[str, str] = {}

    def document(self, digest: str | None) -> Document:
        entry = self._entry(digest)
        config = self._read(str(entry.get("Config")))
        layers = [str(name) for name in _values(entry.get("Layers"))]
        diff_ids = read_settings(config).diff_ids
        if len(layers) != len(diff_ids):
            raise ImageError(Trouble.INVALID, f"{self._reference} does not say which of its files are the layers")
        config_digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        self._names = {
            config_digest: str(entry["Config"]),
            **dict(zip(diff_ids, layers, strict=True)),
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPES[0],
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": len(config)
            },
            # How large they are is written nowhere: 0 stands for that.
            "layers": [{"mediaType": _PLAIN_LAYER, "digest": diff_id, "size": 0} for diff_id in diff_ids],
        }  # fmt: skip
        return Document(data=msgspec.json.encode(manifest), media_type=MANIFEST_TYPES[0], digest=config_digest)

    def _entry(self, digest: str | None) -> Mapping[str, Any]:
        """Of the images in the archive the one that is meant. By digest it is found by its configuration's."""
        entries = _objects(_json(self._read("manifest.json")))
        wanted, tag = digest or self._reference.digest, self._reference.tag
        if wanted is not None:
            entries = [entry for entry in entries if self._config_digest(entry) == wanted]
        elif tag is not None:
            names = [{_familiar(str(name)) for name in _values(entry.get("RepoTags"))} for entry in entries]
            entries = [entry for entry, called in zip(entries, names, strict=True) if _familiar(tag) in called]
        if len(entries) != 1:
            raise ImageError(
                Trouble.MISSING, f"{self._reference} has {len(entries)} images of that name; say which one by :name:tag"
            )
        return entries[0]

    def _config_digest(self, entry: Mapping[str, Any]) -> str:
        return f"sha256:{hashlib.sha256(self._read(str(entry.get('Config')))).hexdigest()}"

    def _read(self, name: str) -> bytes:
        with _found(self._files, posixpath.normpath(name), self._reference) as file:
            return read_whole(file, self._limits.image_document_bytes)

    @contextlib.contextmanager
    def blob(self, descriptor: Descriptor) -> Generator[Readable]:
        name = self._names.get(descriptor.digest, "")
        with _found(self._files, posixpath.normpath(name), self._reference) as file:
            yield decompressed(file, compression_of(file.peek(4)))


_PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar"
_DOCUMENT_TYPES = frozenset((*INDEX_TYPES, *MANIFEST_TYPES))


def _familiar(name: str) -> str:
    """A name as Docker shows it; skopeo writes out what Docker leaves out."""
    return name.removeprefix("docker.io/").removeprefix("library/")


def _blob_name(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _found(files: Files, name: str, reference: ImageReference) -> io.BufferedReader:
    try:
        return files.open(name)
    except OSError as error:
        raise ImageError(Trouble.MISSING, f"{reference} has no file {name[:128]!a}") from error


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(Trouble.INVALID, "the image is not valid: its index is no JSON") from error


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _object(data: bytes) -> Mapping[str, Any]:
    return _mapping(_json(data))


def _values(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [cast("Mapping[str, Any]", entry) for entry in _values(value) if isinstance(entry, dict)]
