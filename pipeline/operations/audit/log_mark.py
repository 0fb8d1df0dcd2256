"""How far audits have accounted for the log of operations: by the ids of its entries, so that no clock matters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from pipeline.operations.workbench import Workbench

LONGEST_RUN: Final = timedelta(days=1)
"""How far back to look for commands under way where no mark tells of them."""
SINCE: Final = "command IN ('redrive', 'replay') AND (id > %s OR id IN ({}))"
"""Entries behind a mark: after its `through`, or one of its `ids`. Commands that make rows."""

_HIGHEST: Final = "SELECT COALESCE(MAX(id), 0) FROM operations_log"


class LogMark(msgspec.Struct, frozen=True):
    """Every command up to the id `through` had ended, but for those of `open`, and had its rows accounted for.

    `open`: entries that may have rows behind the audit's marks, as text → "table status" → rows that an audit has
    accounted for already.
    """

    through: int
    open: dict[str, dict[str, int]] = {}

    @property
    def ids(self) -> str:
        """Those of `open`, for SQL."""
        return ", ".join(sorted(self.open)) or "0"


def log_mark(bench: Workbench, before: LogMark) -> LogMark:
    """The mark as it is now. To be taken before those of rows: all rows of what has ended lie before these then."""
    ((through,),) = bench.query(_HIGHEST)
    under_way = f"SELECT id FROM operations_log WHERE {SINCE.format(before.ids)} AND ended_at IS NULL"
    found = [str(entry) for (entry,) in bench.query(under_way, (before.through,))]
    return LogMark(int(through), {entry: before.open.get(entry, {}) for entry in found})


def mark_before(bench: Workbench, at: datetime) -> LogMark:
    """Where no mark was taken: a day before `at` (naive, UTC)."""
    ((through,),) = bench.query(f"{_HIGHEST} WHERE began_at < %s", (at - LONGEST_RUN,))
    return LogMark(int(through))
