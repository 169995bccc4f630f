"""Which zips and images are in use: counts the records that name each, and lets go of one some time after the last.

The directory that a combination of layers is unpacked into is counted in the same way, under its own name.

The delay lets environments of a deleted version end before their files vanish. Counts are made anew at every start
from what the store holds, so a crash at any point leaves at most a zip that the next start removes.
"""

from collections import Counter
from collections.abc import Mapping

import structlog

from midge.api.locks import KeyedLocks
from midge.blobs.digests import layers_name
from midge.blobs.packages import Packages
from midge.blobs.port import Blobs
from midge.clock import Clock, Timer
from midge.images.images import Images, is_root
from midge.model.functions import Code, FunctionImage, FunctionVersion
from midge.model.limits import Limits
from midge.tasks import TaskOwner


class CodeKeeper:
    """Owns the coming and going of zips; its timers end with ``close``."""

    def __init__(
        self, blobs: Blobs, packages: Packages, images: Images, clock: Clock, limits: Limits, tasks: TaskOwner
    ) -> None:
        self._blobs = blobs
        self._packages = packages
        self._images = images
        self._clock = clock
        self._limits = limits
        self._tasks = tasks
        self._uses: Counter[str] = Counter()
        self._locks: KeyedLocks[str] = KeyedLocks()
        self._timers: dict[str, Timer] = {}
        self._log = structlog.get_logger("midge.api")

    async def start(self, uses: Mapping[str, int], layer_uses: Mapping[tuple[str, ...], int]) -> None:
        """Begin with what is stored, see ``Opening``, and remove every zip and directory that nothing names."""
        self._uses = Counter(uses)
        for digests, count in layer_uses.items():
            self._uses[layers_name(digests)] += count
        await self._packages.sweep(self._uses)
        await self._images.sweep(self._uses)
        for digest in await self._blobs.digests() - set(self._uses):
            await self._blobs.delete(digest)

    def close(self) -> None:
        """Call off what is due later; the next start will see to it."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def keep(self, code: Code, data: bytes) -> None:
        """Store a checked zip, in use once more: on return it is on disk. Raises OSError, and then it is not in use."""
        lock = self._locks.of(code.digest)
        async with lock:
            self._uses[code.digest] += 1
            try:
                await self._blobs.put(data)
            except BaseException:
                self.release(code)
                raise

    async def keep_image(self, image: FunctionImage) -> None:
        """The root of an image is in use once more; there is nothing to store."""
        lock = self._locks.of(image.root)
        async with lock:
            self._uses[image.root] += 1

    def use_version(self, version: FunctionVersion) -> None:
        """One more version is like this one, whose code is in use already."""
        self._uses[version.code.digest] += 1
        self.use_layers(version)

    def use_layers(self, version: FunctionVersion) -> None:
        """One more version has the layers of this one."""
        self._uses.update(_layer_names(version))

    def release_version(self, version: FunctionVersion) -> None:
        """One version less is like this one."""
        for name in (version.code.digest, *_layer_names(version)):
            self._release(name)

    def release(self, code: Code) -> None:
        """One record less names ``code``."""
        self._release(code.digest)

    def _release(self, digest: str) -> None:
        self._uses[digest] -= 1
        if self._uses[digest] <= 0 and digest not in self._timers:
            self._timers[digest] = self._clock.call_later(self._limits.unused_package_seconds, self._due, digest)

    def _due(self, digest: str) -> None:
        del self._timers[digest]
        self._tasks.start(self._let_go(digest))

    async def _let_go(self, digest: str) -> None:
        lock = self._locks.of(digest)
        async with lock:
            if self._uses[digest] <= 0 and digest not in self._timers:
                del self._uses[digest]
                if is_root(digest):
                    await self._images.remove(digest)
                else:
                    await self._packages.remove(digest)
                    await self._blobs.delete(digest)
                self._log.info("code_removed", digest=digest)


def _layer_names(version: FunctionVersion) -> list[str]:
    """What the layers of a version keep in use: their zips, and the directory in which they lie over each other."""
    digests = version.layer_digests
    return [*digests, layers_name(digests)] if digests else []
