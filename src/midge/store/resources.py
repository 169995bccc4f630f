"""The SQL of resources: records under a name. In the manner of ``statements``."""

import sqlite3

from midge.model.function_urls import FunctionUrl
from midge.model.functions import LATEST, FunctionId
from midge.model.resources import Place, Resource
from midge.store.errors import ExistsError, MissingError
from midge.store.paging import Page, encode_marker
from midge.store.port import R, ResourceScope
from midge.store.records import ATTACHED_WORDS, encode, key, kind_of, number, place_columns

_AT = "kind = ? AND account = ? AND region = ? AND owner = ? AND name = ?"
_ATTACHED = f"kind IN ({', '.join(map(repr, ATTACHED_WORDS))}) AND account = ? AND region = ? AND owner = ?"


def _check_target(connection: sqlite3.Connection, place: Place) -> None:
    query = (
        "SELECT 1 FROM function_versions WHERE account = ?1 AND region = ?2 AND name = ?3 AND number = ?4"
        " UNION ALL SELECT 1 FROM aliases WHERE account = ?1 AND region = ?2 AND name = ?3 AND alias = ?5"
    )
    values = (place.account, place.region, place.owner, number(place.name or LATEST), place.name)
    if connection.execute(query, values).fetchone() is None:
        function = FunctionId(account=place.account, region=place.region, name=place.owner)
        raise MissingError(function.qualified_arn(place.name) if place.name else function.arn)


def put(connection: sqlite3.Connection, record: Resource) -> None:
    kind, place = kind_of(type(record)), record.place
    if kind.attached:
        _check_target(connection, place)
    connection.execute(
        "INSERT INTO resources (kind, account, region, owner, name, record) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (kind, account, region, owner, name) DO UPDATE SET record = excluded.record",
        (kind.word, *place_columns(place), encode(record)),
    )


def create(connection: sqlite3.Connection, record: Resource) -> None:
    if _text(connection, type(record), record.place) is not None:
        raise ExistsError(record.place.name)
    put(connection, record)


def _text(connection: sqlite3.Connection, kind: type[Resource], place: Place) -> str | None:
    values = (kind_of(kind).word, *place_columns(place))
    row = connection.execute(f"SELECT record FROM resources WHERE {_AT}", values).fetchone()  # noqa: S608 - constants
    return None if row is None else str(row[0])


def resource(connection: sqlite3.Connection, kind: type[R], place: Place) -> R | None:
    text = _text(connection, kind, place)
    return None if text is None else kind_of(kind).decoder.decode(text)


def function_url(connection: sqlite3.Connection, url_id: str) -> FunctionUrl | None:
    row = connection.execute(
        "SELECT record FROM resources WHERE kind = 'function-url' AND json_extract(record, '$.url_id') = ?", (url_id,)
    ).fetchone()
    return None if row is None else kind_of(FunctionUrl).decoder.decode(row[0])


def list_resources(
    connection: sqlite3.Connection, kind: type[R], scope: ResourceScope, after: tuple[str, str], count: int
) -> Page[R]:
    query = "SELECT owner, name, record FROM resources WHERE kind = ? AND account = ? AND region = ?"
    values: list[str | int] = [kind_of(kind).word, scope.account, scope.region]
    if scope.owner is not None:
        query += " AND owner = ?"
        values.append(scope.owner)
    for name, value in scope.where.items():
        query += " AND json_extract(record, ?) = ?"
        values += [f"$.{name}", value]
    query += " AND (owner, name) > (?, ?) ORDER BY owner, name LIMIT ?"
    rows = connection.execute(query, (*values, *after, count + 1)).fetchall()
    return Page(
        items=tuple(kind_of(kind).decoder.decode(text) for _, _, text in rows[:count]),
        next_marker=encode_marker(rows[count - 1][:2]) if len(rows) > count else None,
    )


def delete(connection: sqlite3.Connection, kind: type[Resource], place: Place) -> None:
    values = (kind_of(kind).word, *place_columns(place))
    if connection.execute(f"DELETE FROM resources WHERE {_AT}", values).rowcount == 0:  # noqa: S608 - constants
        raise MissingError(place.name)


def delete_attached(connection: sqlite3.Connection, function: FunctionId, qualifier: str | None = None) -> None:
    """What is attached to a version or an alias or, without ``qualifier``, to anything of the function."""
    query, values = f"DELETE FROM resources WHERE {_ATTACHED}", list(key(function))  # noqa: S608 - constants
    if qualifier is not None:
        query += " AND name = ?"
        values.append(qualifier)
    connection.execute(query, values)
