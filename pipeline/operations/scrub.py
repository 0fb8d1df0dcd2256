"""PINs and codes that an older service left in rows: made NULL, a few rows at a time, beside the running service.

Each batch commits by itself; a second run passes over what is done.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from pipeline.console.output import Advance
from pipeline.mysql.database import Transaction
from pipeline.operations.workbench import Workbench

ROWS = 1000
"""Rows of one batch, and so the most that is locked at once."""


def last_id(bench: Workbench) -> int:
    """The highest id there is; the service itself leaves nothing behind it."""
    ((highest,),) = bench.query(f"SELECT COALESCE(MAX(id), 0) FROM `{bench.bank.scrubbed[0]}`")
    return int(highest)


def scrub(bench: Workbench, until: int, counts: Counter[str], advance: Advance, rows: int = ROWS) -> None:
    """Scrub the rows up to id `until`; counts those that held something as `scrubbed`. Raises `Transient`, `Halted`."""
    counts["scrubbed"] += 0
    done = 0
    while done < until:
        end = _batch_end(bench, done, rows)
        counts["scrubbed"] += bench.work(partial(_scrub, bench, done, end))
        advance(end - done)
        done = end


def _batch_end(bench: Workbench, after: int, rows: int) -> int:
    table = bench.bank.scrubbed[0]
    ids = f"SELECT id FROM `{table}` WHERE id > %s ORDER BY id LIMIT {rows:d}"
    ((end,),) = bench.query(f"SELECT MAX(id) FROM ({ids}) AS batch", (after,))
    return int(end)


def _scrub(bench: Workbench, after: int, to: int, transaction: Transaction) -> int:
    table, columns = bench.bank.scrubbed
    nothing = ", ".join(f"`{column}` = NULL" for column in columns)
    something = " OR ".join(f"`{column}` IS NOT NULL" for column in columns)
    changed = transaction.execute(
        f"UPDATE `{table}` SET {nothing} WHERE id > %s AND id <= %s AND ({something})", (after, to)
    )
    transaction.commit()
    return changed
