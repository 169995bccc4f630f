"""The Store port: the durable truth about functions, their versions, aliases, settings and policies.

A write returns when it is on disk and not before; writes of one function become visible in the order they returned.
Changes of what has a revision id are compare-and-swap on it. Implementations: ``sqlite`` and, for tests, ``memory``.
Every method may raise StorageFullError or StoreUnavailableError (``midge.store.errors``).
"""

from dataclasses import dataclass
from typing import Protocol

from midge.model.functions import Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.model.policies import ResourcePolicy
from midge.store.paging import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """All that is stored, for start-up; each kind in the order of its listing."""

    versions: tuple[FunctionVersion, ...]
    aliases: tuple[Alias, ...]
    settings: tuple[FunctionSettings, ...]
    """Of the functions that have any."""
    policies: tuple[ResourcePolicy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one account has in one region."""

    functions: int
    code_bytes: int
    """Of all versions; versions that share a zip count it each."""
    reserved_concurrency: int
    """Of all functions together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which versions a listing shows: all of one function, or those of every function of an account and region."""

    account: str
    region: str
    name: str | None = None
    """Only the function of this name."""
    latest_only: bool = False
    """Only $LATEST."""


class FunctionStore(Protocol):
    """Functions and their versions. A function exists as long as its $LATEST does."""

    async def create_function(self, latest: FunctionVersion, settings: FunctionSettings | None = None) -> None:
        """Keep the $LATEST of a new function and its settings, if it has any. Raises ExistsError."""
        ...

    async def replace_version(self, version: FunctionVersion, expected_revision: str) -> None:
        """Put ``version`` in the place of the record whose revision id is ``expected_revision``.

        Raises MissingError or StaleError.
        """
        ...

    async def publish_version(self, draft: FunctionVersion, latest_revision: str) -> FunctionVersion:
        """Keep ``draft`` under the function's next version number and return it with that number.

        Numbers rise by one and are never given twice, not even after versions or the whole function were deleted.
        Raises MissingError without a function, StaleError if its $LATEST has another revision id than ``latest_revision``.
        """
        ...

    async def version(self, function: FunctionId, version: str) -> FunctionVersion | None:
        """One version by its number or ``$LATEST``."""
        ...

    async def list_versions(self, scope: Scope, marker: str | None, count: int) -> Page[FunctionVersion]:
        """At most ``count`` versions by function name, $LATEST first and then by number. Raises BadMarkerError."""
        ...

    async def delete_version(self, function: FunctionId, version: str) -> None:
        """Forget a numbered version. Raises MissingError, or InUseError while aliases point at it."""
        ...

    async def delete_function(self, function: FunctionId) -> None:
        """Forget a function with all that belongs to it. Raises MissingError."""
        ...

    async def settings(self, function: FunctionId) -> FunctionSettings:
        """What holds for the whole function; the defaults if nothing was ever set, also without a function."""
        ...

    async def replace_settings(self, settings: FunctionSettings) -> None:
        """Put ``settings`` in the place of the function's former ones. The last write wins. Raises MissingError."""
        ...


class AliasStore(Protocol):
    """Aliases of functions."""

    async def create_alias(self, alias: Alias) -> None:
        """Keep a new alias. Raises ExistsError, or MissingError if a version it points at does not exist."""
        ...

    async def replace_alias(self, alias: Alias, expected_revision: str) -> None:
        """Put ``alias`` in the place of the one of that name. Raises MissingError (also for its versions) or StaleError."""
        ...

    async def alias(self, function: FunctionId, name: str) -> Alias | None:
        """One alias by its name."""
        ...

    async def list_aliases(
        self, function: FunctionId, marker: str | None, count: int, *, version: str | None = None
    ) -> Page[Alias]:
        """At most ``count`` aliases by name; with ``version`` those whose main version it is. Raises BadMarkerError."""
        ...

    async def delete_alias(self, function: FunctionId, name: str) -> None:
        """Forget an alias. Raises MissingError."""
        ...


class PolicyStore(Protocol):
    """Resource policies; each goes with the function, the version or the alias that it is attached to."""

    async def policy(self, function: FunctionId, qualifier: str | None) -> ResourcePolicy | None:
        """The policy of a version or an alias, or with None of the function itself."""
        ...

    async def replace_policy(self, policy: ResourcePolicy, expected_revision: str | None) -> None:
        """Put ``policy`` in the place of the one with that revision id, or with None where there is none.

        A policy without statements is none and is forgotten. Raises MissingError if what it is attached to does not
        exist, or StaleError.
        """
        ...


class Store(FunctionStore, AliasStore, PolicyStore, Protocol):
    """All of them, and what concerns the whole."""

    async def load(self) -> Everything:
        """All there is."""
        ...

    async def usage(self, account: str, region: str) -> Usage:
        """What is stored for one account and region, counted."""
        ...

    async def close(self) -> None:
        """Finish the writes that have been asked for, then let go of the files. Later calls raise StoreUnavailableError."""
        ...
