"""The SQL of the store: one function for each thing that the port can do, on a connection that the caller owns.

Runs inside the writer's transaction or, for reads, on its own. Knows nothing of threads.
"""

import sqlite3
from dataclasses import replace

from midge.model.functions import LATEST, Alias, FunctionId, FunctionSettings, FunctionVersion
from midge.store import resources
from midge.store.errors import ExistsError, InUseError, MissingError, StaleError
from midge.store.paging import Page, encode_marker
from midge.store.port import Scope
from midge.store.records import additional_number, decode_alias, decode_version, encode, key, number


def _revision(connection: sqlite3.Connection, function: FunctionId, version: str) -> str | None:
    row = connection.execute(
        "SELECT revision_id FROM function_versions WHERE account = ? AND region = ? AND name = ? AND number = ?",
        (*key(function), number(version)),
    ).fetchone()
    return None if row is None else str(row[0])


def _columns(version: FunctionVersion) -> tuple[int, str, str, bool, str]:
    digests = " ".join(version.layer_digests)
    return (version.code.size_bytes, version.code.digest, digests, version.settled, encode(version))


def _insert_version(connection: sqlite3.Connection, version: FunctionVersion) -> None:
    connection.execute(
        "INSERT INTO function_versions"
        " (account, region, name, number, revision_id, code_bytes, code_digest, layer_digests, settled, record)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*key(version.function), number(version.version), version.revision_id, *_columns(version)),
    )


def create_function(connection: sqlite3.Connection, latest: FunctionVersion, settings: FunctionSettings | None) -> None:
    if _revision(connection, latest.function, LATEST) is not None:
        raise ExistsError(latest.function.arn)
    _insert_version(connection, latest)
    if settings is not None:
        resources.put(connection, settings)


def _expect(found: str | None, wanted: str, arn: str) -> None:
    if found is None:
        raise MissingError(arn)
    if found != wanted:
        raise StaleError(arn)


def replace_version(connection: sqlite3.Connection, version: FunctionVersion, expected_revision: str) -> None:
    _expect(_revision(connection, version.function, version.version), expected_revision, version.arn)
    connection.execute(
        "UPDATE function_versions"
        " SET revision_id = ?, code_bytes = ?, code_digest = ?, layer_digests = ?, settled = ?, record = ?"
        " WHERE account = ? AND region = ? AND name = ? AND number = ?",
        (version.revision_id, *_columns(version), *key(version.function), number(version.version)),
    )


def publish_version(connection: sqlite3.Connection, draft: FunctionVersion, latest_revision: str) -> FunctionVersion:
    _expect(_revision(connection, draft.function, LATEST), latest_revision, draft.function.arn)
    (given,) = connection.execute(
        "INSERT INTO version_numbers (account, region, name, last) VALUES (?, ?, ?, 1)"
        " ON CONFLICT (account, region, name) DO UPDATE SET last = last + 1 RETURNING last",
        key(draft.function),
    ).fetchone()
    published = replace(draft, version=str(given))
    _insert_version(connection, published)
    return published


def version(connection: sqlite3.Connection, function: FunctionId, of_version: str) -> FunctionVersion | None:
    row = connection.execute(
        "SELECT record FROM function_versions WHERE account = ? AND region = ? AND name = ? AND number = ?",
        (*key(function), number(of_version)),
    ).fetchone()
    return None if row is None else decode_version(row[0])


def newest_version(connection: sqlite3.Connection, function: FunctionId) -> FunctionVersion | None:
    row = connection.execute(
        "SELECT record FROM function_versions WHERE account = ? AND region = ? AND name = ? AND number > 0"
        " ORDER BY number DESC LIMIT 1",
        key(function),
    ).fetchone()
    return None if row is None else decode_version(row[0])


def list_versions(
    connection: sqlite3.Connection, scope: Scope, after: tuple[str, int], count: int
) -> Page[FunctionVersion]:
    query = "SELECT name, number, record FROM function_versions WHERE account = ? AND region = ?"
    values: list[str | int] = [scope.account, scope.region]
    if scope.name is not None:
        query += " AND name = ?"
        values.append(scope.name)
    if scope.latest_only:
        query += " AND number = 0"
    query += " AND (name, number) > (?, ?) ORDER BY name, number LIMIT ?"
    rows = connection.execute(query, (*values, *after, count + 1)).fetchall()
    return Page(
        items=tuple(decode_version(text) for _, _, text in rows[:count]),
        next_marker=encode_marker(rows[count - 1][:2]) if len(rows) > count else None,
    )


