"""What only the SQLite store promises: durability, group commit, order, and clear failure."""

import asyncio
import json
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from midge.model.functions import FunctionId, FunctionSettings
from midge.model.limits import Limits
from midge.model.policies import PolicyStatement, ResourcePolicy
from midge.store.errors import ExistsError, StorageFullError, StoreUnavailableError
from midge.store.migrate import Migration, known_migrations, migrate
from midge.store.port import Usage
from midge.store.records import kind_of
from midge.store.sqlite import SqliteStore
from midge.store.usage import usage
from midge.store.writer import Writer


def open_writer(path: Path, *, queued: int = 100, batch: int = 100) -> Writer:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x TEXT UNIQUE)")
    return Writer(connection, queued_writes=queued, batch_writes=batch)


def rows(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [x for (x,) in connection.execute("SELECT x FROM t ORDER BY rowid")]
    finally:
        connection.close()


def insert(x: str, connection: sqlite3.Connection) -> str:
    connection.execute("INSERT INTO t VALUES (?)", (x,))
    return x


def test_a_write_is_visible_to_others_when_it_returns(tmp_path: Path) -> None:
    """When a write returns, another connection reads it: the commit has happened."""

    async def main() -> None:
        writer = open_writer(tmp_path / "db")
        assert await writer.run(lambda connection: insert("a", connection)) == "a"
        assert rows(tmp_path / "db") == ["a"]
        writer.close()

    asyncio.run(main())


def test_a_bad_write_does_not_spoil_its_batch(tmp_path: Path) -> None:
    """A write that raises is undone alone, whatever it raises; the others of its transaction are kept, in order."""

    def breaks_rule(connection: sqlite3.Connection) -> None:
        insert("undone", connection)
        raise ExistsError("x")

    def has_bug(connection: sqlite3.Connection) -> None:
        insert("undone", connection)
        raise ZeroDivisionError

    async def main() -> None:
        writer = open_writer(tmp_path / "db")
        outcomes = await asyncio.gather(
            writer.run(lambda connection: insert("a", connection)),
            writer.run(breaks_rule),
            writer.run(has_bug),
            writer.run(lambda connection: insert("a", connection)),
            writer.run(lambda connection: insert("b", connection)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [
            str, ExistsError, ZeroDivisionError, StoreUnavailableError, str,
        ]  # fmt: skip
        writer.close()

    asyncio.run(main())
    assert rows(tmp_path / "db") == ["a", "b"]


def test_waiting_writes_share_transactions(tmp_path: Path) -> None:
    """Writes that gather while the writer is busy are committed together, and no batch is larger than allowed."""
    batches: list[int] = []

    async def main() -> None:
        writer = open_writer(tmp_path / "db", batch=40)
        commit = writer._commit

        def counting(batch: list[object]) -> None:
            batches.append(len(batch))
            commit(batch)  # pyright: ignore[reportArgumentType]

        writer._commit = counting  # pyright: ignore[reportAttributeAccessIssue]
        await asyncio.gather(*(writer.run(lambda c, n=n: insert(str(n), c)) for n in range(100)))
        writer.close()

    asyncio.run(main())
    assert sum(batches) == 100
    assert len(batches) < 50
    assert max(batches) <= 40


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    """While the disk is slow no more writes are handed over than there are places; the rest wait, and all succeed."""
    go_on = threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        go_on.wait(30)

    async def main() -> None:
        writer = open_writer(tmp_path / "db", queued=3)
        pending = [asyncio.ensure_future(writer.run(slow))]
        pending += [
            asyncio.ensure_future(writer.run(lambda c, n=n: c.execute(f"INSERT INTO t VALUES ({n})") and None))
            for n in range(50)
        ]
        for _ in range(10):
            await asyncio.sleep(0)
            assert writer._queue.qsize() <= 3
        go_on.set()
        await asyncio.gather(*pending)
        writer.close()

    asyncio.run(main())
    assert len(rows(tmp_path / "db")) == 50


def test_close_finishes_what_was_asked_for(tmp_path: Path) -> None:
    """Writes queued before close are committed."""

    async def main() -> None:
        writer = open_writer(tmp_path / "db")
        pending = [asyncio.ensure_future(writer.run(lambda c, n=n: insert(str(n), c))) for n in range(20)]
        await asyncio.gather(*pending[:1])
        await asyncio.get_running_loop().run_in_executor(None, writer.close)
        await asyncio.gather(*pending)
        with pytest.raises(StoreUnavailableError):
            await writer.run(lambda connection: insert("late", connection))

    asyncio.run(main())
    assert len(rows(tmp_path / "db")) == 20


def test_a_caller_that_gave_up_harms_nobody(tmp_path: Path) -> None:
    """Cancelling one caller leaves the writes of the others as they were."""

    async def main() -> None:
        writer = open_writer(tmp_path / "db")
        tasks = [asyncio.ensure_future(writer.run(lambda c, n=n: insert(str(n), c))) for n in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [n for n, outcome in enumerate(outcomes) if outcome != str(n)] == [3]
        writer.close()

    asyncio.run(main())


def test_a_full_disk_is_said_clearly_and_keeps_nothing(tmp_path: Path) -> None:
    """When SQLite finds no room every caller of the batch gets StorageFullError, and later writes work again."""

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 1_000_000,))

    async def main() -> None:
        writer = open_writer(tmp_path / "db")
        (pages,) = await writer.run(lambda c: c.execute("PRAGMA page_count").fetchone())
        await writer.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 1}").fetchone())
        outcomes = await asyncio.gather(
            writer.run(lambda c: insert("with it", c)), writer.run(fill), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {StorageFullError}
        await writer.run(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
        await writer.run(lambda c: insert("later", c))
        writer.close()

    asyncio.run(main())
    assert rows(tmp_path / "db") == ["later"]


def test_the_database_is_private_and_durable(tmp_path: Path) -> None:
    """The file is readable by its owner alone, in WAL mode with synchronous=FULL and foreign keys."""

    def modes() -> dict[str, int]:
        return {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    async def main() -> None:
        store = await SqliteStore.open(tmp_path / "midge.db", Limits())
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        values = [
            await store._database.write(lambda c, name=name: c.execute(f"PRAGMA {name}").fetchone()[0])
            for name in pragmas
        ]
        assert values == ["wal", 2, 1]
        assert modes() == {"midge.db": 0o600, "midge.db-shm": 0o600, "midge.db-wal": 0o600}
        await store.close()
        assert modes() == {"midge.db": 0o600}

    asyncio.run(main())


@pytest.mark.parametrize("content", [b"this is no database, but long enough to look at" * 10, None])
def test_what_cannot_be_opened_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A file that is no database, and a path that cannot be made, raise StoreUnavailableError."""
    path = tmp_path / "midge.db"
    if content is None:
        path = tmp_path / "nowhere" / "midge.db"
    else:
        path.write_bytes(content)
    with pytest.raises(StoreUnavailableError):
        asyncio.run(SqliteStore.open(path, Limits()))


def connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


FIRST = Migration(1, "first", "CREATE TABLE a (x);")
SECOND = Migration(2, "second", "CREATE TABLE b (x); INSERT INTO b VALUES (1);")


def test_migrations_are_applied_once_and_in_order() -> None:
    """What is missing is applied, what is there is not applied again."""
    connection = connect()
    migrate(connection, [FIRST])
    migrate(connection, [FIRST, SECOND])
    migrate(connection, [FIRST, SECOND])
    assert connection.execute("SELECT count(*) FROM b").fetchone() == (1,)
    assert connection.execute("SELECT number, name FROM migrations").fetchall() == [(1, "first"), (2, "second")]
    connection.close()


@pytest.mark.parametrize(
    ("known", "says"),
    [([FIRST], "newer midge"), ([FIRST, Migration(2, "second", "CREATE TABLE b (y);")], "differs")],
)
def test_a_database_from_elsewhere_is_refused(known: list[Migration], says: str) -> None:
    """A database with unknown migrations, or with one of other content, is left alone."""
    connection = connect()
    migrate(connection, [FIRST, SECOND])
    with pytest.raises(StoreUnavailableError, match=says):
        migrate(connection, known)
    connection.close()


def test_a_failed_migration_leaves_nothing() -> None:
    """A migration that fails halfway is undone and not recorded."""
    connection = connect()
    with pytest.raises(sqlite3.Error):
        migrate(connection, [Migration(1, "broken", "CREATE TABLE a (x); CREATE TABEL b (x);")])
    assert connection.execute("SELECT count(*) FROM migrations").fetchone() == (0,)
    migrate(connection, [FIRST])
    connection.close()


def test_the_shipped_migrations_are_numbered_without_gaps() -> None:
    """The files that ship are 0001, 0002, ... and there is at least one."""
    numbers = [migration.number for migration in known_migrations()]
    assert numbers
    assert numbers == list(range(1, len(numbers) + 1))


def test_tags_move_out_of_what_earlier_versions_wrote() -> None:
    """Tags that were kept with $LATEST are settings after the migration, and the rest of the record is untouched."""
    connection = connect()
    migrations = known_migrations()
    migrate(connection, migrations[:1])
    function = {"account": "000000000000", "region": "us-east-1", "name": "f"}
    kept = {"KMSKeyArn": "k", "Tags": {"a": "ü", "b.c": ""}}
    code = {"size_bytes": 1}
    record = {"function": function, "version": "$LATEST", "kept": kept, "code": code}
    other = {"function": {**function, "name": "g"}, "version": "$LATEST", "kept": {}, "code": code}
    for name, each in (("f", record), ("g", other)):
        connection.execute(
            "INSERT INTO function_versions VALUES (?, ?, ?, 0, 'r', ?)",
            ("000000000000", "us-east-1", name, json.dumps(each)),
        )
    migrate(connection, migrations)
    ((text,),) = connection.execute("SELECT record FROM resources WHERE kind = 'settings'")
    settings = kind_of(FunctionSettings).decoder.decode(text)
    assert settings == FunctionSettings(function=FunctionId(**function), tags={"a": "ü", "b.c": ""})
    rows = connection.execute("SELECT record FROM function_versions ORDER BY name").fetchall()
    assert [json.loads(text) for (text,) in rows] == [{**record, "kept": {"KMSKeyArn": "k"}}, other]
    connection.close()


def test_the_code_that_was_there_counts() -> None:
    """Versions that an earlier midge stored are counted with the size of their code after the migration."""
    connection = connect()
    migrations = known_migrations()
    migrate(connection, migrations[:3])
    for name, of_version, size in (("f", 0, 5), ("f", 1, 7), ("g", 0, 11)):
        record = json.dumps({"code": {"size_bytes": size}})
        connection.execute("INSERT INTO function_versions VALUES ('a', 'r', ?, ?, '1', ?)", (name, of_version, record))
    migrate(connection, migrations)
    assert usage(connection, "a", "r") == Usage(functions=2, code_bytes=23, reserved_concurrency=0)
    connection.close()


def test_policies_of_earlier_versions_keep_their_meaning() -> None:
    """Statements with one principal, one action and one value per condition are the same statements afterwards."""
    connection = connect()
    migrations = known_migrations()
    migrate(connection, migrations[:4])
    statement = {
        "sid": "s", "effect": "Allow", "principal_kind": "Service", "principal": "s3.amazonaws.com", "action": "*",
        "conditions": {"ArnLike": {"AWS:SourceArn": "arn:ü"}, "Bool": {"a": "true", "b.c": "false"}},
    }  # fmt: skip
    other = {"sid": "t", "effect": "Allow", "principal_kind": "*", "principal": "*", "action": "*", "conditions": {}}
    function = {"account": "a", "region": "r", "name": "f"}
    record = {"function": function, "qualifier": None, "statements": [statement, other], "revision_id": "p1"}
    connection.execute("INSERT INTO resource_policies VALUES ('a', 'r', 'f', '', 'p1', ?)", (json.dumps(record),))
    migrate(connection, migrations)
    ((text,),) = connection.execute("SELECT record FROM resources WHERE kind = 'policy'")
    assert kind_of(ResourcePolicy).decoder.decode(text) == ResourcePolicy(
        function=FunctionId(**function),
        qualifier=None,
        revision_id="p1",
        statements=(
            PolicyStatement(
                sid="s",
                principals={"Service": ("s3.amazonaws.com",)},
                actions=("*",),
                conditions={"ArnLike": {"AWS:SourceArn": ("arn:ü",)}, "Bool": {"a": ("true",), "b.c": ("false",)}},
            ),
            PolicyStatement(sid="t", principals={"*": ("*",)}, actions=("*",)),
        ),
    )
    connection.close()


def test_what_was_unsettled_is_found_after_the_migration() -> None:
    """Versions that an earlier midge left Pending or InProgress are those that a start takes up."""
    connection = connect()
    migrations = known_migrations()
    migrate(connection, migrations[:4])
    states = [("p", "Pending", "Successful"), ("u", "Active", "InProgress"), ("a", "Active", "Successful")]
    for name, state, update in states:
        record = json.dumps({"code": {"digest": name}, "state": state, "last_update_status": update})
        connection.execute("INSERT INTO function_versions VALUES ('a', 'r', ?, 0, '1', ?, 0)", (name, record))
    migrate(connection, migrations)
    found = connection.execute("SELECT name, code_digest FROM function_versions WHERE settled = 0 ORDER BY name")
    assert found.fetchall() == [("p", "p"), ("u", "u")]
    connection.close()
