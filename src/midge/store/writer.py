"""The one writer of a SQLite database: a thread that turns queued writes into as few transactions as it can.

Every wake-up takes all writes that have gathered, runs each inside a savepoint of one transaction and commits once;
only then do the callers hear of it. A write that breaks a rule is rolled back alone. When the database itself fails
(a full disk, an I/O error) nothing of the batch is kept and every caller of the batch is told so.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from midge.store.errors import StorageFullError, StoreError, StoreUnavailableError

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]


@dataclass(slots=True)
class _Write:
    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        if self.answer.done():
            return
        if self.error is None:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(self.error)


def translate(error: sqlite3.Error) -> StoreError:
    """SQLite's failure as one of ours."""
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
        return StorageFullError("the disk that holds midge's data is full")
    return StoreUnavailableError(f"the database failed: {error}")


class Writer:
    """Owns ``connection`` (in autocommit mode) and the thread that uses it, until ``close``."""

    def __init__(self, connection: sqlite3.Connection, *, queued_writes: int, batch_writes: int) -> None:
        """At most ``queued_writes`` wait, further callers wait for a place; one transaction takes ``batch_writes``."""
        self._connection = connection
        self._batch_writes = batch_writes
        self._places = asyncio.Semaphore(queued_writes)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="midge-store-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Work[Result]) -> Result:
        """Run ``work`` in a transaction; returns when it is on disk. Raises what it raises of StoreError.

        A caller that is cancelled does not call the write off: it may be kept or not.
        """
        async with self._places:
            if self._closed:
                raise StoreUnavailableError("the store is closed")
            loop = asyncio.get_running_loop()
            write = _Write(work, loop, loop.create_future())
            self._queue.put(write)
            return cast("Result", await write.answer)

    def close(self) -> None:
        """Finish what is queued and close the connection. Blocks; to be called once, from an executor."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    # the thread's side

    def _run(self) -> None:
        last = False
        while not last:
            batch, last = self._gather()
            if batch:
                self._commit(batch)
                _tell_all(batch)

    def _gather(self) -> tuple[list[_Write], bool]:
        item = self._queue.get()
        batch: list[_Write] = []
        while item is not None:
            batch.append(item)
            if len(batch) >= self._batch_writes:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Write]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for write in batch:
                self._perform(write)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            failure = translate(error)
            for write in batch:
                write.error = failure
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _perform(self, write: _Write) -> None:
        connection = self._connection
        connection.execute("SAVEPOINT one_write")
        try:
            write.result = write.work(connection)
        except sqlite3.IntegrityError as error:
            write.error = translate(error)
            connection.execute("ROLLBACK TO one_write")
        except sqlite3.Error:
            raise  # the database itself is in trouble: the batch fails as a whole
        except Exception as error:  # noqa: BLE001 - belongs to the caller; the thread must outlive it
            write.error = error
            connection.execute("ROLLBACK TO one_write")
        connection.execute("RELEASE one_write")


def _tell_all(batch: list[_Write]) -> None:
    """Wake the callers: one crossing of threads for each event loop, in the order of the writes."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
    for write in batch:
        by_loop.setdefault(write.loop, []).append(write)
    for loop, writes in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_tell, writes)


def _tell(writes: list[_Write]) -> None:
    for write in writes:
        write.tell()
