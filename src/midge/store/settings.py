"""The SQL of what holds for a function as a whole, and of what an account uses. In the manner of ``statements``.

A function that has no record here has nothing but defaults.
"""

import sqlite3

from midge.model.functions import LATEST, FunctionId, FunctionSettings
from midge.store.errors import MissingError
from midge.store.port import Usage
from midge.store.records import decode_settings, encode, key, number


def load(connection: sqlite3.Connection) -> tuple[FunctionSettings, ...]:
    rows = connection.execute("SELECT record FROM function_settings ORDER BY account, region, name")
    return tuple(decode_settings(text) for (text,) in rows)


def put(connection: sqlite3.Connection, settings: FunctionSettings) -> None:
    connection.execute(
        "INSERT INTO function_settings (account, region, name, record) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, region, name) DO UPDATE SET record = excluded.record",
        (*key(settings.function), encode(settings)),
    )


def replace_settings(connection: sqlite3.Connection, settings: FunctionSettings) -> None:
    there = connection.execute(
        "SELECT 1 FROM function_versions WHERE account = ? AND region = ? AND name = ? AND number = ?",
        (*key(settings.function), number(LATEST)),
    ).fetchone()
    if there is None:
        raise MissingError(settings.function.arn)
    put(connection, settings)


def settings(connection: sqlite3.Connection, function: FunctionId) -> FunctionSettings:
    row = connection.execute(
        "SELECT record FROM function_settings WHERE account = ? AND region = ? AND name = ?", key(function)
    ).fetchone()
    return FunctionSettings(function=function) if row is None else decode_settings(row[0])


def delete(connection: sqlite3.Connection, function: FunctionId) -> None:
    connection.execute("DELETE FROM function_settings WHERE account = ? AND region = ? AND name = ?", key(function))


def usage(connection: sqlite3.Connection, account: str, region: str) -> Usage:
    functions, code_bytes = connection.execute(
        "SELECT count(*) FILTER (WHERE number = 0), coalesce(sum(code_bytes), 0)"
        " FROM function_versions WHERE account = ? AND region = ?",
        (account, region),
    ).fetchone()
    (reserved,) = connection.execute(
        "SELECT coalesce(sum(json_extract(record, '$.reserved_concurrency')), 0)"
        " FROM function_settings WHERE account = ? AND region = ?",
        (account, region),
    ).fetchone()
    return Usage(functions=functions, code_bytes=code_bytes, reserved_concurrency=reserved)
