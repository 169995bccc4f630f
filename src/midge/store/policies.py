"""The SQL of resource policies. In the manner of ``statements``."""

import sqlite3

from midge.model.functions import LATEST, FunctionId
from midge.model.policies import ResourcePolicy
from midge.store.errors import MissingError, StaleError
from midge.store.records import decode_policy, encode, key, number


def load(connection: sqlite3.Connection) -> tuple[ResourcePolicy, ...]:
    rows = connection.execute("SELECT record FROM resource_policies ORDER BY account, region, name, qualifier")
    return tuple(decode_policy(text) for (text,) in rows)


def policy(connection: sqlite3.Connection, function: FunctionId, qualifier: str | None) -> ResourcePolicy | None:
    row = connection.execute(
        "SELECT record FROM resource_policies WHERE account = ? AND region = ? AND name = ? AND qualifier = ?",
        (*key(function), qualifier or ""),
    ).fetchone()
    return None if row is None else decode_policy(row[0])


def _check_target(connection: sqlite3.Connection, policy: ResourcePolicy) -> None:
    query = (
        "SELECT 1 FROM function_versions WHERE account = ?1 AND region = ?2 AND name = ?3 AND number = ?4"
        " UNION ALL SELECT 1 FROM aliases WHERE account = ?1 AND region = ?2 AND name = ?3 AND alias = ?5"
    )
    values = (*key(policy.function), number(policy.qualifier or LATEST), policy.qualifier)
    if connection.execute(query, values).fetchone() is None:
        raise MissingError(policy.resource)


def replace_policy(connection: sqlite3.Connection, policy: ResourcePolicy, expected_revision: str | None) -> None:
    _check_target(connection, policy)
    place = (*key(policy.function), policy.qualifier or "")
    row = connection.execute(
        "SELECT revision_id FROM resource_policies WHERE account = ? AND region = ? AND name = ? AND qualifier = ?",
        place,
    ).fetchone()
    if (None if row is None else row[0]) != expected_revision:
        raise StaleError(policy.resource)
    if policy.statements:
        connection.execute(
            "INSERT INTO resource_policies (account, region, name, qualifier, revision_id, record)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, region, name, qualifier)"
            " DO UPDATE SET revision_id = excluded.revision_id, record = excluded.record",
            (*place, policy.revision_id, encode(policy)),
        )
    else:
        delete(connection, policy.function, policy.qualifier)


def delete(connection: sqlite3.Connection, function: FunctionId, qualifier: str | None) -> None:
    connection.execute(
        "DELETE FROM resource_policies WHERE account = ? AND region = ? AND name = ? AND qualifier = ?",
        (*key(function), qualifier or ""),
    )


def delete_all(connection: sqlite3.Connection, function: FunctionId) -> None:
    connection.execute("DELETE FROM resource_policies WHERE account = ? AND region = ? AND name = ?", key(function))
