"""The queue in SQLite, in a file of its own: a flood of events does not hold up the control plane's writes.

Holds are a column that a start clears.
"""

import sqlite3
from dataclasses import replace
from functools import partial
from pathlib import Path

from midge.model.functions import FunctionId
from midge.model.limits import Limits
from midge.queue.port import AsyncEvent, WaitingEvents
from midge.store.database import Database

_FREE = "FROM events WHERE account = ? AND region = ? AND function = ? AND held = 0"


def _key(function: FunctionId) -> tuple[str, str, str]:
    return (function.account, function.region, function.name)


class SqliteEventQueue:
    """See ``port.EventQueue``. Make it with ``open``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path, limits: Limits) -> "SqliteEventQueue":
        """Open or make the queue at ``path``; nobody holds anything of it. Raises StoreUnavailableError."""
        database = await Database.open(path, "midge.queue", limits)
        await database.write(_let_go_of_all)
        return cls(database)

    async def close(self) -> None:
        await self._database.close()

    async def put(self, event: AsyncEvent, *, held: bool) -> AsyncEvent:
        return await self._database.write(partial(_put, event=event, held=held))

    async def take(self, function: FunctionId, now_seconds: float, count: int, most_bytes: int) -> list[AsyncEvent]:
        return await self._database.write(
            partial(_take, function=function, now_seconds=now_seconds, count=count, most_bytes=most_bytes)
        )

    async def put_back(self, event: AsyncEvent) -> None:
        await self._database.write(partial(_put_back, event=event))

    async def remove(self, event: AsyncEvent) -> None:
        await self._database.write(partial(_remove, event=event))

    async def waiting(self) -> list[WaitingEvents]:
        return await self._database.read(_waiting)

    async def next_due(self, function: FunctionId) -> float | None:
        return await self._database.read(partial(_next_due, function=function))

    async def count(self) -> int:
        return await self._database.read(_count)


def _let_go_of_all(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE events SET held = 0 WHERE held = 1")


def _put(connection: sqlite3.Connection, event: AsyncEvent, *, held: bool) -> AsyncEvent:
    number = connection.execute(
        "INSERT INTO events (account, region, function, due, attempts, delays, held) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*_key(event.function), event.due_seconds, event.attempts, event.delays, held),
    ).lastrowid
    assert number is not None
    content = (event.qualifier, event.request_id, event.trace_id, event.accepted_seconds)
    connection.execute(
        "INSERT INTO contents (number, qualifier, request_id, trace_id, accepted, client_context, payload, tenant_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (number, *content, event.client_context, event.payload, event.tenant_id),
    )
    return replace(event, number=number)


def _take(
    connection: sqlite3.Connection, function: FunctionId, now_seconds: float, count: int, most_bytes: int
) -> list[AsyncEvent]:
    rows = connection.execute(
        f"SELECT number, due, attempts, delays {_FREE} AND due <= ? ORDER BY due, number LIMIT ?",
        (*_key(function), now_seconds, count),
    ).fetchall()
    taken: list[AsyncEvent] = []
    size = 0
    for number, due, attempts, delays in rows:
        if size >= most_bytes:
            break
        qualifier, request_id, trace_id, accepted, client_context, payload, tenant_id = connection.execute(
            "SELECT qualifier, request_id, trace_id, accepted, client_context, payload, tenant_id"
            " FROM contents WHERE number = ?",
            (number,),
        ).fetchone()
        connection.execute("UPDATE events SET held = 1 WHERE number = ?", (number,))
        size += len(payload)
        taken.append(
            AsyncEvent(
                number=number,
                function=function,
                qualifier=qualifier,
                request_id=request_id,
                trace_id=trace_id,
                payload=payload,
                client_context=client_context,
                tenant_id=tenant_id,
                accepted_seconds=accepted,
                due_seconds=due,
                attempts=attempts,
                delays=delays,
            )
        )
    return taken


def _put_back(connection: sqlite3.Connection, event: AsyncEvent) -> None:
    connection.execute(
        "UPDATE events SET held = 0, due = ?, attempts = ?, delays = ? WHERE number = ?",
        (event.due_seconds, event.attempts, event.delays, event.number),
    )


def _remove(connection: sqlite3.Connection, event: AsyncEvent) -> None:
    connection.execute("DELETE FROM events WHERE number = ?", (event.number,))


def _waiting(connection: sqlite3.Connection) -> list[WaitingEvents]:
    rows = connection.execute(
        "SELECT account, region, function, MIN(due) FROM events WHERE held = 0 GROUP BY account, region, function"
    )
    return [
        WaitingEvents(function=FunctionId(account=account, region=region, name=name), due_seconds=due)
        for account, region, name, due in rows
    ]


def _next_due(connection: sqlite3.Connection, function: FunctionId) -> float | None:
    row = connection.execute(f"SELECT MIN(due) {_FREE}", _key(function)).fetchone()
    return None if row[0] is None else float(row[0])


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM events").fetchone()[0])
