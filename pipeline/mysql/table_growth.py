"""The written tables: what came in lately, and how long their ids last. No index tells: ids grow with time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pipeline.mysql.database import Transaction

_BITS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}


class Growth(NamedTuple):
    """`next_id` to `highest_id` are left; `last_day`: ids of the last 24 h."""

    next_id: int
    highest_id: int
    last_day: int

    @property
    def left(self) -> int:
        return max(0, self.highest_id - self.next_id + 1)

    @property
    def days(self) -> float | None:
        """How long they last at the last day's rate; None where nothing came."""
        return self.left / self.last_day if self.last_day else None


class Recent(NamedTuple):
    """Rows since some moment, and when the newest of all was applied (UTC)."""

    rows: int
    newest: datetime | None


def growth(transaction: Transaction, table: str) -> Growth:
    """Of a table whose key is an AUTO_INCREMENT `id`."""
    ((_, made),) = transaction.query(f"SHOW CREATE TABLE `{table}`")
    kind, unsigned = re.search(r"`id` (\w+)(?:\(\d+\))?( unsigned)?", str(made)).groups()  # type: ignore[union-attr]
    following = re.search(r"AUTO_INCREMENT=(\d+)", str(made))
    next_id = int(following.group(1)) if following else 1
    highest = 2 ** (_BITS[kind.lower()] - (unsigned is None)) - 1
    since = now_of(transaction) - timedelta(days=1)
    return Growth(next_id, highest, next_id - min(next_id, first_id(transaction, table, since, next_id)))


def recent(table: str, length: timedelta, transaction: Transaction) -> Recent:
    """Rows that were applied within `length` from now."""
    since = now_of(transaction) - length
    ((highest,),) = transaction.query(f"SELECT COALESCE(MAX(id), 0) FROM `{table}`")
    first = first_id(transaction, table, since, int(highest) + 1)
    sql = f"SELECT COUNT(*) FROM `{table}` WHERE id >= %s AND applied_at >= %s"
    ((rows,),) = transaction.query(sql, (first, since))
    newest = transaction.query(f"SELECT applied_at FROM `{table}` ORDER BY id DESC LIMIT 1")
    return Recent(int(rows), newest[0][0] if newest else None)


def now_of(transaction: Transaction) -> datetime:
    ((now,),) = transaction.query("SELECT UTC_TIMESTAMP(6)")
    assert isinstance(now, datetime)
    return now


def first_id(transaction: Transaction, table: str, since: datetime, end: int) -> int:
    """The lowest id whose row was applied at `since` or later, by halving; `end` where there is none.

    Rows of an older service have no `applied_at`, and count as older.
    """
    low, high = 1, end
    sql = f"SELECT id, applied_at FROM `{table}` WHERE id >= %s ORDER BY id LIMIT 1"
    while low < high:
        middle = (low + high) // 2
        row = transaction.query(sql, (middle,))
        if row and (row[0][1] is None or row[0][1] < since):
            low = int(row[0][0]) + 1
        else:
            high = middle
    return low
