"""A SQLite database of ours: one writer thread with group commit, one reader thread, its schema brought up to date.

WAL and ``synchronous=FULL``, because NORMAL loses acknowledged writes in a power cut. Knows no tables: those are of
whoever opens it. Source: https://www.sqlite.org/wal.html
"""

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from midge.model.limits import Limits
from midge.store.errors import StoreUnavailableError
from midge.store.migrate import known_migrations, migrate
from midge.store.writer import Result, Work, Writer, translate


class Database:
    """Make it with ``open``; close it with ``close``."""

    def __init__(self, name: str, writer: Writer, reader: sqlite3.Connection, executor: ThreadPoolExecutor) -> None:
        self._name = name
        self._writer = writer
        self._reader = reader
        self._executor = executor
        self._closed = False

    @classmethod
    async def open(cls, path: Path, room: str, limits: Limits) -> "Database":
        """Open or make the database at ``path`` with the schema of a room (``midge.store``). Raises StoreUnavailableError."""
        name = room.rpartition(".")[2]
        executor = ThreadPoolExecutor(1, thread_name_prefix=f"midge-{name}-reader")
        loop = asyncio.get_running_loop()
        try:
            connection, reader = await loop.run_in_executor(executor, _open, path, room)
        except (sqlite3.Error, OSError) as error:
            executor.shutdown(wait=False)
            raise StoreUnavailableError(f"cannot open {path}: {error}") from error
        except StoreUnavailableError:
            executor.shutdown(wait=False)
            raise
        writer = Writer(connection, queued_writes=limits.store_queued_writes, batch_writes=limits.store_batch_writes)
        return cls(name, writer, reader, executor)

    async def close(self) -> None:
        """Finish what is queued; harmless if done already."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        # The reader goes first: the last connection to close folds the write-ahead log back into the database.
        await loop.run_in_executor(self._executor, self._reader.close)
        await loop.run_in_executor(self._executor, self._writer.close)
        self._executor.shutdown(wait=False)

    async def write(self, work: Work[Result]) -> Result:
        """See ``Writer.run``."""
        return await self._writer.run(work)

    async def read(self, work: Work[Result]) -> Result:
        """What ``work`` makes of a connection that can only read. Raises StoreError."""
        if self._closed:
            raise StoreUnavailableError(f"the {self._name} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._reader)
        except sqlite3.Error as error:
            raise translate(error) from error


def _open(path: Path, room: str) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # environment variables and events are inside
    connection = _connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, known_migrations(room))
        reader = _connect(path)
    except BaseException:
        connection.close()
        raise
    reader.execute("PRAGMA query_only = ON")
    return connection, reader


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time; not the one that opened it.
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
