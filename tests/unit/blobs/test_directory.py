"""What only the directory of blobs promises: layout, privacy, and no halves."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from midge.blobs.directory import DirectoryBlobs


def test_layout_and_restart(tmp_path: Path) -> None:
    """A blob lies at sha256/<first two>/<rest>, readable by its owner alone, and is found again by the next process."""

    async def main() -> None:
        blobs = await DirectoryBlobs.open(tmp_path)
        digest = await blobs.put(b"zip")
        await blobs.close()
        file = tmp_path / "sha256" / digest[:2] / digest[2:]
        assert file.read_bytes() == b"zip"
        assert file.stat().st_mode & 0o777 == 0o600
        blobs = await DirectoryBlobs.open(tmp_path)
        assert await blobs.get(digest) == b"zip"
        await blobs.close()

    asyncio.run(main())


def test_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    """A half-written file is no blob and is gone after open."""

    async def main() -> None:
        half = tmp_path / "sha256" / "ab" / ".new-0123"
        half.parent.mkdir(parents=True)
        half.write_bytes(b"ha")
        blobs = await DirectoryBlobs.open(tmp_path)
        assert await blobs.digests() == set()
        assert not half.exists()
        await blobs.close()

    asyncio.run(main())


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, the error is passed on and neither a blob nor a temporary file stays."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    def files() -> list[Path]:
        return [path for path in tmp_path.rglob("*") if path.is_file()]

    async def main() -> None:
        blobs = await DirectoryBlobs.open(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            (tmp_path / "sha256" / hashlib.sha256(b"zip").hexdigest()[:2]).mkdir()
            with pytest.raises(OSError, match="No space"):
                await blobs.put(b"zip")
        assert files() == []
        assert await blobs.get(await blobs.put(b"zip")) == b"zip"
        await blobs.close()

    asyncio.run(main())
