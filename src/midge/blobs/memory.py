"""Blobs in memory, for tests."""

import hashlib


class MemoryBlobs:
    """Keeps everything until it is deleted."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}

    async def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self._data[digest] = bytes(data)
        return digest

    async def get(self, digest: str) -> bytes:
        return self._data[digest]

    async def delete(self, digest: str) -> None:
        self._data.pop(digest, None)

    async def digests(self) -> set[str]:
        return set(self._data)
