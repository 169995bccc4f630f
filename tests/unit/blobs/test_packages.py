"""Unpacked packages: once, whole, and gone when they should be."""

import asyncio
import base64
import hashlib
import io
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from midge.blobs.memory import MemoryBlobs
from midge.blobs.packages import PackageError, Packages
from midge.model.functions import Code
from midge.model.limits import Limits


def make_zip(content: bytes = b"print()") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), content)  # without the time of day: equal content, equal digest
    return buffer.getvalue()


def code_of(data: bytes) -> Code:
    digest = hashlib.sha256(data)
    return Code(digest=digest.hexdigest(), sha256=base64.b64encode(digest.digest()).decode(), size_bytes=len(data))


class CountingBlobs(MemoryBlobs):
    """Counts reads: each stands for one unpacking."""

    reads = 0

    async def get(self, digest: str) -> bytes:
        self.reads += 1
        await asyncio.sleep(0)
        return await super().get(digest)


class Bench:
    """Packages over counting blobs, with a boot id that tests can change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "packages"
        self.blobs = CountingBlobs()
        self.boot_file = directory / "boot_id"
        self.boot_file.write_text("boot-1")

    def packages(self) -> Packages:
        return Packages(self.directory, self.blobs, Limits(), boot_file=self.boot_file)

    def run(self, *scenarios: Callable[[Packages], Awaitable[None]], wanted: set[str] | None = None) -> None:
        """Each scenario in a process life of its own."""

        async def life(scenario: Callable[[Packages], Awaitable[None]]) -> None:
            packages = self.packages()
            await packages.sweep(await self.blobs.digests() if wanted is None else wanted)
            await scenario(packages)
            await packages.close()

        for scenario in scenarios:
            asyncio.run(life(scenario))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_concurrent_callers_share_one_unpacking(bench: Bench) -> None:
    """Ten callers at once get the same whole directory, and the zip is read once."""
    data = make_zip()

    async def scenario(packages: Packages) -> None:
        await bench.blobs.put(data)
        paths = await asyncio.gather(*(packages.unpacked(code_of(data)) for _ in range(10)))
        assert set(paths) == {bench.directory / code_of(data).digest}
        assert (paths[0] / "app.py").read_bytes() == b"print()"
        assert bench.blobs.reads == 1

    bench.run(scenario)


def test_a_package_survives_a_restart_of_midge(bench: Bench) -> None:
    """The next process of the same boot uses the directory as it is."""
    data = make_zip()

    async def first(packages: Packages) -> None:
        await bench.blobs.put(data)
        await packages.unpacked(code_of(data))

    async def second(packages: Packages) -> None:
        assert (await packages.unpacked(code_of(data)) / "app.py").exists()
        assert bench.blobs.reads == 1

    bench.run(first, second)


def test_a_reboot_makes_packages_anew(bench: Bench) -> None:
    """What another boot has written is not trusted: a power cut may have torn it."""
    data = make_zip()

    async def first(packages: Packages) -> None:
        await bench.blobs.put(data)
        path = await packages.unpacked(code_of(data))
        (path / "app.py").write_bytes(b"torn")

    async def second(packages: Packages) -> None:
        assert (await packages.unpacked(code_of(data)) / "app.py").read_bytes() == b"print()"

    bench.run(first)
    bench.boot_file.write_text("boot-2")
    bench.run(second)


def test_leftovers_and_the_unwanted_are_swept(bench: Bench) -> None:
    """Half-unpacked directories and packages that nothing refers to are gone after the sweep."""
    data = make_zip()

    async def first(packages: Packages) -> None:
        await bench.blobs.put(data)
        await packages.unpacked(code_of(data))
        (bench.directory / ".new-0123").mkdir()

    async def second(packages: Packages) -> None:
        assert [path.name for path in bench.directory.iterdir()] == [".boot"]

    bench.run(first)
    bench.run(second, wanted=set())


def test_a_removed_package_can_come_back(bench: Bench) -> None:
    """After remove the directory is gone; unpacking it again makes it anew; removing the unknown is harmless."""
    data = make_zip()

    async def scenario(packages: Packages) -> None:
        await bench.blobs.put(data)
        path = await packages.unpacked(code_of(data))
        await packages.remove(code_of(data).digest)
        assert not path.exists()
        await packages.remove(code_of(data).digest)
        await packages.unpacked(code_of(data))
        assert path.exists()

    bench.run(scenario)


def test_a_caller_that_gave_up_leaves_nothing_half(bench: Bench) -> None:
    """Wherever the first caller is cancelled, the second one gets a whole package, and what is removed stays removed."""
    data = make_zip(b"x" * 500_000)

    async def scenario(packages: Packages) -> None:
        await bench.blobs.put(data)
        for steps in range(6):
            task = asyncio.ensure_future(packages.unpacked(code_of(data)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            path = await packages.unpacked(code_of(data))
            assert (path / "app.py").stat().st_size == 500_000
            await packages.remove(code_of(data).digest)

    bench.run(scenario)
    assert [path.name for path in bench.directory.iterdir()] == [".boot"]


def test_a_missing_or_broken_zip_is_a_package_error(bench: Bench) -> None:
    """A zip that is gone, or that is none, raises PackageError and leaves no directory."""

    async def scenario(packages: Packages) -> None:
        with pytest.raises(PackageError, match="missing"):
            await packages.unpacked(code_of(b"gone"))
        await bench.blobs.put(b"no zip")
        with pytest.raises(PackageError, match="cannot be unpacked"):
            await packages.unpacked(code_of(b"no zip"))
        assert [path.name for path in bench.directory.iterdir()] == [".boot"]

    bench.run(scenario)


def test_layers_share_a_directory_for_each_combination(bench: Bench) -> None:
    """Zips laid over each other are unpacked once for each order; no package shares its directory with layers."""
    one, two = make_zip(b"one"), make_zip(b"two")

    async def scenario(packages: Packages) -> None:
        first, second = [(await bench.blobs.put(data)) for data in (one, two)]
        paths = await asyncio.gather(*(packages.layers_unpacked([first, second]) for _ in range(5)))
        there, back = paths[0], await packages.layers_unpacked([second, first])
        assert bench.blobs.reads == 4
        assert set(paths) == {there}
        assert there == packages.layers_path([first, second])
        assert there is not None
        assert back is not None
        assert (there / "app.py").read_bytes() == b"two"
        assert (back / "app.py").read_bytes() == b"one"
        alone = await packages.layers_unpacked([first])
        assert alone is not None
        assert (alone / "app.py").read_bytes() == b"one"
        assert alone not in {there, back, packages.path(code_of(one))}
        assert await packages.layers_unpacked([]) is None

    bench.run(scenario)


def test_a_combination_without_its_zips_is_an_error(bench: Bench) -> None:
    """Layers of which one is gone from the blobs are no directory: PackageError names the zip."""

    async def scenario(packages: Packages) -> None:
        first = await bench.blobs.put(make_zip())
        with pytest.raises(PackageError, match="abab is missing"):
            await packages.layers_unpacked([first, "ab" * 32])

    bench.run(scenario)


def test_the_unzipped_size_is_counted_where_it_is_not_known(bench: Bench) -> None:
    """A record from before sizes were counted gets its size from the zip; what is known is not read again."""
    data = make_zip(b"x" * 1_234)

    async def scenario(packages: Packages) -> None:
        await bench.blobs.put(data)
        checked = await packages.check(data)
        assert checked.unzipped_bytes == 1_234
        assert await packages.unzipped_bytes(checked) == 1_234
        assert bench.blobs.reads == 0
        assert await packages.unzipped_bytes(code_of(data)) == 1_234

    bench.run(scenario)
