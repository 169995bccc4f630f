"""The Blobs port: content-addressed bytes. Implementations: ``directory`` and, for tests, ``memory``."""

from typing import Protocol


class Blobs(Protocol):
    """Immutable byte strings by the hex SHA-256 of their content."""

    async def put(self, data: bytes) -> str:
        """Keep ``data`` and return its digest; on return it is on disk. Putting the same twice is harmless."""
        ...

    async def get(self, digest: str) -> bytes:
        """The bytes. Raises KeyError if they were never put or have been deleted."""
        ...

    async def delete(self, digest: str) -> None:
        """Forget them; harmless if unknown."""
        ...

    async def digests(self) -> set[str]:
        """Of everything that is kept."""
        ...
