"""Errors of MySQL and MariaDB by fate. Their own texts hold values of messages: only codes remain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import mysql.connector
from mysql.connector.connection_cext import MySQLInterfaceError  # type: ignore[attr-defined]

from pipeline.runtime.errors import Fatal, Halted, PipelineError, Transient

ServerError = (mysql.connector.Error, MySQLInterfaceError)
"""The C extension lets its own errors through on commit and rollback."""

CONDEMNING: Final = frozenset({1216, 1264, 1366, 1406, 1452, 3819, 4025})
"""The row itself is refused: out of range, wrong value, too long, no such parent (1216 for a user who may not look into
the parent's table), check constraint (3819 on MySQL, 4025 on MariaDB)."""

TRANSIENT: Final = frozenset(
    {
        1020,
        1040,
        1047,
        1053,
        1152,
        1158,
        1159,
        1160,
        1161,
        1203,
        1205,
        1206,
        1213,
        1290,
        1297,
        1317,
        1412,
        1637,
        1689,
        1792,
        1836,
        1927,
        1969,
        3024,
        3101,
        3168,
        4031,
    }
)
"""Heals by itself: deadlock, lock wait, read-only, shutting down, too many connections, killed, cut off, no room for
locks or transactions."""

LOST: Final = frozenset({1047, 1053, 1152, 1158, 1159, 1160, 1161, 1290, 1792, 1836, 1927, 3032, 4031})
"""After these, as after every error of the client itself (2000–2999), the connection is of no more use.

A server that has become read-only (1290, 1836), or has left its cluster (1047), may stay up while its name already
leads to another: only a new connection looks the name up again. One that began while the server's default was READ ONLY
stays so (1792).
"""

TLS_FAILED: Final = 2026
TLS_WANTED: Final = 2061
"""MySQL takes a password that it has not seen since its start over TLS alone (caching_sha2_password)."""
DENIED: Final = frozenset({1045, 1698})
CAUSES: Final[Mapping[int, str]] = {1205: "lock_wait", 1213: "deadlock"}
"""Conflicts with other transactions, which are counted apart."""

OF_THE_SERVER: Final = frozenset(
    {
        *(1044, 1045, 1095, 1142, 1143, 1227, 1370, 1449, 1698),  # rights
        *(1046, 1049, 1051, 1054, 1064, 1109, 1136, 1146, 1149, 1176, 1193, 1231, 1235, 1238, 1356, 1364),  # the schema
        *(1006, 1015, 1016, 1017, 1021, 1023, 1026, 1030, 1034, 1035, 1114, 1194, 1195),  # files, the disk
        *(1296, 1712, 1812, 1814, 1815, 1932),  # its engine, damaged indexes, tablespaces
        *(1037, 1038, 1041, 1135),  # memory
        *(1129, 1130, 1180, 1181, 1226, 1598, 1820, 1874, 3100),  # its hosts, its limits, its COMMIT
    }
)
"""No row is to blame: the batch halts. Of an error in no list here one of the statement's rows may be the reason."""

DUPLICATE: Final = 1062
EXHAUSTED: Final = frozenset({167, 1467})
"""MariaDB at the end of an AUTO_INCREMENT; MySQL calls that a duplicate of the key PRIMARY."""

_KEY: Final = re.compile(r"'([\w$.-]+)'$")


class RowRefused(PipelineError):
    """The server refuses a row of this statement for what it holds: split the chunk until the culprit is alone."""


class StatementRefused(Halted):
    """The server refuses a statement, and is not known to do so for a reason of its own: a row may be why.

    `change`: as in `Transaction.changes`, where the statement was to change something.
    """

    change = ""


class DuplicateKey(StatementRefused):
    """A unique key has a value of this statement already: an event that was written before, or another team's key.

    Who knows the events has to look which. `key` is for people: servers differ in how they name it.
    """

    def __init__(self, text: str, key: str) -> None:
        super().__init__(f"{text} (duplicate of key {key})")
        self.key = key


class ConnectionLost(Transient):
    """The connection is of no more use; whether a commit in flight succeeded is open until the event ids are read."""


class AccessDenied(Halted):
    """The server refuses user and password."""


@contextmanager
def translated(change: str = "") -> Iterator[None]:
    """Turn errors of the connector into errors by fate. Their texts hold values of messages, so only codes remain.

    `change`: of a `StatementRefused`.
    """
    try:
        yield
    except ServerError as error:
        refused = _by_fate(error)
        if isinstance(refused, StatementRefused):
            refused.change = change
        raise refused from None


def _by_fate(error: Any) -> PipelineError:
    code = error.errno if isinstance(error.errno, int) else -1
    text = f"database error {code}"
    if code == DUPLICATE:
        key = _KEY.search(str(error.msg))
        return DuplicateKey(text, key[1] if key else "?")
    if code in EXHAUSTED:
        return exhausted()
    if code in DENIED:
        return AccessDenied(f"{text} (access denied)")
    if code == TLS_FAILED:
        return ConnectionLost(f"{text} (TLS: the server offers none, or its certificate does not fit MYSQL_SSL_CA)")
    if code == TLS_WANTED:
        return ConnectionLost(f"{text} (MySQL asks this user for TLS, at the latest after each restart: mend sslMode)")
    if code in CONDEMNING:
        return RowRefused(text)
    if code in LOST or code == -1 or 2000 <= code < 3000:
        return ConnectionLost(text)
    if code in TRANSIENT:
        passing = Transient(text)
        passing.cause = CAUSES.get(code, passing.cause)
        return passing
    return Halted(text) if code in OF_THE_SERVER else StatementRefused(text)


def exhausted() -> Fatal:
    """What to raise where a table has no ids left."""
    return Fatal("a table has no ids left (AUTO_INCREMENT): widen the id column of the written tables")