def delete_version(connection: sqlite3.Connection, function: FunctionId, version: str) -> None:
    of = number(version)
    users = connection.execute(
        "SELECT alias FROM aliases WHERE account = ? AND region = ? AND name = ? AND (number = ?4 OR additional_number = ?4) ORDER BY alias",
        (*key(function), of),
    ).fetchall()
    if users:
        raise InUseError(tuple(name for (name,) in users))
    gone = connection.execute(
        "DELETE FROM function_versions WHERE account = ? AND region = ? AND name = ? AND number = ?",
        (*key(function), of),
    )
    if gone.rowcount == 0:
        raise MissingError(function.qualified_arn(version))
    resources.delete_attached(connection, function, version)


def delete_function(connection: sqlite3.Connection, function: FunctionId) -> None:
    if _revision(connection, function, LATEST) is None:
        raise MissingError(function.arn)
    connection.execute("DELETE FROM aliases WHERE account = ? AND region = ? AND name = ?", key(function))
    connection.execute("DELETE FROM function_versions WHERE account = ? AND region = ? AND name = ?", key(function))
    resources.delete_attached(connection, function)


def _alias_revision(connection: sqlite3.Connection, alias: Alias) -> str | None:
    row = connection.execute(
        "SELECT revision_id FROM aliases WHERE account = ? AND region = ? AND name = ? AND alias = ?",
        (*key(alias.function), alias.name),
    ).fetchone()
    return None if row is None else str(row[0])


def _check_targets(connection: sqlite3.Connection, alias: Alias) -> None:
    for target in (alias.version, *alias.additional_version_weights):
        if _revision(connection, alias.function, target) is None:
            raise MissingError(alias.function.qualified_arn(target))


def create_alias(connection: sqlite3.Connection, alias: Alias) -> None:
    if _alias_revision(connection, alias) is not None:
        raise ExistsError(alias.arn)
    _check_targets(connection, alias)
    connection.execute(
        "INSERT INTO aliases (account, region, name, alias, number, additional_number, revision_id, record)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *key(alias.function), alias.name, number(alias.version), additional_number(alias), alias.revision_id,
            encode(alias),
        ),
    )  # fmt: skip


def replace_alias(connection: sqlite3.Connection, alias: Alias, expected_revision: str) -> None:
    _expect(_alias_revision(connection, alias), expected_revision, alias.arn)
    _check_targets(connection, alias)
    connection.execute(
        "UPDATE aliases SET number = ?, additional_number = ?, revision_id = ?, record = ? WHERE account = ? AND region = ? AND name = ? AND alias = ?",
        (
            number(alias.version), additional_number(alias), alias.revision_id, encode(alias), *key(alias.function),
            alias.name,
        ),
    )  # fmt: skip


def alias(connection: sqlite3.Connection, function: FunctionId, name: str) -> Alias | None:
    row = connection.execute(
        "SELECT record FROM aliases WHERE account = ? AND region = ? AND name = ? AND alias = ?", (*key(function), name)
    ).fetchone()
    return None if row is None else decode_alias(row[0])


def list_aliases(
    connection: sqlite3.Connection, function: FunctionId, after: str, count: int, version: str | None
) -> Page[Alias]:
    wanted = None if version is None else number(version)
    rows = connection.execute(
        "SELECT alias, record FROM aliases WHERE account = ? AND region = ? AND name = ? AND alias > ? AND (?5 IS NULL OR number = ?5)"
        " ORDER BY alias LIMIT ?6",
        (*key(function), after, wanted, count + 1),
    ).fetchall()
    return Page(
        items=tuple(decode_alias(text) for _, text in rows[:count]),
        next_marker=encode_marker((rows[count - 1][0],)) if len(rows) > count else None,
    )


def delete_alias(connection: sqlite3.Connection, function: FunctionId, name: str) -> None:
    gone = connection.execute(
        "DELETE FROM aliases WHERE account = ? AND region = ? AND name = ? AND alias = ?", (*key(function), name)
    )
    if gone.rowcount == 0:
        raise MissingError(function.qualified_arn(name))
    resources.delete_attached(connection, function, name)
