"""The Blobs port's contract, held by every implementation."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from midge.blobs.directory import DirectoryBlobs
from midge.blobs.memory import MemoryBlobs
from midge.blobs.port import Blobs

Scenario: TypeAlias = Callable[[Blobs], Awaitable[None]]
Runner: TypeAlias = Callable[[Scenario], None]


@pytest.fixture(params=["memory", "directory"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """Runs a scenario against new, empty blobs."""

    async def main(scenario: Scenario) -> None:
        if request.param == "memory":
            await scenario(MemoryBlobs())
            return
        blobs = await DirectoryBlobs.open(tmp_path / "blobs")
        try:
            await scenario(blobs)
        finally:
            await blobs.close()

    return lambda scenario: asyncio.run(main(scenario))


@pytest.mark.parametrize("data", [b"", b"zip", bytes(range(256)) * 4096])
def test_bytes_come_back_by_their_digest(run: Runner, data: bytes) -> None:
    """What was put is read back under the hex SHA-256 of its content."""

    async def scenario(blobs: Blobs) -> None:
        digest = await blobs.put(data)
        assert digest == hashlib.sha256(data).hexdigest()
        assert await blobs.get(digest) == data

    run(scenario)


def test_putting_twice_keeps_one(run: Runner) -> None:
    """The same content put twice, also at the same time, is one blob."""

    async def scenario(blobs: Blobs) -> None:
        first, *others = await asyncio.gather(*(blobs.put(b"same") for _ in range(8)))
        assert set(others) == {first}
        assert await blobs.digests() == {first}

    run(scenario)


@pytest.mark.parametrize("digest", ["ab" * 32, "", "../../etc/passwd", "AB" * 32, "ab" * 31 + "/."])
def test_the_unknown_is_a_key_error(run: Runner, digest: str) -> None:
    """Reading what was never put, or what is no digest at all, raises KeyError; deleting it is harmless."""

    async def scenario(blobs: Blobs) -> None:
        with pytest.raises(KeyError):
            await blobs.get(digest)
        await blobs.delete(digest)

    run(scenario)


def test_a_deleted_blob_is_gone(run: Runner) -> None:
    """After delete the digest is unknown; other blobs stay."""

    async def scenario(blobs: Blobs) -> None:
        gone, kept = await blobs.put(b"gone"), await blobs.put(b"kept")
        await blobs.delete(gone)
        with pytest.raises(KeyError):
            await blobs.get(gone)
        assert await blobs.digests() == {kept}

    run(scenario)
