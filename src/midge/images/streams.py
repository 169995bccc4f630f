"""Bytes of an image on their way: counted, bounded, hashed and decompressed, a piece at a time. Blocking.

``Halt`` is how a pull that runs in a thread is told to stop: its time is up, or midge ends.
"""

import gzip
import hashlib
import importlib
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol, cast

from midge.images.errors import ImageError, Trouble

PIECE_BYTES = 256 * 1024


class Readable(Protocol):
    """Something that bytes come out of; empty at its end."""

    def read(self, size: int, /) -> bytes: ...


class Halt:
    """Whether to go on; ``stop`` may be called by any thread, and ends what is being waited for."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._wake: Callable[[], None] | None = None

    def stop(self, reason: str) -> None:
        """From now on ``check`` raises, and whoever waits for the network is woken."""
        self._reason = self._reason or reason
        wake = self._wake
        if wake is not None:
            wake()

    def wake_with(self, wake: Callable[[], None] | None) -> None:
        """What ends the present wait."""
        self._wake = wake
        if self._reason is not None and wake is not None:
            wake()

    def check(self) -> None:
        """Raise ImageError once ``stop`` has been called."""
        if self._reason is not None:
            raise ImageError(Trouble.UNAVAILABLE, self._reason)


class Verified:
    """Passes bytes on and, at the end, checks that they were exactly those that a digest and a size name."""

    def __init__(self, source: Readable, digest: str, size_bytes: int | None, halt: Halt) -> None:
        self._source = source
        self._digest = digest
        self._size_bytes = size_bytes
        self._halt = halt
        self._hash = hashlib.sha256()
        self._seen = 0

    def read(self, size: int, /) -> bytes:
        self._halt.check()
        data = self._source.read(size)
        self._seen += len(data)
        self._hash.update(data)
        if self._size_bytes is not None and (self._seen > self._size_bytes or (not data and size)):
            self._check_size()
        if not data and size:
            self.finish()
        return data

    def _check_size(self) -> None:
        if self._seen != self._size_bytes:
            raise ImageError(
                Trouble.INVALID, f"the image is not valid: {self._digest} is not of the size that its manifest says"
            )

    def finish(self) -> None:
        """Raise ImageError if what has been read is not what the digest names."""
        if f"sha256:{self._hash.hexdigest()}" != self._digest:
            raise ImageError(Trouble.INVALID, f"the image is not valid: content is not what {self._digest} names")


def read_whole(source: Readable, most_bytes: int) -> bytes:
    """Everything, at most ``most_bytes``. Raises ImageError."""
    parts: list[bytes] = []
    left = most_bytes
    while data := source.read(min(PIECE_BYTES, left + 1)):
        left -= len(data)
        if left < 0:
            raise ImageError(Trouble.INVALID, f"the image is not valid: a document of it is over {most_bytes} bytes")
        parts.append(data)
    return b"".join(parts)


class Bounded:
    """Passes at most so many bytes on, over any number of sources: what is shared by all layers of an image."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._left = most_bytes

    def of(self, source: Readable) -> "_BoundedPart":
        """Another source that counts."""
        return _BoundedPart(self, source)

    def take(self, count: int) -> None:
        """Count bytes. Raises ImageError when they are too many."""
        self._left -= count
        if self._left < 0:
            raise ImageError(Trouble.INVALID, f"the image is not valid: it is over {self._most} bytes uncompressed")


class _BoundedPart:
    def __init__(self, bound: Bounded, source: Readable) -> None:
        self._bound = bound
        self._source = source

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._bound.take(len(data))
        return data


UNPACKING_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
"""What a compressed stream that is damaged may raise, besides what ``decompressed`` itself raises."""


def decompressed(source: Readable, compression: str) -> Readable:
    """What is in ``source``. Raises ImageError where this Python cannot decompress it."""
    if not compression:
        return source
    if compression == "gzip":
        return gzip.GzipFile(fileobj=cast("BinaryIO", source), mode="rb")
    try:
        zstd: Any = importlib.import_module("compression.zstd")
    except ImportError:
        raise ImageError(
            Trouble.UNSUPPORTED, "midge needs Python 3.14 for layers that are compressed with zstd; gzip works always"
        ) from None
    return _Zstd(zstd.ZstdFile(source), zstd.ZstdError)


class _Zstd:
    """A damaged stream is the image's fault, whatever the decompressor calls it."""

    def __init__(self, file: Readable, error: type[Exception]) -> None:
        self._file = file
        self._error = error

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except self._error as error:
            raise ImageError(Trouble.INVALID, f"the image is not valid: {error}") from error
