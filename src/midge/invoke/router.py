"""From a function's name and qualifier to the pool that runs it, from memory alone.

The control plane puts versions and aliases in; invocations only look up. A weighted alias is decided anew for every
invocation, by the source of random numbers passed in.
Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html and configuring-alias-routing.html
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from midge.invoke.invocation import Target, make_target
from midge.invoke.pool import EnvironmentPool
from midge.model.errors import conflict, not_found
from midge.model.functions import LATEST, Alias, FunctionId, FunctionVersion

_INVOCABLE = frozenset({"Active", "Inactive"})


class PoolMaker(Protocol):
    """Makes the pool of one function version, and says how much all pools of a function may run at once."""

    def make(self, version: FunctionVersion, task_root: Path) -> EnvironmentPool: ...

    def expect(self, version: FunctionVersion, task_root: Path) -> None:
        """It may be invoked from now on."""
        ...

    def reserve(self, function: FunctionId, count: int | None) -> None: ...


@dataclass(slots=True)
class _Entry:
    version: FunctionVersion
    task_root: Path
    pool: EnvironmentPool


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
        self._targets: dict[tuple[str, str, str, str | None], Target | _Choice] = {}

    def put_version(self, version: FunctionVersion, task_root: Path) -> None:
        """Make ``version`` known, or replace what is known of it.

        A version that now runs differently gets a new pool; the old one ends when what it has accepted is done.
        """
        function = self._functions.setdefault(version.function, _Function())
        known = function.versions.get(version.version)
        if known is None:
            function.versions[version.version] = _Entry(version, task_root, self._pools.make(version, task_root))
        else:
            changed = known.task_root != task_root or _how_it_runs(known.version) != _how_it_runs(version)
            known.version, known.task_root = version, task_root
            if changed:
                old, known.pool = known.pool, self._pools.make(version, task_root)
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
        if not known.versions:
            del self._functions[function]
        self._forget(function)

    def put_alias(self, alias: Alias) -> None:
        """Make an alias known, or replace it."""
        self._functions.setdefault(alias.function, _Function()).aliases[alias.name] = alias
        self._forget(alias.function)

    def remove_alias(self, function: FunctionId, name: str) -> None:
        """Forget an alias. Unknown ones are no error."""
        known = self._functions.get(function)
        if known is not None:
            known.aliases.pop(name, None)
            self._forget(function)

    def reserve(self, function: FunctionId, count: int | None) -> None:
        """Reserve concurrency for a function, 0 to let nothing run, or end the reservation with None."""
        self._pools.reserve(function, count)

    def resolve(self, function: FunctionId, qualifier: str | None) -> Target:
        """Where an invocation goes. Raises ResourceNotFoundException, or ResourceConflictException by its state."""
        key = (function.account, function.region, function.name, qualifier)
        found = self._targets.get(key)
        if found is None:
            found = self._targets[key] = self._look_up(function, qualifier)
        if isinstance(found, _Choice):
            return found.other if self._random() < found.share else found.main
        return found

    def functions(self) -> int:
        """How many functions are known."""
        return len(self._functions)

    def _look_up(self, function: FunctionId, qualifier: str | None) -> Target | _Choice:
        arn = function.arn if qualifier is None else function.qualified_arn(qualifier)
        known = self._functions.get(function)
        if known is None:
            raise not_found(arn)
        alias = None if qualifier is None else known.aliases.get(qualifier)
        if alias is None:
            return _target(known, qualifier or LATEST, arn)
        main = _target(known, alias.version, arn)
        for version, share in alias.additional_version_weights.items():
            return _Choice(main, _target(known, version, arn), share)
        return main

    def _forget(self, function: FunctionId) -> None:
        start = (function.account, function.region, function.name)
        for key in [key for key in self._targets if key[:3] == start]:
            del self._targets[key]


def _target(known: _Function, version: str, arn: str) -> Target:
    entry = known.versions.get(version)
    if entry is None:
        raise not_found(arn)
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
        version.timeout_seconds,
        version.memory_size_mb,
        version.ephemeral_storage_mb,
        dict(version.environment),
        version.architecture,
        version.logging,
        dict(version.kept),
    )
