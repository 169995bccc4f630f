"""From a function's name and qualifier to the pool that runs it, from memory alone.

The control plane puts versions and aliases in; invocations only look up. What has not been used since the start need
not be here: that a look-up finds nothing does not mean that there is nothing. A weighted alias is decided anew for
every invocation, by the source of random numbers passed in.
Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html and configuring-alias-routing.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from midge.invoke.invocation import Target, make_target
from midge.invoke.pool import EnvironmentPool
from midge.invoke.provisioned import ProvisionedEnvironments
from midge.invoke.tenants import TenantPools
from midge.model.errors import conflict
from midge.model.functions import LATEST, Alias, FunctionId, FunctionVersion

_INVOCABLE = frozenset({"Active", "Inactive"})


class PoolMaker(Protocol):
    """Makes the pool of one function version, and says how much all pools of a function may run at once."""

    def make(
        self, version: FunctionVersion, task_root: Path, layers_root: Path | None
    ) -> EnvironmentPool | TenantPools: ...

    def expect(self, version: FunctionVersion, task_root: Path) -> None:
        """It may be invoked from now on."""
        ...

    def reserve(self, function: FunctionId, count: int | None) -> None: ...


@dataclass(slots=True)
class _Entry:
    version: FunctionVersion
    task_root: Path
    pool: EnvironmentPool | TenantPools


@dataclass(slots=True)
class _Function:
    versions: dict[str, _Entry] = field(default_factory=dict[str, _Entry])
    aliases: dict[str, Alias] = field(default_factory=dict[str, Alias])


@dataclass(frozen=True, slots=True)
class _Choice:
    """A weighted alias: ``share`` of the invocations go to ``other``."""

    main: Target
    other: Target
    share: float


class Router:
    """See the module. All methods are synchronous and for the event loop's thread."""

    def __init__(self, pools: PoolMaker, random: Callable[[], float]) -> None:
        """``random`` gives numbers from 0.0 up to, and without, 1.0."""
        self._pools = pools
        self._random = random
        self._functions: dict[FunctionId, _Function] = {}
        self._targets: dict[tuple[str, str, str], dict[str | None, Target | _Choice]] = {}

    def put_version(self, version: FunctionVersion, task_root: Path, layers_root: Path | None = None) -> None:
        """Make ``version`` known, or replace what is known of it. The directories are its package and its layers.

        A version that now runs differently gets a new pool; the old one ends when what it has accepted is done.
        """
        function = self._functions.setdefault(version.function, _Function())
        known = function.versions.get(version.version)
        if known is None:
            pool = self._pools.make(version, task_root, layers_root)
            function.versions[version.version] = _Entry(version, task_root, pool)
        else:
            changed = known.task_root != task_root or _how_it_runs(known.version) != _how_it_runs(version)
            known.version, known.task_root = version, task_root
            if changed:
                old, known.pool = known.pool, self._pools.make(version, task_root, layers_root)
                old.drain()
        if version.state in _INVOCABLE:
            self._pools.expect(version, task_root)
        self._forget(version.function)

    def remove_version(self, function: FunctionId, version: str) -> None:
        """Forget one version; its environments end when they have answered. Unknown ones are no error."""
        known = self._functions.get(function)
        if known is None:
            return
        entry = known.versions.pop(version, None)
        if entry is not None:
            entry.pool.drain()
        self._tidy(function, known)

    def put_alias(self, alias: Alias) -> None:
        """Make an alias known, or replace it."""
        self._functions.setdefault(alias.function, _Function()).aliases[alias.name] = alias
        self._forget(alias.function)

    def remove_alias(self, function: FunctionId, name: str) -> None:
        """Forget an alias. Unknown ones are no error."""
        known = self._functions.get(function)
        if known is not None:
            known.aliases.pop(name, None)
            self._tidy(function, known)

    def _tidy(self, function: FunctionId, known: _Function) -> None:
        if not known.versions and not known.aliases:
            del self._functions[function]
        self._forget(function)

    def reserve(self, function: FunctionId, count: int | None) -> None:
        """Reserve concurrency for a function, 0 to let nothing run, or end the reservation with None."""
        self._pools.reserve(function, count)

    def knows(self, function: FunctionId, version: str) -> bool:
        """Whether a version has been put."""
        return self._entry(function, version) is not None

    def provision(self, function: FunctionId, counts: Mapping[str, int]) -> None:
        """Keep environments of the versions named initialised, so many of each; of all others none."""
        known = self._functions.get(function)
        if known is not None:
            for version, entry in known.versions.items():
                entry.pool.provision(counts.get(version, 0))

    def provisioned(self, function: FunctionId, version: str) -> ProvisionedEnvironments:
        """How far ``provision`` has come."""
        entry = self._entry(function, version)
        return ProvisionedEnvironments(available=0, failed=False) if entry is None else entry.pool.provisioned

    def _entry(self, function: FunctionId, version: str) -> _Entry | None:
        known = self._functions.get(function)
        return None if known is None else known.versions.get(version)

    def find(self, function: FunctionId, qualifier: str | None) -> Target | None:
        """Where an invocation goes; None if that is not known here. Raises ResourceConflictException by its state."""
        targets = self._targets.get((function.account, function.region, function.name))
        found = None if targets is None else targets.get(qualifier)
        if found is None:
            found = self._look_up(function, qualifier)
            if found is None:
                return None
            key = (function.account, function.region, function.name)
            self._targets.setdefault(key, {})[qualifier] = found
        if isinstance(found, _Choice):
            return found.other if self._random() < found.share else found.main
        return found

    def _look_up(self, function: FunctionId, qualifier: str | None) -> Target | _Choice | None:
        known = self._functions.get(function)
        if known is None:
            return None
        arn = function.arn if qualifier is None else function.qualified_arn(qualifier)
        alias = None if qualifier is None else known.aliases.get(qualifier)
        if alias is None:
            return _target(known, qualifier or LATEST, arn)
        main = _target(known, alias.version, arn)
        for version, share in alias.additional_version_weights.items():
            other = _target(known, version, arn)
            return None if main is None or other is None else _Choice(main, other, share)
        return main

    def _forget(self, function: FunctionId) -> None:
        self._targets.pop((function.account, function.region, function.name), None)


def _target(known: _Function, version: str, arn: str) -> Target | None:
    entry = known.versions.get(version)
    if entry is None:
        return None
    if entry.version.state not in _INVOCABLE:
        raise conflict(
            "The operation cannot be performed at this time. "
            f"The function is currently in the following state: {entry.version.state}"
        )
    return make_target(entry.pool, arn, version)


def _how_it_runs(version: FunctionVersion) -> tuple[object, ...]:
    """Everything about a version that its environments have been made with."""
    return (
        version.runtime,
        version.handler,
        version.role,
        version.code.digest,
        version.image,
        version.image_config,
        version.layer_digests,
        version.timeout_seconds,
        version.memory_size_mb,
        version.ephemeral_storage_mb,
        dict(version.environment),
        version.architecture,
        version.logging,
        dict(version.kept),
    )
