"""The Store port: the durable truth about functions, their versions and aliases, layers, and every other resource.

A write returns when it is on disk and not before; writes of one function become visible in the order they returned.
Changes of what has a revision id are compare-and-swap on it. Implementations: ``sqlite`` and, for tests, ``memory``.
Every method may raise StorageFullError or StoreUnavailableError (``midge.store.errors``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from midge.model.event_source_mappings import EventSourceMapping
from midge.model.function_urls import FunctionUrl
from midge.model.functions import Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.model.layers import LayerId, LayerVersion
from midge.model.provisioned_concurrency import ProvisionedConcurrency
from midge.model.resources import Place, Resource
from midge.store.paging import Page

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a start needs to know before the first call. Its size does not grow with the number of versions."""

    code_uses: Mapping[str, int]
    """By the digest of a zip: how often function versions and layer versions name it, as code or as a layer's."""
    layer_uses: Mapping[tuple[str, ...], int]
    """By the digests of a function version's layers, in order: how many versions have these. None that has no layers."""
    unsettled: tuple[FunctionVersion, ...]
    """What was being created or updated when midge stopped."""
    recent: tuple[FunctionVersion, ...]
    """Of the functions created last, $LATEST."""
    reservations: tuple[FunctionSettings, ...]
    """Of the functions that have concurrency reserved."""
    provisioned: tuple[ProvisionedConcurrency, ...]
    unsettled_mappings: tuple[EventSourceMapping, ...]
    """Event source mappings that were on the way to another state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one account has in one region."""

    functions: int
    code_bytes: int
    """Of all function versions and layer versions; those that share a zip count it each."""
    reserved_concurrency: int
    """Of all functions together."""
    provisioned_concurrency: int = 0
    """Requested of the functions that have none reserved: it comes out of what the account has left."""


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

    async def newest_version(self, function: FunctionId) -> FunctionVersion | None:
        """The numbered version with the highest number that is still there."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceScope:
    """Which resources of a kind a listing shows: those of an account and region, or of one owner, that agree with ``where``."""

    account: str
    region: str
    owner: str | None = None
    where: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field of the record to the value it must have."""


class ResourceStore(Protocol):
    """Everything that is one record under a name; ``kind`` is the record's class. What is attached goes with its owner."""

    async def create_resource(self, record: Resource) -> None:
        """Keep a new record. Raises ExistsError, or MissingError without what it is attached to."""
        ...

    async def put_resource(self, record: Resource) -> None:
        """Keep a record in the place of the former one, if there is one. The last write wins.

        Raises MissingError without what it is attached to.
        """
        ...

    async def resource(self, kind: type[R], place: Place) -> R | None:
        """One record."""
        ...

    async def list_resources(self, kind: type[R], scope: ResourceScope, marker: str | None, count: int) -> Page[R]:
        """At most ``count`` records by owner and name. Raises BadMarkerError."""
        ...

    async def delete_resource(self, kind: type[Resource], place: Place) -> None:
        """Forget a record. Raises MissingError."""
        ...

    async def function_url(self, url_id: str) -> FunctionUrl | None:
        """The function URL of this id, in whatever account and region."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatible:
    """Which layer versions a listing shows: those that say that they are compatible with what is given."""

    runtime: str | None = None
    architecture: str | None = None

    def fits(self, version: LayerVersion) -> bool:
        """Whether ``version`` is to be shown."""
        runs = self.runtime is None or self.runtime in version.compatible_runtimes
        return runs and (self.architecture is None or self.architecture in version.compatible_architectures)


class LayerStore(Protocol):
    """Layers. A layer is there as long as one of its versions is."""

    async def publish_layer_version(self, draft: LayerVersion) -> LayerVersion:
        """Keep ``draft`` under the layer's next number and return it with that number.

        Numbers rise by one and are never given twice, not even after versions were deleted.
        """
        ...

    async def layer_version(self, layer: LayerId, number: int) -> LayerVersion | None:
        """One version."""
        ...

    async def replace_layer_version(self, version: LayerVersion, expected_revision: str) -> None:
        """Put ``version`` in the place of the record whose policy has the revision id ``expected_revision``.

        Raises MissingError or StaleError.
        """
        ...

    async def list_layers(
        self, account: str, region: str, wanted: Compatible, marker: str | None, count: int
    ) -> Page[LayerVersion]:
        """Of at most ``count`` layers, by name, the newest version that fits; none of a layer without one.

        Raises BadMarkerError.
        """
        ...

    async def list_layer_versions(
        self, layer: LayerId, wanted: Compatible, marker: str | None, count: int
    ) -> Page[LayerVersion]:
        """At most ``count`` versions that fit, the newest first. Raises BadMarkerError."""
        ...

    async def delete_layer_version(self, layer: LayerId, number: int) -> None:
        """Forget a version; function versions that have it keep what they have. Raises MissingError."""
        ...


class Store(FunctionStore, AliasStore, LayerStore, ResourceStore, Protocol):
    """All of them, and what concerns the whole."""

    async def opening(self, recent: int) -> Opening:
        """What there is to know at start; at most ``recent`` of the functions created last."""
        ...

    async def usage(self, account: str, region: str) -> Usage:
        """What is stored for one account and region, counted."""
        ...

    async def functions(self) -> int:
        """How many functions there are, in all accounts and regions."""
        ...

    async def close(self) -> None:
        """Finish the writes that have been asked for, then let go of the files. Later calls raise StoreUnavailableError."""
        ...
