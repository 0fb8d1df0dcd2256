"""The written tables: what came in lately, and how long their ids last. No index tells: ids grow with time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from pipeline.mysql.database import Transaction
from pipeline.mysql.id_range import IdRange, id_range


class Growth(NamedTuple):
    """`ids`: those that are left; `last_day`: how many the last 24 h took."""

    ids: IdRange
    last_day: int

    @property
    def days(self) -> float | None:
        """How long they last at the last day's rate; None where nothing came."""
        return self.ids.left / self.last_day if self.last_day else None


class Recent(NamedTuple):
    """Rows since some moment, and when the newest of all was applied (UTC)."""

    rows: int
    newest: datetime | None


def growth(transaction: Transaction, table: str) -> Growth | None:
    """Of a table whose key is an AUTO_INCREMENT `id`; None where it is none."""
    ((_, made),) = transaction.query(f"SHOW CREATE TABLE `{table}`")
    ids = id_range(str(made))
    if ids is None:
        return None
    since = now_of(transaction) - timedelta(days=1)
    return Growth(ids, ids.next_id - min(ids.next_id, first_id(transaction, table, since, ids.next_id)))


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
