"""Rows that no message of the span accounts for: redriven or replayed ones, up to what was noted, or invented ones."""

from __future__ import annotations

from collections import Counter
from typing import Final

from pipeline.console.output import Advance
from pipeline.operations.audit.findings import Findings
from pipeline.operations.audit.mendings import Mendings
from pipeline.operations.audit.messages import Matched
from pipeline.operations.workbench import Workbench

INVENTED: Final = "invented_row"
PAGE: Final = 5_000


def find_invented(
    bench: Workbench, matched: Matched, mendings: Mendings, findings: Findings, advance: Advance
) -> Counter[str]:
    """Look at every row between the marks; counts `mended`: rows that a redrive or a replay accounts for."""
    counts = Counter(mended=0)
    for table in bench.bank.tables:
        after, through = matched.first.get(table, 0), matched.last[table]
        sql = (
            f"SELECT id, event_id, applied_at, status FROM `{table}` "
            f"WHERE id > %s AND id <= %s ORDER BY id LIMIT {PAGE}"
        )
        while rows := bench.query(sql, (after, through)):
            for row, event, applied_at, status in rows:
                if matched.has(table, row):
                    continue
                if event is not None and mendings.take(table, status, applied_at):
                    counts["mended"] += 1
                    continue
                named = "without an event" if event is None else f"event {bytes(event).hex()}"
                findings.add(INVENTED, f"row {row} of {table}", f"{named}: no message accounts for it")
            advance(len(rows))
            after = rows[-1][0]
    return counts
