"""Connections and the fate of their errors, on the real server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import mysql.connector
import pytest

from pipeline.mysql.database import ConnectionLost, Connections, Database, DuplicateKey, Lane, RowRefused, Transaction
from pipeline.mysql.errors import StatementRefused
from pipeline.mysql.literals import literals
from pipeline.mysql.location import parse_mysql_location
from pipeline.runtime.errors import Fatal, Halted, PipelineError, Transient
from tests import servers
from tests.schema import Schema

STOCK = ("ticker", "name", "price", "volume", "high", "low", "timestamp", "status", "event_id")


def quote(event: bytes, price: str = "1.5") -> tuple[object, ...]:
    return "UTOP", "Utopia", Decimal(price), 1, Decimal(2), Decimal(1), datetime(2021, 10, 6), 1, event


@pytest.fixture
def where(database: Schema) -> Database:
    return Database(database.host, database.port, database.user, database.password, database.name)


class Tidy(Connections):
    """Closes its lanes with itself."""

    def __init__(self, where: Database) -> None:
        super().__init__(where, 4)
        self._lanes: list[Lane] = []

    def lane(self) -> Lane:
        self._lanes.append(super().lane())
        return self._lanes[-1]

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()
        super().close()


@pytest.fixture
def pool(where: Database) -> Iterator[Connections]:
    connections = Tidy(where)
    yield connections
    connections.close()


def insert(lane: Lane, *rows: tuple[object, ...]) -> None:
    with lane.transaction() as transaction:
        transaction.insert("stocks", STOCK, [literals(row) for row in rows])
        transaction.commit()


def count(lane: Lane) -> int:
    with lane.transaction() as transaction:
        ((number,),) = transaction.query("SELECT COUNT(*) FROM stocks")
    return int(number)


def test_what_is_not_committed_is_rolled_back(pool: Connections) -> None:
    lane = pool.lane()
    with lane.transaction() as transaction:
        transaction.insert("stocks", STOCK, [literals(quote(b"a" * 16))])
    assert count(lane) == 0
    insert(lane, quote(b"a" * 16), quote(b"b" * 16))
    assert count(lane) == 2


def test_what_is_committed_is_not_rolled_back_as_well_but_what_comes_after_it_is(pool: Connections) -> None:
    lane = pool.lane()
    told = []
    for _ in range(2):
        with lane.transaction() as transaction:
            told.append(transaction.query("SHOW SESSION STATUS LIKE 'Com_rollback'"))
            transaction.commit()
    assert told[0] == told[1]
    with lane.transaction() as transaction:
        transaction.commit()
        transaction.execute("UPDATE users SET username = 'x' WHERE 1 = 0")
    with lane.transaction() as transaction:
        assert transaction.query("SHOW SESSION STATUS LIKE 'Com_rollback'") != told[0]


def test_parameters_stand_where_they_are_wanted_and_nothing_is_read_into_them(pool: Connections) -> None:
    awkward = "%s ?; -- ' \\' /*"
    with pool.lane().transaction() as transaction:
        rows = transaction.query("SELECT %s, '%%', %s, %s, %s", (awkward, None, Decimal("1.50"), 7))
        assert transaction.query("SELECT '%s'") == [("%s",)]
    assert rows == [(awkward, "%", None, Decimal("1.50"), 7)]


def test_text_of_every_kind_arrives_as_it_was(pool: Connections) -> None:
    lane = pool.lane()
    names = ['O\'Neill \\ "x"; DROP TABLE stocks; --', "%s %(a)s %%", "🙂 שלום", "a\x00b\n"]
    insert(lane, *[("T", name, *quote(bytes([i]) * 16)[2:]) for i, name in enumerate(names)])
    with lane.transaction() as transaction:
        rows = transaction.query("SELECT name, event_id FROM stocks ORDER BY event_id")
    assert [(name, bytes(event)) for name, event in rows] == [(n, bytes([i]) * 16) for i, n in enumerate(names)]


def test_only_a_duplicate_of_the_event_id_is_one(pool: Connections) -> None:
    lane = pool.lane()
    insert(lane, quote(b"a" * 16))
    with pytest.raises(DuplicateKey):
        insert(lane, quote(b"a" * 16))
    with lane.transaction() as transaction, pytest.raises(Halted) as halted:
        transaction.execute("CREATE TEMPORARY TABLE other (a INT UNIQUE)")
        transaction.execute("INSERT INTO other VALUES (1), (1)")
    assert not isinstance(halted.value, Transient)


def test_the_end_of_auto_increment_is_fatal(pool: Connections) -> None:
    lane = pool.lane()
    with lane.transaction() as transaction:
        transaction.execute("ALTER TABLE stocks AUTO_INCREMENT = 4294967294")
    with pytest.raises(Fatal, match="AUTO_INCREMENT"):
        for event in range(4):
            insert(lane, quote(bytes([event]) * 16))


def test_a_value_that_no_column_holds_condemns_its_row_and_says_no_value(pool: Connections) -> None:
    lane = pool.lane()
    with pytest.raises(RowRefused) as condemned:
        insert(lane, quote(b"a" * 16, "98765432.1"))
    assert "9876" not in str(condemned.value)


def test_what_nobody_foresaw_halts(pool: Connections) -> None:
    with pool.lane().transaction() as transaction, pytest.raises(Halted):
        transaction.query("SELECT no_such_column FROM stocks")


def test_a_connector_without_its_c_extension_ends_the_start_in_one_line(
    where: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql.connector, "HAVE_CEXT", False)
    with pytest.raises(Fatal, match="no C extension"):
        where.connect()


def test_a_killed_connection_is_replaced(pool: Connections) -> None:
    lane, other = pool.lane(), pool.lane()
    with lane.transaction() as transaction:
        ((victim,),) = transaction.query("SELECT CONNECTION_ID()")
    with other.transaction() as transaction:
        transaction.execute(f"KILL {victim}")
    with pytest.raises(ConnectionLost):
        count(lane)
    assert count(lane) == 0


def test_a_server_that_is_away_is_transient_and_one_that_refuses_halts(where: Database) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = Database("127.0.0.1", nobody.getsockname()[1], "root", "", "x")
        with pytest.raises(Transient):
            away.connect()
    with pytest.raises(Halted):
        Database(where.host, where.port, "nobody", "wrong", where.schema).connect()


def test_an_account_that_is_locked_halts_and_no_statement_is_to_blame(clerk: Database, database: Schema) -> None:
    clerk.connect().close()
    database.execute(f"ALTER USER `{clerk.user}` ACCOUNT LOCK")
    with pytest.raises(Halted) as locked:
        clerk.connect()
    assert not isinstance(locked.value, StatementRefused)


@pytest.fixture
def clerk(database: Schema) -> Iterator[Database]:
    """A user who may write, but not where the server is read-only."""
    user = f"clerk_{database.name}"
    database.execute(f"CREATE USER `{user}` IDENTIFIED BY 'secret'")
    database.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{database.name}`.* TO `{user}`")
    yield Database(database.host, database.port, user, "secret", database.name)
    database.execute("SET GLOBAL read_only = 0")
    database.execute(f"DROP USER `{user}`")


def test_a_connection_to_a_server_that_became_read_only_is_not_used_again(clerk: Database, database: Schema) -> None:
    connections = Tidy(clerk)
    lane = connections.lane()
    with lane.transaction() as transaction:
        before = transaction.query("SELECT CONNECTION_ID()")
    database.execute("SET GLOBAL read_only = 1")
    with pytest.raises(Transient, match=r"1290|1836"):
        insert(lane, quote(b"a" * 16))
    database.execute("SET GLOBAL read_only = 0")
    with lane.transaction() as transaction:
        assert transaction.query("SELECT CONNECTION_ID()") != before, "its name may lead to another server by now"
    connections.close()


def test_a_connection_that_may_only_read_is_not_used_again(pool: Connections) -> None:
    """As one that began while the server's default was READ ONLY: 1792, whatever the server is by now."""
    lane = pool.lane()
    with lane.transaction() as transaction:
        transaction.execute("SET SESSION TRANSACTION READ ONLY")
    with pytest.raises(ConnectionLost, match="1792"):
        insert(lane, quote(b"a" * 16))
    insert(lane, quote(b"a" * 16))


