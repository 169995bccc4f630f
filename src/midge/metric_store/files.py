"""The store of metrics in SQLite, in a file of its own: what comes every minute does not hold up the control plane.

Minutes that grow old are joined to periods of five minutes, and these to hours, as AWS does; the oldest go. Source:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention
"""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from midge.metric_store.usage import add_usage, forget_usage
from midge.model.limits import Limits
from midge.model.metrics import MINUTE_SECONDS, Dimensions, Series, Statistics, stored, summed
from midge.model.usage import Metered, Usage
from midge.store.database import Database

DAY_SECONDS = 86_400
_FIVE_MINUTES, _HOUR = 300, 3_600
_KNOWN_SERIES = 65_536
_PIECE = 5_000
"""Points that one transaction joins or deletes: what is to be written meanwhile waits no longer than that takes."""


class TooManyPointsError(Exception):
    """One request wants to read more points than one may."""


class Point(NamedTuple):
    """What was seen from ``start`` (seconds since 1970) on, for ``period_seconds``."""

    start: int
    period_seconds: int
    values: Statistics


class KnownSeries(NamedTuple):
    """A series, and the second since 1970 of the newest point that it has."""

    series: Series
    newest: int


class MetricStore:
    """Make it with ``open``. Methods raise StoreError."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._numbers: dict[Series, int] = {}

    @classmethod
    async def open(cls, path: Path, limits: Limits) -> "MetricStore":
        """Open or make the store at ``path``. Raises StoreUnavailableError."""
        return cls(await Database.open(path, "midge.metric_store", limits), limits)

    async def close(self) -> None:
        await self._database.close()

    async def add(
        self, minutes: Mapping[tuple[Series, int], Statistics], usage: Mapping[Metered, Usage] | None = None
    ) -> int:
        """Add what was seen in minutes, and what is billed, to what is known of them; on disk when this returns.

        Returns how many were left out, because there are as many series as there may be.
        """
        try:
            return await self._database.write(partial(self._add, minutes=minutes, usage=usage or {}))
        except BaseException:
            self._numbers.clear()  # some may be of series that were not kept
            raise

    async def points(self, series: Sequence[Series], start: float, end: float) -> list[dict[str, list[Point]]]:
        """Of each series, by unit, the points that begin in a range of time, in order; ``end`` is not in it.

        A series whose unit is empty stands for those of all units. Raises TooManyPointsError.
        """
        most = self._limits.metric_read_points
        return await self._database.read(partial(_points, series=series, start=start, end=end, most=most))

    async def series(
        self, account: str, region: str, namespace: str | None, name: str | None, since: float
    ) -> list[KnownSeries]:
        """Those that have had a point since then, in order of namespace, name and dimensions."""
        return await self._database.read(partial(_list, place=(account, region), wanted=(namespace, name), since=since))

    async def tidy(self, now: float) -> None:
        """Join what has grown old, and delete the oldest."""
        limits = self._limits
        for period, days, into in (
            (MINUTE_SECONDS, limits.metric_minute_days, _FIVE_MINUTES),
            (_FIVE_MINUTES, limits.metric_five_minutes_days, _HOUR),
            (_HOUR, limits.metric_hour_days, None),
        ):
            before = now - days * DAY_SECONDS
            while await self._database.write(partial(_age, period=period, before=before, into=into)) >= _PIECE:
                pass
        while await self._database.write(partial(_shorten, most=limits.metric_points)) >= _PIECE:
            pass
        before = now - limits.usage_days * DAY_SECONDS
        await self._database.write(partial(forget_usage, before=before, most=limits.usage_rows))
        await self._database.write(partial(self._forget_series, before=now - limits.metric_hour_days * DAY_SECONDS))

    # in the writer's thread

    def _add(
        self,
        connection: sqlite3.Connection,
        minutes: Mapping[tuple[Series, int], Statistics],
        usage: Mapping[Metered, Usage],
    ) -> int:
        add_usage(connection, usage)
        left_out = 0
        for (series, start), values in minutes.items():
            number = self._number(connection, series)
            if number is None:
                left_out += 1
                continue
            _put(connection, number, Point(start, MINUTE_SECONDS, values))
            connection.execute("UPDATE series SET newest = ?1 WHERE number = ?2 AND newest < ?1", (start, number))
        return left_out

    def _number(self, connection: sqlite3.Connection, series: Series) -> int | None:
        known = self._numbers.get(series)
        if known is not None:
            return known
        key = _key(series)
        row = connection.execute(f"SELECT number FROM series WHERE {_KEY}", key).fetchone()  # noqa: S608 - constants
        if row is None:
            count = connection.execute("SELECT count(*) FROM series").fetchone()[0]
            if count >= self._limits.metric_series:
                return None
            columns = "account, region, namespace, name, dimensions, unit, newest"
            row = (connection.execute(f"INSERT INTO series ({columns}) VALUES (?, ?, ?, ?, ?, ?, 0)", key).lastrowid,)  # noqa: S608 - constants
            return row[0]  # remembered when it is met again: this transaction may yet fail
        if len(self._numbers) >= _KNOWN_SERIES:
            self._numbers.clear()
        self._numbers[series] = row[0]
        return row[0]

    def _forget_series(self, connection: sqlite3.Connection, before: float) -> None:
        if connection.execute("DELETE FROM series WHERE newest < ?", (before,)).rowcount:
            self._numbers.clear()


_METRIC = "account = ? AND region = ? AND namespace = ? AND name = ? AND dimensions = ?"
_KEY = _METRIC + " AND unit = ?"


def _key(series: Series) -> tuple[str, ...]:
    dimensions = msgspec.json.encode(series.dimensions).decode()
    return (series.account, series.region, series.namespace, series.name, dimensions, series.unit)


_VALUES = "count, total, minimum, maximum, buckets"


def _put(connection: sqlite3.Connection, number: int, point: Point) -> None:
    """Add to a point, or make it."""
    place = (number, point.start, point.period_seconds)
    values = point.values
    row = connection.execute(
        f"SELECT {_VALUES} FROM points WHERE series = ? AND start = ? AND period = ?",  # noqa: S608 - constants
        place,
    ).fetchone()
    if row is not None:
        values = summed((stored(*row), values))
    connection.execute(
        f"INSERT OR REPLACE INTO points (series, start, period, {_VALUES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        (*place, values.count, values.total, values.minimum, values.maximum, values.encode_buckets()),
    )


def _points(
    connection: sqlite3.Connection, series: Sequence[Series], start: float, end: float, most: int
) -> list[dict[str, list[Point]]]:
    found: list[dict[str, list[Point]]] = []
    for one in series:
        *key, unit = _key(one)
        numbers = connection.execute(f"SELECT number, unit FROM series WHERE {_METRIC}", key).fetchall()  # noqa: S608 - constants
        units: dict[str, list[Point]] = {}
        for number, its_unit in numbers:
            if unit not in ("", its_unit):
                continue
            rows: list[tuple[Any, ...]] = connection.execute(
                f"SELECT start, period, {_VALUES} FROM points"  # noqa: S608 - constants
                " WHERE series = ? AND start >= ? AND start < ? ORDER BY start, period LIMIT ?",
                (number, start, end, most + 1),
            ).fetchall()
            most -= len(rows)
            if most < 0:
                raise TooManyPointsError
            units[its_unit] = [Point(row[0], row[1], stored(*row[2:])) for row in rows]
        found.append(units)
    return found


def _list(
    connection: sqlite3.Connection, place: tuple[str, str], wanted: tuple[str | None, str | None], since: float
) -> list[KnownSeries]:
    condition, values = "account = ? AND region = ? AND newest >= ?", [*place, since]
    for column, value in zip(("namespace", "name"), wanted, strict=True):
        if value is not None:
            condition += f" AND {column} = ?"
            values.append(value)
    rows = connection.execute(
        f"SELECT namespace, name, dimensions, unit, newest FROM series WHERE {condition}"  # noqa: S608 - constants
        " ORDER BY namespace, name, dimensions, unit",
        values,
    )
    return [
        KnownSeries(
            Series(
                account=place[0],
                region=place[1],
                namespace=namespace,
                name=name,
                dimensions=msgspec.json.decode(dimensions, type=Dimensions),
                unit=unit,
            ),
            newest,
        )
        for namespace, name, dimensions, unit, newest in rows
    ]


def _age(connection: sqlite3.Connection, period: int, before: float, into: int | None) -> int:
    """Join some points that are older than they may be, or delete them; returns how many."""
    rows = connection.execute(
        f"SELECT series, start, {_VALUES} FROM points WHERE period = ? AND start < ? ORDER BY start LIMIT ?",  # noqa: S608 - constants
        (period, before, _PIECE),
    ).fetchall()
    for series, start, *values in rows:
        connection.execute("DELETE FROM points WHERE series = ? AND start = ? AND period = ?", (series, start, period))
        if into is not None:
            _put(connection, series, Point(start - start % into, into, stored(*values)))
    return len(rows)


def _shorten(connection: sqlite3.Connection, most: int) -> int:
    """Delete some of the oldest points if there are more than there may be; returns how many."""
    surplus = min(connection.execute("SELECT count(*) FROM points").fetchone()[0] - most, _PIECE)
    if surplus <= 0:
        return 0
    oldest = "SELECT series, start, period FROM points ORDER BY start LIMIT ?"
    return connection.execute(f"DELETE FROM points WHERE (series, start, period) IN ({oldest})", (surplus,)).rowcount  # noqa: S608 - constants
