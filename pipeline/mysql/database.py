"""Pooled connections to MySQL or MariaDB, and the transactions on them.

A `Lane` is one thread's connection. It hands out one `Transaction` after the other; a transaction that is not
committed is rolled back. A connection that was lost may still hold locks on the server (half-open): its id is
remembered, and whoever takes a connection next ends it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Final, NamedTuple

import mysql.connector
from sqlalchemy.dialects.mysql.mysqlconnector import MySQLDialect_mysqlconnector
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from pipeline.mysql.errors import ConnectionLost, DuplicateKey, RowRefused, ServerError, exhausted, translated
from pipeline.mysql.literals import literals
from pipeline.mysql.session import Database
from pipeline.runtime.errors import PipelineError

__all__ = [
    "ConnectionLost",
    "Connections",
    "Database",
    "DuplicateKey",
    "Lane",
    "RowRefused",
    "ServerError",
    "Transaction",
    "connections",
    "translated",
]

_IDENTITY: Final = "SELECT CONNECTION_ID(), @@hostname, @@max_allowed_packet"
AROUND: Final = 16
"""Bytes that a row, and a statement, have besides, at most."""
COMMIT: Final = "COMMIT"
_UPTIME: Final = "SHOW GLOBAL STATUS LIKE 'Uptime'"


class Transaction:
    """One open transaction: what domains and stores may do with the database.

    `changes`: those that went through: the table of an INSERT, the SQL of any other statement.
    """

    def __init__(self, connection: PoolProxiedConnection, packet: int) -> None:
        """`packet`: how many bytes a statement may have (max_allowed_packet)."""
        self._connection = connection
        self.is_committed = False
        self.changes: set[str] = set()
        self._packet = packet

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT. With parameters, `%s` stands for one, as SQL, and `%%` for a percent sign.

        Fetched from the C extension by itself: the connector's own loop takes five times as long, with rows locked.
        """
        with translated():
            connection = self._run(sql, parameters)
            try:
                return list(iter(connection._cmysql.fetch_row, None))
            finally:
                connection.free_result()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement that gives no rows; the number of rows that it changed. Parameters as in `query`."""
        with translated(sql):
            changed = int(self._run(sql, parameters)._cmysql.affected_rows())
        self.changes.add(sql)
        return changed

    def _run(self, sql: str, parameters: Sequence[object]) -> Any:
        """Not by a cursor, which looks through all that it is given for the end of a statement, values not excepted."""
        statement = sql.encode()
        if parameters:
            statement %= tuple(literals((value,)) for value in parameters)
        connection: Any = self._connection.dbapi_connection
        self.is_committed = False
        connection.cmd_query(statement)
        return connection

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
        """One INSERT of all these rows of `literals` (the connector's executemany writes the same, at twice the cost).

        Several, where the server takes none as long as that.

        Not by a cursor, which looks for the mysql shell's DELIMITER command in all that it is given, quoted texts not
        excepted, and cuts the statement there: a memo could stop the stream.
        """
        names = ", ".join(f"`{column}`" for column in columns)
        connection: Any = self._connection.dbapi_connection
        self.is_committed = False
        head = b"INSERT INTO `%s` (%s) VALUES (" % (table.encode(), names.encode())
        self.is_committed = False
        try:
            for part in within(rows, self._packet - len(head)):
                with translated(table):
                    connection.cmd_query(b"%s%s)" % (head, b"),(".join(part)))
        except DuplicateKey as duplicate:
            if duplicate.key == f"{table}.PRIMARY":
                raise exhausted() from None
            raise
        self.changes.add(table)

    def commit(self) -> None:
        """Make it durable. A connection lost meanwhile leaves it open whether it is: the event ids settle that."""
        with translated(COMMIT):
            self._connection.commit()
        self.is_committed = True


class CheckedOut(NamedTuple):
    """A connection as its server knows it. `since`: when it was handed out, in monotonic seconds.

    `packet`: the longest statement that it takes, in bytes.
    """

    id: int
    server: str
    since: float
    packet: int


class Connections:
    """The pool of one process, made after the fork: at most `size` connections, checked before use."""

    def __init__(self, database: Database, size: int) -> None:
        self._database = database
        self._abandoned: set[CheckedOut] = set()
        self._lock = threading.Lock()
        self._pool = QueuePool(
            self._connect,
            pool_size=size,
            max_overflow=0,
            pre_ping=True,
            reset_on_return=None,  # a lane rolls back itself
            dialect=MySQLDialect_mysqlconnector(dbapi=mysql.connector),
        )

    def _connect(self) -> Any:
        return self._database.connect()

    def checkout(self) -> PoolProxiedConnection:
        """A connection that has just answered, after the end of those lost. Raises `Transient`, `Halted`."""
        with translated():
            connection = self._pool.connect()
        try:
            self._end_abandoned(connection)
        except ConnectionLost:
            with suppress(*ServerError):
                connection.invalidate()
            raise
        return connection

    def _end_abandoned(self, connection: PoolProxiedConnection) -> None:
        """End lost connections that the server may still think alive, with their locks.

        Another server, or this one after a restart, has given their ids to others: those are left alone.
        """
        while (abandoned := self._next_abandoned()) is not None:
            try:
                with translated(), closing(connection.cursor()) as cursor:
                    if _may_be_alive(abandoned, cursor):
                        cursor.execute(f"KILL {abandoned.id:d}")
            except ConnectionLost:
                self.abandon(abandoned)
                raise
            except PipelineError:
                continue  # has ended by itself, or is somebody else's

    def _next_abandoned(self) -> CheckedOut | None:
        with self._lock:
            return self._abandoned.pop() if self._abandoned else None

    @property
    def in_use(self) -> int:
        """Connections that are handed out now."""
        return self._pool.checkedout()

    def abandon(self, lost: CheckedOut) -> None:
        """Remember a lost connection, so that whoever works next ends it."""
        with self._lock:
            self._abandoned.add(lost)

    def lane(self) -> Lane:
        """One thread's way to the database."""
        return Lane(self)

    def close(self) -> None:
        """Close every idle connection."""
        self._pool.dispose()


def within(rows: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """Runs of rows that have up to `size` bytes with what stands around them; one that has more is by itself."""
    if sum(map(len, rows)) + AROUND * (len(rows) + 1) <= size:
        yield rows
        return
    start, length = 0, AROUND
    for end, row in enumerate(rows):
        if end > start and length + len(row) + AROUND > size:
            yield rows[start:end]
            start, length = end, AROUND
        length += len(row) + AROUND
    yield rows[start:]


def _may_be_alive(lost: CheckedOut, cursor: Any) -> bool:
    """Whether this is its server, and has been up since before that connection was handed out, to a second."""
    cursor.execute(_IDENTITY)
    ((_, server, _),) = cursor.fetchall()
    cursor.execute(_UPTIME)
    ((_, uptime),) = cursor.fetchall()
    return bool(server == lost.server and int(uptime) > time.monotonic() - lost.since + 1)


class Lane:
    """One thread's connection: kept from transaction to transaction, replaced where it was lost."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._connection: PoolProxiedConnection | None = None
        self._checked_out = CheckedOut(0, "", 0.0, 0)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Rolled back unless `commit()` was called. Raises `Transient`, `Halted`, `RowRefused`."""
        connection = self._open()
        transaction = Transaction(connection, self._checked_out.packet)
        try:
            yield transaction
        except ConnectionLost:
            self._give_up(connection)
            raise
        finally:
            if self._connection is not None and not transaction.is_committed:
                self._roll_back(connection)

    def _open(self) -> PoolProxiedConnection:
        if self._connection is None:
            connection = self._connections.checkout()
            with translated(), closing(connection.cursor()) as cursor:
                cursor.execute(_IDENTITY)
                ((connection_id, server, packet),) = cursor.fetchall()
            self._checked_out = CheckedOut(connection_id, server, time.monotonic(), packet)
            self._connection = connection
        return self._connection

    def _roll_back(self, connection: PoolProxiedConnection) -> None:
        try:
            connection.rollback()
        except ServerError:
            self._give_up(connection)

    def _give_up(self, connection: PoolProxiedConnection) -> None:
        self._connections.abandon(self._checked_out)
        with suppress(*ServerError):
            connection.invalidate()
        self._connection = None

    def close(self) -> None:
        """Give the connection back to the pool."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_pools: dict[tuple[int, Database, int], Connections] = {}
_pools_lock = threading.Lock()


def connections(database: Database, size: int) -> Connections:
    """The pool of this process (Python workers are forked: a pool never crosses a fork)."""
    key = (os.getpid(), database, size)
    with _pools_lock:
        if key not in _pools:
            _pools[key] = Connections(database, size)
        return _pools[key]
