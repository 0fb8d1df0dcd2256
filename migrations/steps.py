"""Steps that may be run again: each looks first, since a DDL statement commits at once and a migration may die between.

Tables hold millions of rows and are in use: a step takes the least lock that the server accepts for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pipeline.runtime.errors import Fatal

log = logging.getLogger("migrations")

LOCK_WAIT: Final = 5
"""Seconds to wait for the table's own lock: while a DDL statement waits for it, everybody else queues behind."""
LOCK_TRIES: Final = 60
SILENT: Final = 1.0
"""Seconds that a step may take without saying afterwards how long it took."""
TIMED_OUT: Final = 1205
REFUSED: Final = frozenset({1221, 1845, 1846, 4092})
"""The server does not do this statement in that way (4092: too many instant columns already)."""

INSTANT: Final = ", ALGORITHM=INSTANT"
ONLINE: Final = ", ALGORITHM=INPLACE, LOCK=NONE"
LOCKING: Final = ""


class Steps:
    """The steps of one migration on one connection, which has a schema selected."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.execute(text(f"SET SESSION lock_wait_timeout = {LOCK_WAIT}"))

    def create_table(self, table: str, *definitions: str) -> None:
        """Create a table where it is missing."""
        if not self._rows("TABLES", table):
            lines = ",\n  ".join(definitions)
            self._run(
                f"create table {table}", f"CREATE TABLE `{table}` (\n  {lines}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
            )

    def add_columns(self, table: str, columns: Mapping[str, str]) -> None:
        """Add those columns that are missing (name → type), at the end and in an instant."""
        there = {row.column_name.lower() for row in self._rows("COLUMNS", table)}
        missing = {name: kind for name, kind in columns.items() if name not in there}
        if missing:
            added = ", ".join(f"ADD COLUMN `{name}` {kind}" for name, kind in missing.items())
            self._alter(f"add {' and '.join(missing)} to {table}", table, added, (INSTANT, ONLINE, LOCKING))

    def add_index(self, table: str, name: str, columns: Sequence[str], *, unique: bool = False) -> None:
        """Add an index where it is missing; rows can be read and written meanwhile."""
        if all(row.index_name != name for row in self._rows("STATISTICS", table)):
            kind = "UNIQUE INDEX" if unique else "INDEX"
            added = f"ADD {kind} `{name}` ({', '.join(f'`{column}`' for column in columns)})"
            self._alter(f"add index {name}", table, added, (ONLINE, LOCKING))

    def _rows(self, view: str, table: str) -> Sequence[Any]:
        """The rows of an information_schema view about a table. Aliases: MySQL 8 writes the names in capitals."""
        what = {"TABLES": "table_rows", "COLUMNS": "column_name", "STATISTICS": "index_name"}[view]
        of_table = "table_schema = DATABASE() AND table_name = :table"
        select = text(f"SELECT {what} AS {what} FROM information_schema.{view} WHERE {of_table}")
        return self._connection.execute(select, {"table": table}).all()

    def _alter(self, title: str, table: str, change: str, ways: Sequence[str]) -> None:
        ((rows,),) = self._rows("TABLES", table)
        for way in ways:
            if way == LOCKING:
                log.info("  the server cannot do this online: writers wait")
            try:
                self._run(f"{title} (about {rows or 0:,} rows)", f"ALTER TABLE `{table}` {change}{way}")
            except DBAPIError as error:
                if way == LOCKING or _code(error) not in REFUSED:
                    raise
            else:
                return

    def _run(self, title: str, statement: str) -> None:
        log.info("%s …", title)
        began = time.monotonic()
        for _ in range(LOCK_TRIES):
            try:
                self._connection.execute(text(statement))
            except DBAPIError as error:
                if _code(error) != TIMED_OUT:
                    raise
                log.info("  waits for transactions that are open on the table")
            else:
                if (seconds := time.monotonic() - began) > SILENT:
                    log.info("  done in %.1f s", seconds)
                return
        raise Fatal(f"{title}: transactions keep the table locked; end them and run this again")


def _code(error: DBAPIError) -> object:
    return getattr(error.orig, "errno", None)
