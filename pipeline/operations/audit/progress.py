"""How far an audit under way has come, noted now and then: one that is interrupted goes on from there.

What is noted are marks like those of an audit that ended, only earlier ones. They lie before the first thing that is
still open, so nothing behind them was left out, and nothing before them is looked at again:

- every message up to a shard's mark has its outcome, and its row lies before the table's mark;
- every row up to a table's mark has its message, so none is left to a redrive or a replay, or is a finding;
- moment and balances stay those of the last audit that ended: balances are held against their rows at the end.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from pipeline.messages.records import START, Position
from pipeline.operations.audit.marks import Marks
from pipeline.operations.workbench import Workbench

NOTE_EVERY: Final = 600.0
"""Seconds from note to note: what an interrupted audit does again."""
PAGE: Final = 5_000

HasMessage = Callable[[str, int], bool]
"""Whether a message was found for a row: table and id."""


class Page(NamedTuple):
    """A piece of a shard, up to `through`. `rows`: the highest row of each table that a message of it has.

    `holds`: whether every message of it has its outcome.
    """

    through: Position
    rows: Mapping[str, int]
    holds: bool


class AuditCheckpoint:
    """Of one audit, by several threads. `note` writes marks down; `now`: its own, beyond which nothing is settled."""

    def __init__(
        self, bench: Workbench, last: Marks, now: Marks, has_message: HasMessage, note: Callable[[Marks], object]
    ) -> None:
        self._bench, self._now, self._has_message, self._note = bench, now, has_message, note
        self._marks = last
        self._pages: dict[str, deque[Page]] = defaultdict(deque)
        self._blocked: set[str] = set()
        self._noted = time.monotonic()
        self._lock, self._noting = threading.Lock(), threading.Lock()

    def add(self, shard: str, page: Page) -> None:
        """The next piece of a shard was looked at. No mark passes one that does not hold, or is not committed yet."""
        with self._lock:
            if not page.holds or page.through > self._now.position(shard):
                self._blocked.add(shard)
            elif shard not in self._blocked and page.through != START:
                self._pages[shard].append(page)

    def note(self) -> None:
        """Note what is done, if it is time and nobody else does. Raises `Transient`, `Halted`."""
        if time.monotonic() - self._noted < NOTE_EVERY or not self._noting.acquire(blocking=False):
            return
        try:
            if (marks := self._reached()) != self._marks:
                self._note(marks)
                self._marks = marks
            self._noted = time.monotonic()
        finally:
            self._noting.release()

    def _reached(self) -> Marks:
        rows = {table: self._explained(table) for table in self._now.rows}
        with self._lock:
            shards = {shard: through for shard in self._pages if (through := self._passed(shard, rows)) is not None}
        moved = {shard: (str(through.sequence), through.sub_sequence) for shard, through in shards.items()}
        return msgspec.structs.replace(self._marks, shards={**self._marks.shards, **moved}, rows=rows)

    def _explained(self, table: str) -> int:
        """The last row before the first one that has no message yet, of those that no open transaction can add to."""
        reached, through = self._marks.rows.get(table, 0), self._now.settled[table]
        sql = f"SELECT id FROM `{table}` WHERE id > %s AND id <= %s ORDER BY id LIMIT {PAGE}"
        while rows := self._bench.query(sql, (reached, through)):
            for (row,) in rows:
                if not self._has_message(table, row):
                    return reached
                reached = int(row)
        return reached

    def _passed(self, shard: str, rows: Mapping[str, int]) -> Position | None:
        """How far the rows of its messages all lie before the tables' marks; None: not one page further."""
        pages, through = self._pages[shard], None
        while pages and all(row <= rows[table] for table, row in pages[0].rows.items()):
            through = pages.popleft().through
        return through
