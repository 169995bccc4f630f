"""What names an image: AWS's form, ``host/repository:tag`` or ``host/repository@sha256:...``, and midge's own local ones. Pure.

The local ones are spelled as skopeo spells them: ``oci:/directory:tag`` for an OCI image layout, ``oci-archive:/file:tag``
for one in a tar file, ``docker-archive:/file:name:tag`` for what ``docker save`` writes. The part behind the path may be
left out where the file holds one image. Paths are absolute and contain no colon.
Sources: the OCI distribution specification ("Pulling manifests"), ``containers-transports(5)``.
"""

import re
from dataclasses import dataclass, replace

from midge.images.errors import ImageError, Trouble

LOCAL_TRANSPORTS = ("oci", "oci-archive", "docker-archive")
REGISTRY = "registry"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)
_REFERENCE_CHARACTERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """Where an image is: in a ``registry`` (``host`` and ``repository``), or at ``path`` by one of the local transports."""

    transport: str
    host: str = ""
    repository: str = ""
    path: str = ""
    tag: str | None = None
    """Of a docker-archive the whole name of the image, ``name:tag``."""
    digest: str | None = None
    """It wins over the tag."""

    def pinned(self, digest: str) -> "ImageReference":
        """The same place, and exactly the image with this digest."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        place = f"{self.host}/{self.repository}" if self.transport == REGISTRY else f"{self.transport}:{self.path}"
        if self.digest is not None:
            return f"{place}@{self.digest}"
        return place if self.tag is None else f"{place}:{self.tag}"


def is_digest(text: str) -> bool:
    """Whether it is a digest of the one algorithm that is taken, SHA-256."""
    return _DIGEST.fullmatch(text) is not None


def parse(text: str) -> ImageReference:
    """The reference that ``text`` is. Raises ImageError."""
    if len(text) > _REFERENCE_CHARACTERS or not text.isprintable():
        raise _none(text[:64])
    transport, colon, rest = text.partition(":")
    if colon and transport in LOCAL_TRANSPORTS:
        return _local(transport, rest)
    return _in_registry(text)


def _local(transport: str, rest: str) -> ImageReference:
    rest, at, digest = rest.partition("@")
    path, colon, tag = rest.partition(":")
    if not path.startswith("/") or "\x00" in path or (at and not is_digest(digest)) or (colon and not tag):
        raise _none(f"{transport}:{rest}")
    return ImageReference(transport=transport, path=path, tag=tag or None, digest=digest or None)


def _in_registry(text: str) -> ImageReference:
    rest, at, digest = text.partition("@")
    host, slash, name = rest.partition("/")
    # Without this a name such as "a/b" would be on a registry that somebody chose; AWS wants it said, and so do we.
    named = slash and _HOST.fullmatch(host) and ("." in host or ":" in host or host == "localhost")
    repository, colon, tag = name.partition(":")
    if (
        not named
        or not _REPOSITORY.fullmatch(repository)
        or (at and not is_digest(digest))
        or (colon and not _TAG.fullmatch(tag))
    ):
        raise _none(text)
    wanted = tag or (None if digest else "latest")
    return ImageReference(
        transport=REGISTRY, host=host.lower(), repository=repository, tag=wanted, digest=digest or None
    )


def _none(text: str) -> ImageError:
    return ImageError(Trouble.NOT_A_REFERENCE, f"{text} names no image")
