"""The Source port: where images come from. Implementations: ``registry`` and ``local``. Blocking, for a thread of its own."""

import contextlib
from dataclasses import dataclass
from typing import Protocol

from midge.images.manifests import Descriptor
from midge.images.streams import Readable


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest or an index as it is, with its digest and what it was given as."""

    data: bytes
    media_type: str
    digest: str


class Source(Protocol):
    """Where one image, or several under one name, can be read."""

    def document(self, digest: str | None) -> Document:
        """The manifest or index with this digest or, without one, what the reference names. Raises ImageError, OSError."""
        ...

    def blob(self, descriptor: Descriptor) -> contextlib.AbstractContextManager[Readable]:
        """The bytes of a blob, not yet verified. Raises ImageError, OSError."""
        ...
