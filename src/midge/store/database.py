"""Opens a SQLite database of ours: WAL, synchronous=FULL, its schema brought up to date.

``synchronous=FULL`` because NORMAL loses acknowledged writes in a power cut. Source: https://www.sqlite.org/wal.html
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from midge.store.migrate import Migration, migrate


def open_database(path: Path, migrations: Sequence[Migration]) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """A connection for the one writer, in autocommit mode, and one that can only read.

    Raises sqlite3.Error, OSError or StoreUnavailableError.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # environment variables and events are inside
    connection = _connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, migrations)
        reader = _connect(path)
    except BaseException:
        connection.close()
        raise
    reader.execute("PRAGMA query_only = ON")
    return connection, reader


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time; not the one that opened it.
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
