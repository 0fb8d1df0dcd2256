"""Rows that no message of the span accounts for: redriven or replayed ones, up to what was noted, or invented ones."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipeline.console.output import Advance
from pipeline.operations.audit.messages import Findings, Matched
from pipeline.operations.workbench import Workbench

INVENTED: Final = "invented_row"
PAGE: Final = 5_000
UNENDED: Final = timedelta(days=1)
"""How long a command that noted no end may have run."""

_COMMANDS: Final = (
    "SELECT began_at, ended_at, counts FROM operations_log "
    "WHERE command IN ('redrive', 'replay') AND COALESCE(ended_at, began_at + INTERVAL 1 DAY) > %s ORDER BY id"
)


@dataclass
class Mending:
    """A redrive or replay: rows of older messages that it may have made. `left` None: it did not say how many."""

    began: datetime
    ended: datetime
    left: int | None

    def takes(self, applied_at: datetime | None) -> bool:
        """Whether a row of that moment is one of its rows; it is counted then."""
        if applied_at is None or not self.began <= applied_at <= self.ended or self.left == 0:
            return False
        self.left = None if self.left is None else self.left - 1
        return True


def find_invented(
    bench: Workbench, matched: Matched, since: datetime, findings: Findings, advance: Advance
) -> Counter[str]:
    """Look at every row between the marks; counts `mended`: rows that a redrive or a replay accounts for.

    `since`: when the last audit took its marks; naive, UTC.
    """
    counts = Counter(mended=0)
    mendings = _mendings(bench, since)
    for table in bench.bank.tables:
        after, through = matched.first.get(table, 0), matched.last[table]
        sql = f"SELECT id, event_id, applied_at FROM `{table}` WHERE id > %s AND id <= %s ORDER BY id LIMIT {PAGE}"
        while rows := bench.query(sql, (after, through)):
            for row, event, applied_at in rows:
                if matched.has(table, row):
                    continue
                if event is not None and any(mending.takes(applied_at) for mending in mendings):
                    counts["mended"] += 1
                    continue
                named = "without an event" if event is None else f"event {bytes(event).hex()}"
                findings.add(INVENTED, f"row {row} of {table}", f"{named}: no message accounts for it")
            advance(len(rows))
            after = rows[-1][0]
    return counts


def _mendings(bench: Workbench, since: datetime) -> list[Mending]:
    return [
        Mending(began, ended or began + UNENDED, None if counts is None else _applied(json.loads(counts)))
        for began, ended, counts in bench.query(_COMMANDS, (since,))
    ]


def _applied(counts: dict[str, int]) -> int:
    """Of what a command noted, as `type outcome`: messages whose outcome is a status, so a row."""
    return sum(number for name, number in counts.items() if name.rpartition(" ")[2].removeprefix("-").isdigit())
