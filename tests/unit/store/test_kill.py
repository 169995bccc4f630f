"""What was answered with success is there after kill -9."""

import asyncio
import subprocess
import sys
from pathlib import Path

from midge.blobs.directory import DirectoryBlobs
from midge.model.limits import Limits
from midge.store.sqlite import SqliteStore

WRITE = """
import asyncio, sys
from pathlib import Path
from midge.blobs.directory import DirectoryBlobs
from midge.model.functions import Code, FunctionId, FunctionVersion, Logging
from midge.model.limits import Limits
from midge.store.sqlite import SqliteStore

async def main(directory):
    store = await SqliteStore.open(directory / "midge.db", Limits())
    blobs = await DirectoryBlobs.open(directory / "blobs")

    async def one(name):
        digest = await blobs.put(name.encode())
        await store.create_function(FunctionVersion(
            function=FunctionId(account="000000000000", region="us-east-1", name=name), version="$LATEST",
            runtime="python3.12", handler="a.b", role="r", code=Code(digest=digest, sha256="s", size_bytes=1),
            logging=Logging(group="g"), revision_id="r", last_modified="t",
        ))
        print(name, flush=True)

    for batch in range(1_000_000):
        await asyncio.gather(*(one(f"f{batch}-{number}") for number in range(8)))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    """A process killed amid writes leaves every function it reported, with its zip, and a database that opens."""
    with subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        reported = [writer.stdout.readline().strip() for _ in range(300)]
        writer.kill()
        reported += [line.strip() for line in writer.stdout.readlines() if line.endswith("\n")]

    async def main() -> None:
        store = await SqliteStore.open(tmp_path / "midge.db", Limits())
        blobs = await DirectoryBlobs.open(tmp_path / "blobs")
        kept = {version.function.name: version.code.digest for version in (await store.opening(10_000)).recent}
        assert set(reported) <= kept.keys()
        for name, digest in kept.items():
            assert await blobs.get(digest) == name.encode()
        await blobs.close()
        await store.close()

    asyncio.run(main())