def test_the_locks_of_a_lost_connection_are_ended_by_the_next_one(pool: Connections, database: Schema) -> None:
    """A half-open connection: the server still thinks it alive, we have given it up."""
    database.grow_old()
    lane, other = pool.lane(), pool.lane()
    insert(lane, quote(b"a" * 16))
    raw = other._open()
    held = Transaction(raw, other._checked_out.packet)
    held.query("SELECT id FROM stocks FOR UPDATE")
    keep = raw.dbapi_connection  # still open: only our side has forgotten it
    pool.abandon(other._checked_out)
    raw.detach()
    other._connection = None
    pool.lane()._open()
    began = time.monotonic()
    with lane.transaction() as transaction:
        transaction.query("SELECT id FROM stocks FOR UPDATE")
    assert time.monotonic() - began < 4, "waited for innodb_lock_wait_timeout"
    assert keep is not None
    keep.close()


def test_after_a_restart_of_the_server_nobody_else_s_connection_is_ended(tmp_path: Path) -> None:
    """Ids begin anew there: the one that was lost is another's now."""
    with servers.database(tmp_path) as server:
        pool = Tidy(Database(server.host, server.port, server.user, server.password, server.name))
        lane = pool.lane()
        with lane.transaction():
            pass
        lost = lane._checked_out.id
        server.kill9()
        with pytest.raises(Transient), lane.transaction() as transaction:
            transaction.query("SELECT 1")
        server.start()
        others = {}
        while lost not in others:
            connection = server.connect()
            others[connection.connection_id] = connection
        with lane.transaction() as transaction:
            assert transaction.query("SELECT 1") == [(1,)]
        for connection in others.values():
            assert connection.is_connected()
            connection.close()
        pool.close()


def test_a_deadlock_and_a_lock_wait_are_transient(pool: Connections, where: Database) -> None:
    insert(pool.lane(), quote(b"a" * 16), quote(b"b" * 16))
    barrier = threading.Barrier(2)
    errors: list[PipelineError] = []

    def cross(first: bytes, second: bytes) -> None:
        try:
            with pool.lane().transaction() as transaction:
                transaction.execute("UPDATE stocks SET status = 2 WHERE event_id = %s", (first,))
                barrier.wait(10)
                transaction.execute("UPDATE stocks SET status = 3 WHERE event_id = %s", (second,))
        except PipelineError as error:
            errors.append(error)

    threads = [threading.Thread(target=cross, args=pair) for pair in ((b"a" * 16, b"b" * 16), (b"b" * 16, b"a" * 16))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error) for error in errors] == [Transient]


def test_a_connection_without_tls_is_refused_where_the_url_requires_it(without_tls: Schema) -> None:
    plain = parse_mysql_location(without_tls.url)
    Database.at(plain).connect().close()
    with pytest.raises(Halted, match="not encrypted, though sslMode=REQUIRED"):
        Database.at(replace(plain, tls="REQUIRED")).connect()
