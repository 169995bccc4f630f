"""The Store port: the durable truth about functions, versions and aliases.

A write returns when it is on disk and not before; writes of one function become visible in the order they returned.
Changes are compare-and-swap on the revision id. Implementations: ``sqlite`` and, for tests, ``memory``.
Every method may raise StorageFullError or StoreUnavailableError (``midge.store.errors``).
"""

from dataclasses import dataclass
from typing import Protocol

from midge.model.functions import Alias, FunctionId, FunctionVersion
from midge.store.paging import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """All that is stored, for start-up; versions and aliases in the order of their listings."""

    versions: tuple[FunctionVersion, ...]
    aliases: tuple[Alias, ...]


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

    async def create_function(self, latest: FunctionVersion) -> None:
        """Keep the $LATEST of a new function. Raises ExistsError."""
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
        """Forget a function with all its versions and aliases. Raises MissingError."""
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


class Store(FunctionStore, AliasStore, Protocol):
    """Both, and what concerns the whole."""

    async def load(self) -> Everything:
        """All there is."""
        ...

    async def close(self) -> None:
        """Finish the writes that have been asked for, then let go of the files. Later calls raise StoreUnavailableError."""
        ...
