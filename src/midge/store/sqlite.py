"""The Store in SQLite. Statements live beside this module, in ``statements``; schema changes in ``migrations``."""

from functools import partial
from pathlib import Path

from midge.model.function_urls import FunctionUrl
from midge.model.functions import Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.model.layers import LayerId, LayerVersion
from midge.model.limits import Limits
from midge.model.resources import Place, Resource
from midge.store import layers, resources, statements
from midge.store import usage as counts
from midge.store.database import Database
from midge.store.paging import Page, decode_marker
from midge.store.port import Compatible, Opening, R, ResourceScope, Scope, Usage


class SqliteStore:
    """One database file. Make it with ``open``; close it with ``close``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path, limits: Limits) -> "SqliteStore":
        """Open or make the database at ``path`` and bring its schema up to date. Raises StoreUnavailableError."""
        database = await Database.open(path, "midge.store", limits)
        return cls(database)

    async def close(self) -> None:
        await self._database.close()

    async def opening(self, recent: int) -> Opening:
        return await self._database.read(partial(counts.opening, recent=recent))

    async def usage(self, account: str, region: str) -> Usage:
        return await self._database.read(partial(counts.usage, account=account, region=region))

    async def functions(self) -> int:
        return await self._database.read(counts.functions)

    async def create_function(self, latest: FunctionVersion, settings: FunctionSettings | None = None) -> None:
        await self._database.write(partial(statements.create_function, latest=latest, settings=settings))

    async def replace_version(self, version: FunctionVersion, expected_revision: str) -> None:
        await self._database.write(
            partial(statements.replace_version, version=version, expected_revision=expected_revision)
        )

    async def publish_version(self, draft: FunctionVersion, latest_revision: str) -> FunctionVersion:
        return await self._database.write(
            partial(statements.publish_version, draft=draft, latest_revision=latest_revision)
        )

    async def version(self, function: FunctionId, version: str) -> FunctionVersion | None:
        return await self._database.read(partial(statements.version, function=function, of_version=version))

    async def newest_version(self, function: FunctionId) -> FunctionVersion | None:
        return await self._database.read(partial(statements.newest_version, function=function))

    async def list_versions(self, scope: Scope, marker: str | None, count: int) -> Page[FunctionVersion]:
        after = ("", -1) if marker is None else decode_marker(marker, tuple[str, int])
        return await self._database.read(partial(statements.list_versions, scope=scope, after=after, count=count))

    async def delete_version(self, function: FunctionId, version: str) -> None:
        await self._database.write(partial(statements.delete_version, function=function, version=version))

    async def delete_function(self, function: FunctionId) -> None:
        await self._database.write(partial(statements.delete_function, function=function))

    async def create_alias(self, alias: Alias) -> None:
        await self._database.write(partial(statements.create_alias, alias=alias))

    async def replace_alias(self, alias: Alias, expected_revision: str) -> None:
        await self._database.write(partial(statements.replace_alias, alias=alias, expected_revision=expected_revision))

    async def alias(self, function: FunctionId, name: str) -> Alias | None:
        return await self._database.read(partial(statements.alias, function=function, name=name))

    async def list_aliases(
        self, function: FunctionId, marker: str | None, count: int, *, version: str | None = None
    ) -> Page[Alias]:
        after = "" if marker is None else decode_marker(marker, tuple[str])[0]
        return await self._database.read(
            partial(statements.list_aliases, function=function, after=after, count=count, version=version)
        )

    async def delete_alias(self, function: FunctionId, name: str) -> None:
        await self._database.write(partial(statements.delete_alias, function=function, name=name))

    async def publish_layer_version(self, draft: LayerVersion) -> LayerVersion:
        return await self._database.write(partial(layers.publish, draft=draft))

    async def layer_version(self, layer: LayerId, number: int) -> LayerVersion | None:
        return await self._database.read(partial(layers.layer_version, layer=layer, number=number))

    async def replace_layer_version(self, version: LayerVersion, expected_revision: str) -> None:
        await self._database.write(
            partial(layers.replace_version, version=version, expected_revision=expected_revision)
        )

    async def list_layers(
        self, account: str, region: str, wanted: Compatible, marker: str | None, count: int
    ) -> Page[LayerVersion]:
        after = "" if marker is None else decode_marker(marker, tuple[str])[0]
        return await self._database.read(
            partial(layers.list_layers, account=account, region=region, wanted=wanted, after=after, count=count)
        )

    async def list_layer_versions(
        self, layer: LayerId, wanted: Compatible, marker: str | None, count: int
    ) -> Page[LayerVersion]:
        before = layers.NO_NUMBER if marker is None else decode_marker(marker, tuple[int])[0]
        return await self._database.read(
            partial(layers.list_versions, layer=layer, wanted=wanted, before=before, count=count)
        )

    async def delete_layer_version(self, layer: LayerId, number: int) -> None:
        await self._database.write(partial(layers.delete, layer=layer, number=number))

    async def create_resource(self, record: Resource) -> None:
        await self._database.write(partial(resources.create, record=record))

    async def put_resource(self, record: Resource) -> None:
        await self._database.write(partial(resources.put, record=record))

    async def resource(self, kind: type[R], place: Place) -> R | None:
        return await self._database.read(partial(resources.resource, kind=kind, place=place))

    async def list_resources(self, kind: type[R], scope: ResourceScope, marker: str | None, count: int) -> Page[R]:
        after = ("", "") if marker is None else decode_marker(marker, tuple[str, str])
        return await self._database.read(
            partial(resources.list_resources, kind=kind, scope=scope, after=after, count=count)
        )

    async def delete_resource(self, kind: type[Resource], place: Place) -> None:
        await self._database.write(partial(resources.delete, kind=kind, place=place))

    async def function_url(self, url_id: str) -> FunctionUrl | None:
        return await self._database.read(partial(resources.function_url, url_id=url_id))
