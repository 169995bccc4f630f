"""The SQL of what counts: usage of an account in a region, and what a start needs to know. In the manner of ``statements``."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping

from midge.model.event_source_mappings import AT_REST, EventSourceMapping
from midge.model.functions import FunctionSettings
from midge.model.provisioned_concurrency import ProvisionedConcurrency
from midge.store.port import Opening, Usage
from midge.store.records import decode_version, kind_of


def usage(connection: sqlite3.Connection, account: str, region: str) -> Usage:
    row = connection.execute(
        "SELECT functions, code_bytes FROM usage WHERE account = ? AND region = ?", (account, region)
    ).fetchone()
    (reserved,) = connection.execute(
        "SELECT coalesce(sum(json_extract(record, '$.reserved_concurrency')), 0)"
        " FROM resources INDEXED BY resources_reserving"
        " WHERE kind = 'settings' AND json_extract(record, '$.reserved_concurrency') IS NOT NULL"
        " AND account = ? AND region = ?",
        (account, region),
    ).fetchone()
    (provisioned,) = connection.execute(
        "SELECT coalesce(sum(json_extract(record, '$.requested')), 0) FROM resources AS provisioning"
        " WHERE kind = 'provisioned-concurrency' AND account = ? AND region = ? AND NOT EXISTS ("
        "SELECT 1 FROM resources AS reserving INDEXED BY resources_reserving"
        " WHERE kind = 'settings' AND json_extract(record, '$.reserved_concurrency') IS NOT NULL"
        " AND account = provisioning.account AND region = provisioning.region AND owner = provisioning.owner)",
        (account, region),
    ).fetchone()
    functions, code_bytes = row or (0, 0)
    return Usage(
        functions=functions, code_bytes=code_bytes, reserved_concurrency=reserved, provisioned_concurrency=provisioned
    )


def functions(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT coalesce(sum(functions), 0) FROM usage").fetchone()
    return int(count)


def all_uses(code_uses: Iterable[tuple[str, int]], layer_uses: Mapping[tuple[str, ...], int]) -> dict[str, int]:
    """By digest: how often a zip is named as code, of a function or a layer, and as a function's layer."""
    uses: Counter[str] = Counter()
    for digest, count in code_uses:
        uses[digest] += count
    for digests, count in layer_uses.items():
        for digest in digests:
            uses[digest] += count
    return dict(uses)


def opening(connection: sqlite3.Connection, recent: int) -> Opening:
    connection.execute("BEGIN")  # one snapshot for all
    try:
        code_uses = connection.execute(
            "SELECT code_digest, count(*) FROM function_versions GROUP BY code_digest"
            " UNION ALL SELECT code_digest, count(*) FROM layer_versions GROUP BY code_digest"
        ).fetchall()
        layers = connection.execute(
            "SELECT layer_digests, count(*) FROM function_versions WHERE layer_digests <> '' GROUP BY layer_digests"
        ).fetchall()
        unsettled = connection.execute(
            "SELECT record FROM function_versions WHERE settled = 0 ORDER BY account, region, name, number"
        ).fetchall()
        latest = connection.execute(
            "SELECT record FROM function_versions WHERE number = 0 ORDER BY rowid DESC LIMIT ?", (recent,)
        ).fetchall()
        reserving = connection.execute(
            "SELECT record FROM resources INDEXED BY resources_reserving WHERE kind = 'settings'"
            " AND json_extract(record, '$.reserved_concurrency') IS NOT NULL ORDER BY account, region, owner"
        ).fetchall()
        provisioning = connection.execute(
            "SELECT record FROM resources WHERE kind = 'provisioned-concurrency' ORDER BY account, region, owner, name"
        ).fetchall()
        moving = connection.execute(
            "SELECT record FROM resources WHERE kind = ? AND json_extract(record, '$.state') NOT IN (?, ?)"
            " ORDER BY account, region, name",
            (kind_of(EventSourceMapping).word, *AT_REST),
        ).fetchall()
    finally:
        connection.execute("COMMIT")
    settings, provisioned = kind_of(FunctionSettings).decoder, kind_of(ProvisionedConcurrency).decoder
    mappings = kind_of(EventSourceMapping).decoder
    layer_uses = {tuple(text.split()): count for text, count in layers}
    return Opening(
        code_uses=all_uses(code_uses, layer_uses),
        layer_uses=layer_uses,
        unsettled=tuple(decode_version(text) for (text,) in unsettled),
        recent=tuple(decode_version(text) for (text,) in latest),
        reservations=tuple(settings.decode(text) for (text,) in reserving),
        provisioned=tuple(provisioned.decode(text) for (text,) in provisioning),
        unsettled_mappings=tuple(mappings.decode(text) for (text,) in moving),
    )
