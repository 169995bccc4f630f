"""What is billed, in the metric store's database: written beside the metrics, read by them that run no server as well."""

import sqlite3
from collections.abc import Mapping
from dataclasses import astuple, fields
from pathlib import Path

from midge.model.usage import Metered, Usage

_KEYS = tuple(field.name for field in fields(Metered))
_AMOUNTS = tuple(field.name for field in fields(Usage))
_INSERT = (
    f"INSERT INTO usage ({', '.join((*_KEYS, *_AMOUNTS))}) VALUES ({', '.join('?' * (len(_KEYS) + len(_AMOUNTS)))})"  # noqa: S608 - constants
    f" ON CONFLICT DO UPDATE SET {', '.join(f'{name} = {name} + excluded.{name}' for name in _AMOUNTS)}"
)
_SELECT = f"SELECT {', '.join((*_KEYS, *_AMOUNTS))} FROM usage WHERE hour >= ? AND hour < ? ORDER BY hour"  # noqa: S608 - constants
_WAIT_SECONDS = 10.0


class UsageUnavailableError(Exception):
    """There is nothing to read, or it cannot be read."""


def add_usage(connection: sqlite3.Connection, usage: Mapping[Metered, Usage]) -> None:
    """Add to what has been used."""
    connection.executemany(_INSERT, [(*astuple(metered), *astuple(amounts)) for metered, amounts in usage.items()])


def forget_usage(connection: sqlite3.Connection, before: float, most: int) -> None:
    """Delete what is older, and the oldest of more rows than there may be."""
    connection.execute("DELETE FROM usage WHERE hour < ?", (before,))
    surplus = connection.execute("SELECT count(*) FROM usage").fetchone()[0] - most
    if surplus > 0:
        hour = connection.execute("SELECT hour FROM usage ORDER BY hour LIMIT 1 OFFSET ?", (surplus - 1,)).fetchone()[0]
        connection.execute("DELETE FROM usage WHERE hour <= ?", (hour,))


def read_usage(path: Path, start: float, end: float) -> dict[Metered, Usage]:
    """What was used in the hours that begin in a range of time, whether or not a server runs.

    Raises UsageUnavailableError.
    """
    if not path.is_file():
        raise UsageUnavailableError(f"{path} is not there: nothing has been metered")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
        try:
            rows = connection.execute(_SELECT, (start, end)).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise UsageUnavailableError(f"{path} cannot be read: {error}") from error
    count = len(_KEYS)
    return {
        Metered(**dict(zip(_KEYS, row[:count], strict=True))): Usage(**dict(zip(_AMOUNTS, row[count:], strict=True)))
        for row in rows
    }
