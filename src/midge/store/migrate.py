"""Brings a database to the schema that this midge knows: numbered files, forward only, each applied once.

What was applied is recorded with its checksum, so that a file edited after its release is noticed. A database that has
seen migrations which this midge does not know is refused: an older program must not write into a newer schema.
"""

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from midge.store.errors import StoreUnavailableError

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LEDGER = """CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL
) STRICT"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``0001_functions.sql`` has the number 1 and the name ``functions``."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode("utf-8")).hexdigest()


def known_migrations(room: str = "midge.store") -> list[Migration]:
    """Those of a room's database that ship with this midge, in order."""
    files = resources.files(room).joinpath("migrations").iterdir()
    found = [(named, file) for file in files if (named := _NAME.fullmatch(file.name))]
    migrations = [Migration(int(named[1]), named[2], file.read_text("utf-8")) for named, file in found]
    return sorted(migrations, key=lambda migration: migration.number)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Apply what is missing; ``connection`` is in autocommit mode. Raises StoreUnavailableError if the database is not ours."""
    connection.execute(_LEDGER)
    rows = connection.execute("SELECT number, name, sha256 FROM migrations").fetchall()
    applied: dict[int, tuple[str, str]] = {number: (name, sha256) for number, name, sha256 in rows}
    known = {migration.number for migration in migrations}
    if newer := sorted(set(applied) - known):
        raise StoreUnavailableError(f"the database was written by a newer midge: it has migration {newer[-1]}")
    for migration in migrations:
        if migration.number not in applied:
            _apply(connection, migration)
        elif applied[migration.number][1] != migration.sha256:
            raise StoreUnavailableError(
                f"migration {migration.number} ({migration.name}) differs from the one applied before"
            )


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    record = (migration.number, migration.name, migration.sha256)
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{migration.sql}")
        connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", record)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
