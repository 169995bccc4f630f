"""All pools of environments: makes them, reaps idle environments with one sweep, ends everything on close."""

import math
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import structlog

from midge.clock import Timer, pause
from midge.invoke.environment import ExecutionEnvironment
from midge.invoke.lifecycle import EnvironmentState
from midge.invoke.platform import Platform
from midge.invoke.pool import EnvironmentPool
from midge.invoke.tenants import TenantPools
from midge.model.functions import FunctionId, FunctionVersion
from midge.sandbox.port import SandboxError
from midge.sandbox.program import IMAGE

_log = structlog.get_logger("midge.invoke")

_LINGER_SECONDS = 0.01
_STATE_LABELS = {state: f'state="{state.name.lower()}"' for state in EnvironmentState}


class EnvironmentPools:
    """Owns every pool that still has an environment or may get one."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._pools: set[EnvironmentPool] = set()
        self._tenants: set[TenantPools] = set()
        self._sweep: Timer | None = None
        self._closed = False
        metrics, concurrency, memory = platform.metrics, platform.concurrency, platform.memory
        memory.givers = lambda: list(self._pools)
        metrics.add("midge_environments", "Execution environments by state.", self._count_states)
        metrics.add("midge_frozen_environments", "Ready environments that stand still.", self._count_frozen)
        metrics.add("midge_concurrent_executions", "Invocations in flight.", lambda: {"": concurrency.total()})
        metrics.add("midge_memory_held_mb", "Of the machine, by environments.", lambda: {"": memory.budget.held_mb})
        metrics.add("midge_memory_waiting", "Environments that wait for memory.", lambda: {"": memory.budget.waiting})
        metrics.add("midge_waiting_invocations", "Invocations that wait for an environment.", self._count_waiting)

    def make(
        self, version: FunctionVersion, task_root: Path, layers_root: Path | None = None
    ) -> EnvironmentPool | TenantPools:
        """A pool without environments. ``task_root`` is the unpacked package, ``layers_root`` the unpacked layers."""
        if not version.tenant_isolation:
            return self._make(version, task_root, layers_root, self._pools.discard)

        def make_one(on_empty: Callable[[EnvironmentPool], None]) -> EnvironmentPool:
            def emptied(pool: EnvironmentPool) -> None:
                self._pools.discard(pool)
                on_empty(pool)

            return self._make(version, task_root, layers_root, emptied)

        throttled = self._platform.metrics.version(version).throttled
        most = self._platform.limits.tenant_environments
        pools = TenantPools(make_one, most, self._tenants.discard, throttled)
        self._tenants.add(pools)
        return pools

    def _make(
        self,
        version: FunctionVersion,
        task_root: Path,
        layers_root: Path | None,
        on_empty: Callable[[EnvironmentPool], None],
    ) -> EnvironmentPool:
        def emptied(pool: EnvironmentPool) -> None:
            self._platform.snapshots.forget(self._platform, version)
            on_empty(pool)

        emptied_or_not = emptied if version.restored else on_empty
        pool = EnvironmentPool(self._platform, version, task_root, emptied_or_not, layers_root)
        self._pools.add(pool)
        if self._sweep is None:
            self._arm()
        return pool

    def reserve(self, function: FunctionId, count: int | None) -> None:
        """Give all pools of a function together ``count`` places of their own, or None to let them share again."""
        self._platform.concurrency.reserve(function, count)
        self._platform.metrics.reserve(function, count)

    def expect(self, version: FunctionVersion, task_root: Path) -> None:
        """Prepare for invocations of ``version``, whose package is there now."""
        self._platform.tasks.start(self._expect(version.runtime or IMAGE, task_root))

    async def _expect(self, runtime: str, task_root: Path) -> None:
        """Let the sandbox prepare for a runtime that functions have."""
        try:
            await self._platform.sandbox.expect(runtime, task_root)
        except SandboxError as error:
            _log.warning("functions of a runtime cannot run here", runtime=runtime, reason=str(error))

    def pools(self) -> list[EnvironmentPool]:
        """Every pool there is."""
        return list(self._pools)

    def _environments(self) -> Iterator[ExecutionEnvironment]:
        return chain.from_iterable(pool.claims.held_mb for pool in self._pools)

    def environments(self) -> int:
        """How many environments there are."""
        return sum(len(pool.states()) for pool in self._pools)

    async def close(self) -> None:
        """End every environment; what runs or waits is answered with an error."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for pool in list(self._pools):
            pool.stop()
        while any(each.lingering for each in self._environments()):  # not for ever: the Shutdown phase has a limit
            await pause(self._platform.clock, _LINGER_SECONDS)
        self._platform.watch.close()
        await self._platform.snapshots.close()
        await self._platform.tasks.close()

    def _arm(self) -> None:
        limits = self._platform.limits
        learns = any(pool.usage.learns for pool in self._pools)
        longest = min(limits.idle_environment_seconds, limits.keep_alive_bin_seconds if learns else math.inf)
        self._sweep = self._platform.clock.call_later(max(1.0, longest / 10), self._reap)

    def _reap(self) -> None:
        self._sweep = None
        now = self._platform.clock.monotonic()
        for pool in list(self._pools):
            pool.reap(pool.usage.unused_since(now))
            if pool.usage.pre_warms(now):
                pool.pre_warm()
        for tenants in self._tenants:
            tenants.forget_unused()
        if self._pools and not self._closed:
            self._arm()

    def _count_states(self) -> dict[str, float]:
        counts = dict.fromkeys(_STATE_LABELS.values(), 0.0)
        for pool in self._pools:
            for state in pool.states():
                counts[_STATE_LABELS[state]] += 1
        return counts

    def _count_frozen(self) -> dict[str, float]:
        return {"": float(sum(each.frozen for each in self._environments()))}

    def _count_waiting(self) -> dict[str, float]:
        return {"": float(sum(pool.waiting for pool in self._pools))}
