"""The SQL of layers. In the manner of ``statements``."""

import sqlite3
from dataclasses import replace

from midge.model.layers import LayerId, LayerVersion
from midge.store.errors import MissingError, StaleError
from midge.store.paging import Page, encode_marker
from midge.store.port import Compatible
from midge.store.records import decode_layer_version, encode, layer_key

_AT = "account = ? AND region = ? AND name = ? AND number = ?"
_RUNS = " AND EXISTS (SELECT 1 FROM json_each(record, '$.compatible_runtimes') WHERE value = ?)"
_BUILT_FOR = " AND EXISTS (SELECT 1 FROM json_each(record, '$.compatible_architectures') WHERE value = ?)"
NO_NUMBER = 2**63 - 1
"""Above every version's number."""


def _row(connection: sqlite3.Connection, layer: LayerId, number: int) -> tuple[str, str] | None:
    return connection.execute(
        f"SELECT revision_id, record FROM layer_versions WHERE {_AT}",  # noqa: S608 - constants
        (*layer_key(layer), min(number, NO_NUMBER)),
    ).fetchone()


def publish(connection: sqlite3.Connection, draft: LayerVersion) -> LayerVersion:
    (given,) = connection.execute(
        "INSERT INTO layer_numbers (account, region, name, last) VALUES (?, ?, ?, 1)"
        " ON CONFLICT (account, region, name) DO UPDATE SET last = last + 1 RETURNING last",
        layer_key(draft.layer),
    ).fetchone()
    published = replace(draft, number=given)
    connection.execute(
        "INSERT INTO layer_versions (account, region, name, number, revision_id, code_bytes, code_digest, record)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *layer_key(published.layer), given, published.revision_id, published.code.size_bytes,
            published.code.digest, encode(published),
        ),
    )  # fmt: skip
    return published


def layer_version(connection: sqlite3.Connection, layer: LayerId, number: int) -> LayerVersion | None:
    row = _row(connection, layer, number)
    return None if row is None else decode_layer_version(row[1])


def replace_version(connection: sqlite3.Connection, version: LayerVersion, expected_revision: str) -> None:
    row = _row(connection, version.layer, version.number)
    if row is None:
        raise MissingError(version.arn)
    if row[0] != expected_revision:
        raise StaleError(version.arn)
    connection.execute(
        f"UPDATE layer_versions SET revision_id = ?, record = ? WHERE {_AT}",  # noqa: S608 - constants
        (version.revision_id, encode(version), *layer_key(version.layer), version.number),
    )


def _compatible(wanted: Compatible) -> tuple[str, list[str]]:
    """The condition, and its values, that a version must meet."""
    conditions = [(_RUNS, wanted.runtime), (_BUILT_FOR, wanted.architecture)]
    return (
        "".join(condition for condition, value in conditions if value is not None),
        [value for _, value in conditions if value is not None],
    )


def list_layers(
    connection: sqlite3.Connection, account: str, region: str, wanted: Compatible, after: str, count: int
) -> Page[LayerVersion]:
    condition, values = _compatible(wanted)
    # Beside max() SQLite takes the other columns from the row that has the maximum.
    rows = connection.execute(
        "SELECT name, max(number), record FROM layer_versions WHERE account = ? AND region = ? AND name > ?"  # noqa: S608 - constants
        f"{condition} GROUP BY name ORDER BY name LIMIT ?",
        (account, region, after, *values, count + 1),
    ).fetchall()
    return Page(
        items=tuple(decode_layer_version(text) for _, _, text in rows[:count]),
        next_marker=encode_marker((rows[count - 1][0],)) if len(rows) > count else None,
    )


def list_versions(
    connection: sqlite3.Connection, layer: LayerId, wanted: Compatible, before: int, count: int
) -> Page[LayerVersion]:
    condition, values = _compatible(wanted)
    rows = connection.execute(
        "SELECT number, record FROM layer_versions WHERE account = ? AND region = ? AND name = ? AND number < ?"  # noqa: S608 - constants
        f"{condition} ORDER BY number DESC LIMIT ?",
        (*layer_key(layer), max(0, min(before, NO_NUMBER)), *values, count + 1),
    ).fetchall()
    return Page(
        items=tuple(decode_layer_version(text) for _, text in rows[:count]),
        next_marker=encode_marker((rows[count - 1][0],)) if len(rows) > count else None,
    )


def delete(connection: sqlite3.Connection, layer: LayerId, number: int) -> None:
    gone = connection.execute(
        f"DELETE FROM layer_versions WHERE {_AT}",  # noqa: S608 - constants
        (*layer_key(layer), min(number, NO_NUMBER)),
    )
    if gone.rowcount == 0:
        raise MissingError(layer.version_arn(number))
