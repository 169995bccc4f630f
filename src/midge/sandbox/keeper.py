"""Makes environments' control groups and removes them when their processes are gone, off the event loop's thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from midge.sandbox.cgroups.port import Cgroup, Cgroups
from midge.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_REMOVAL_ATTEMPTS = 50
_REMOVAL_PAUSE_SECONDS = 0.005


class CgroupKeeper:
    """Owns ``cgroups``, and the thread that waits for the kernel where control groups make it wait."""

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._thread = ThreadPoolExecutor(1, "cgroups")
        self._tasks = TaskOwner(lambda error: _log.error("a cgroup could not be removed", error=str(error)))

    @property
    def limits_memory(self) -> bool:
        return self._cgroups.limits_memory

    @property
    def limits_cpu(self) -> bool:
        return self._cgroups.limits_cpu

    @property
    def freezes(self) -> bool:
        return self._cgroups.freezes

    def directories(self) -> list[Path]:
        """What has to be removed when midge is gone."""
        return self._cgroups.directories()

    async def create(self, number: int) -> Cgroup:
        """The group of environment ``number``. Raises OSError."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._cgroups.create, f"environment-{number}"
        )

    def give_back(self, cgroup: Cgroup) -> None:
        """Remove it as soon as the kernel lets us: its processes are gone or going."""
        self._tasks.start(self._remove(cgroup))

    async def _remove(self, cgroup: Cgroup) -> None:
        loop = asyncio.get_running_loop()
        for attempt in range(_REMOVAL_ATTEMPTS):
            if await loop.run_in_executor(self._thread, cgroup.remove):
                return
            await asyncio.sleep(_REMOVAL_PAUSE_SECONDS * (attempt + 1))
        _log.warning("a cgroup could not be removed")

    async def finish(self) -> None:
        """Return when all that were given back are removed."""
        await self._tasks.finish()

    async def close(self) -> None:
        """Remove what is left, as far as it goes."""
        await self._tasks.close()
        self._thread.shutdown()
        self._cgroups.close()
