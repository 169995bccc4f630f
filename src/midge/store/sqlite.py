"""The Store in SQLite: one writer thread with group commit, one reader thread.

Statements live beside this module, in ``statements``; schema changes in ``migrations``.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from midge.model.function_urls import FunctionUrl
from midge.model.functions import Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.model.layers import LayerId, LayerVersion
from midge.model.limits import Limits
from midge.model.resources import Place, Resource
from midge.store import layers, resources, statements
from midge.store import usage as counts
from midge.store.database import open_database
from midge.store.errors import StoreUnavailableError
from midge.store.migrate import known_migrations
from midge.store.paging import Page, decode_marker
from midge.store.port import Compatible, Opening, R, ResourceScope, Scope, Usage
from midge.store.writer import Result, Work, Writer, translate


class SqliteStore:
    """One database file. Make it with ``open``; close it with ``close``."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection, executor: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._reader = reader
        self._executor = executor
        self._closed = False

    @classmethod
    async def open(cls, path: Path, limits: Limits) -> "SqliteStore":
        """Open or make the database at ``path`` and bring its schema up to date. Raises StoreUnavailableError."""
        executor = ThreadPoolExecutor(1, thread_name_prefix="midge-store-reader")
        loop = asyncio.get_running_loop()
        try:
            connection, reader = await loop.run_in_executor(executor, open_database, path, known_migrations())
        except (sqlite3.Error, OSError) as error:
            executor.shutdown(wait=False)
            raise StoreUnavailableError(f"cannot open {path}: {error}") from error
        except StoreUnavailableError:
            executor.shutdown(wait=False)
            raise
        writer = Writer(connection, queued_writes=limits.store_queued_writes, batch_writes=limits.store_batch_writes)
        return cls(writer, reader, executor)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        # The reader goes first: the last connection to close folds the write-ahead log back into the database.
        await loop.run_in_executor(self._executor, self._reader.close)
        await loop.run_in_executor(self._executor, self._writer.close)
        self._executor.shutdown(wait=False)

    async def _read(self, work: Work[Result]) -> Result:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._reader)
        except sqlite3.Error as error:
            raise translate(error) from error

    async def opening(self, recent: int) -> Opening:
        return await self._read(partial(counts.opening, recent=recent))

    async def usage(self, account: str, region: str) -> Usage:
        return await self._read(partial(counts.usage, account=account, region=region))

    async def functions(self) -> int:
        return await self._read(counts.functions)

    async def create_function(self, latest: FunctionVersion, settings: FunctionSettings | None = None) -> None:
        await self._writer.run(partial(statements.create_function, latest=latest, settings=settings))

    async def replace_version(self, version: FunctionVersion, expected_revision: str) -> None:
        await self._writer.run(
            partial(statements.replace_version, version=version, expected_revision=expected_revision)
        )

    async def publish_version(self, draft: FunctionVersion, latest_revision: str) -> FunctionVersion:
        return await self._writer.run(partial(statements.publish_version, draft=draft, latest_revision=latest_revision))

    async def version(self, function: FunctionId, version: str) -> FunctionVersion | None:
        return await self._read(partial(statements.version, function=function, of_version=version))

    async def newest_version(self, function: FunctionId) -> FunctionVersion | None:
        return await self._read(partial(statements.newest_version, function=function))

    async def list_versions(self, scope: Scope, marker: str | None, count: int) -> Page[FunctionVersion]:
        after = ("", -1) if marker is None else decode_marker(marker, tuple[str, int])
        return await self._read(partial(statements.list_versions, scope=scope, after=after, count=count))

    async def delete_version(self, function: FunctionId, version: str) -> None:
        await self._writer.run(partial(statements.delete_version, function=function, version=version))

    async def delete_function(self, function: FunctionId) -> None:
        await self._writer.run(partial(statements.delete_function, function=function))

    async def create_alias(self, alias: Alias) -> None:
        await self._writer.run(partial(statements.create_alias, alias=alias))

    async def replace_alias(self, alias: Alias, expected_revision: str) -> None:
        await self._writer.run(partial(statements.replace_alias, alias=alias, expected_revision=expected_revision))

    async def alias(self, function: FunctionId, name: str) -> Alias | None:
        return await self._read(partial(statements.alias, function=function, name=name))

    async def list_aliases(
        self, function: FunctionId, marker: str | None, count: int, *, version: str | None = None
    ) -> Page[Alias]:
        after = "" if marker is None else decode_marker(marker, tuple[str])[0]
        return await self._read(
            partial(statements.list_aliases, function=function, after=after, count=count, version=version)
        )

    async def delete_alias(self, function: FunctionId, name: str) -> None:
        await self._writer.run(partial(statements.delete_alias, function=function, name=name))

    async def publish_layer_version(self, draft: LayerVersion) -> LayerVersion:
        return await self._writer.run(partial(layers.publish, draft=draft))

    async def layer_version(self, layer: LayerId, number: int) -> LayerVersion | None:
        return await self._read(partial(layers.layer_version, layer=layer, number=number))

    async def replace_layer_version(self, version: LayerVersion, expected_revision: str) -> None:
        await self._writer.run(partial(layers.replace_version, version=version, expected_revision=expected_revision))

    async def list_layers(
        self, account: str, region: str, wanted: Compatible, marker: str | None, count: int
    ) -> Page[LayerVersion]:
        after = "" if marker is None else decode_marker(marker, tuple[str])[0]
        return await self._read(
            partial(layers.list_layers, account=account, region=region, wanted=wanted, after=after, count=count)
        )

    async def list_layer_versions(
        self, layer: LayerId, wanted: Compatible, marker: str | None, count: int
    ) -> Page[LayerVersion]:
        before = layers.NO_NUMBER if marker is None else decode_marker(marker, tuple[int])[0]
        return await self._read(partial(layers.list_versions, layer=layer, wanted=wanted, before=before, count=count))

    async def delete_layer_version(self, layer: LayerId, number: int) -> None:
        await self._writer.run(partial(layers.delete, layer=layer, number=number))

    async def create_resource(self, record: Resource) -> None:
        await self._writer.run(partial(resources.create, record=record))

    async def put_resource(self, record: Resource) -> None:
        await self._writer.run(partial(resources.put, record=record))

    async def resource(self, kind: type[R], place: Place) -> R | None:
        return await self._read(partial(resources.resource, kind=kind, place=place))

    async def list_resources(self, kind: type[R], scope: ResourceScope, marker: str | None, count: int) -> Page[R]:
        after = ("", "") if marker is None else decode_marker(marker, tuple[str, str])
        return await self._read(partial(resources.list_resources, kind=kind, scope=scope, after=after, count=count))

    async def delete_resource(self, kind: type[Resource], place: Place) -> None:
        await self._writer.run(partial(resources.delete, kind=kind, place=place))

    async def function_url(self, url_id: str) -> FunctionUrl | None:
        return await self._read(partial(resources.function_url, url_id=url_id))
