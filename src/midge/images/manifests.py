"""What the documents of an image say: indexes, manifests and configurations, of OCI's kind and of Docker's. Pure.

Sources: the OCI image specification (image-index, manifest, config); Docker's "Image Manifest Version 2, Schema 2".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import msgspec

from midge.images.errors import ImageError, Trouble
from midge.images.references import is_digest

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CONFIG_TYPES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_LAYER_TYPES = {
    "application/vnd.oci.image.layer.v1.tar": "",
    "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
    "application/vnd.docker.image.rootfs.diff.tar": "",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
}
_MOST_MANIFESTS = 1024
_MOST_LAYERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """Names content by its digest, ``sha256:...``, and its exact size."""

    media_type: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: the blob that it is, and how to know what is in it."""

    blob: Descriptor
    compression: str
    """Empty, ``gzip`` or ``zstd``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the images of an index, and the processor that it is for."""

    manifest: Descriptor
    os: str
    architecture: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image."""

    config: Descriptor
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an image's configuration says of how it runs; ``diff_ids`` are the digests of its layers, uncompressed."""

    os: str
    architecture: str
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    working_directory: str
    environment: Mapping[str, str]
    diff_ids: tuple[str, ...]


def read_document(data: bytes, media_type: str) -> Manifest | tuple[Choice, ...]:
    """A manifest, or the choices of an index. ``media_type`` is what it was given as; the document's own wins.

    Raises ImageError.
    """
    document = _object(data, "manifest")
    own = document.get("mediaType") or media_type.partition(";")[0].strip()
    if own in INDEX_TYPES or (not own and "manifests" in document):
        return tuple(_choice(entry) for entry in _list(document, "manifests", _MOST_MANIFESTS))
    if own not in MANIFEST_TYPES and not (not own and "layers" in document):
        _unsupported(f"manifests of the type {own or 'unknown'}")
    config = _descriptor(document.get("config"))
    if config.media_type not in _CONFIG_TYPES:
        _unsupported(f"configurations of the type {config.media_type}")
    return Manifest(config=config, layers=tuple(_layer(entry) for entry in _list(document, "layers", _MOST_LAYERS)))


def read_settings(data: bytes) -> Settings:
    """An image's configuration. Raises ImageError."""
    document = _object(data, "configuration")
    inner = _mapping(document.get("config") or {})
    diff_ids = _texts(_mapping(document.get("rootfs") or {}), "diff_ids")
    if not all(is_digest(digest) for digest in diff_ids) or len(diff_ids) > _MOST_LAYERS:
        _invalid("its configuration does not say what its layers are")
    return Settings(
        os=_text(document, "os"),
        architecture=_text(document, "architecture"),
        entry_point=_texts(inner, "Entrypoint"),
        command=_texts(inner, "Cmd"),
        working_directory=_text(inner, "WorkingDir"),
        environment=_environment(_texts(inner, "Env")),
        diff_ids=diff_ids,
    )


def compression_of(beginning: bytes) -> str:
    """How a tar is compressed that nobody has given a media type, by its first bytes."""
    if beginning.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if beginning.startswith(b"\x28\xb5\x2f\xfd") else ""


def _environment(lines: tuple[str, ...]) -> dict[str, str]:
    parted = [line.partition("=") for line in lines]
    return {name: value for name, _, value in parted if name}


def _choice(entry: Any) -> Choice:
    platform = _mapping(_mapping(entry).get("platform") or {})
    return Choice(manifest=_descriptor(entry), os=_text(platform, "os"), architecture=_text(platform, "architecture"))


def _layer(entry: Any) -> Layer:
    blob = _descriptor(entry)
    if blob.media_type not in _LAYER_TYPES:
        _unsupported(f"layers of the type {blob.media_type}")
    return Layer(blob=blob, compression=_LAYER_TYPES[blob.media_type])


def _descriptor(entry: Any) -> Descriptor:
    values = _mapping(entry)
    digest, size = _text(values, "digest"), values.get("size")
    if not is_digest(digest):
        _unsupported("digests of another kind than SHA-256")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        _invalid("its manifest does not say how large its parts are")
    return Descriptor(media_type=_text(values, "mediaType"), digest=digest, size_bytes=size)


def _object(data: bytes, what: str) -> Mapping[str, Any]:
    try:
        found: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        _invalid(f"its {what} is no JSON object")
    return cast("Mapping[str, Any]", found)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _invalid("its documents are not of the form that the specification gives them")
    return cast("Mapping[str, Any]", value)


def _list(values: Mapping[str, Any], name: str, most: int) -> list[Any]:
    found = values.get(name)
    if not isinstance(found, list) or len(cast("list[Any]", found)) > most:
        _invalid(f"its manifest has no list of {name} of at most {most}")
    return cast("list[Any]", found)


def _text(values: Mapping[str, Any], name: str) -> str:
    found = values.get(name) or ""
    if not isinstance(found, str) or "\x00" in found:
        _invalid(f"{name} is no text")
    return found


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found: Any = values.get(name) or []
    try:
        texts = msgspec.convert(found, tuple[str, ...])
    except msgspec.ValidationError:
        _invalid(f"{name} is no list of texts")
    if any("\x00" in text for text in texts):
        _invalid(f"{name} has texts with a NUL")
    return texts


def _invalid(why: str) -> NoReturn:
    raise ImageError(Trouble.INVALID, f"the image is not valid: {why}")


def _unsupported(what: str) -> NoReturn:
    raise ImageError(Trouble.UNSUPPORTED, f"midge does not know {what}")
