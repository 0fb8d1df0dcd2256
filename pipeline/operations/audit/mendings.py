"""Redrives and replays since the last audit: the rows of older messages that they noted, and no more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pipeline.operations.audit.findings import Findings
from pipeline.operations.audit.log_mark import SINCE, LogMark
from pipeline.operations.workbench import Workbench

UNENDED: Final = "unended_command"

_SINCE: Final = (
    "SELECT id, command, who, began_at, ended_at, counts FROM operations_log "
    f"WHERE {SINCE} ORDER BY COALESCE(ended_at, '9999-12-31'), id"
)


@dataclass
class Mending:
    """One command. `left`: (table, status) → rows that it noted and that are not accounted for yet."""

    id: int
    name: str
    began: datetime
    ended: datetime | None
    left: Counter[tuple[str, int]]
    taken: Counter[tuple[str, int]] = field(default_factory=Counter)

    def takes(self, table: str, status: int, applied_at: datetime) -> bool:
        """Whether such a row of that moment is one of its rows; it is accounted for then."""
        if applied_at < self.began or (self.ended is not None and applied_at > self.ended):
            return False
        if self.left[table, status] <= 0:
            return False
        self.left[table, status] -= 1
        self.taken[table, status] += 1
        return True


class Mendings:
    """All of them, those first that ended first: a row that several may have made is left to none but the first."""

    def __init__(self, bench: Workbench, before: LogMark) -> None:
        self._before = before
        tables = {type_: domain.table.name for type_, domain in bench.bank.routes.items()}
        rows = bench.query(_SINCE.format(before.ids), (before.through,))
        self._all = [
            Mending(
                entry,
                f"{command} {entry} of {who}",
                began,
                ended,
                _noted(json.loads(counts or "{}"), tables) - _counter(self._before.open.get(str(entry), {})),
            )
            for entry, command, who, began, ended, counts in rows
        ]

    def take(self, table: str, status: int, applied_at: datetime | None) -> bool:
        """Whether one of them noted such a row, and none was found for it yet."""
        return applied_at is not None and any(one.takes(table, status, applied_at) for one in self._all)

    def tell_unended(self, now: LogMark, findings: Findings) -> None:
        """Those that had begun by `now` and have noted no end, unless an earlier audit was accepted with them."""
        for one in self._all:
            if one.ended is None and one.id <= now.through and str(one.id) not in self._before.open:
                told = f"began at {one.began:%F %T} UTC, has noted no end: it runs still, or was killed"
                findings.add(UNENDED, one.name, told)

    def settled(self, now: LogMark) -> LogMark:
        """`now`, with what these have accounted for: those of it that had not ended, and those that began since."""
        taken = {
            str(one.id): _texts(_counter(self._before.open.get(str(one.id), {})) + one.taken)
            for one in self._all
            if str(one.id) in now.open or one.id > now.through
        }
        return LogMark(now.through, {entry: counts for entry, counts in taken.items() if counts or entry in now.open})


def _noted(counts: Mapping[str, int], tables: Mapping[str, str]) -> Counter[tuple[str, int]]:
    """Of what a command noted, as `type outcome`: messages whose outcome is a status, so a row."""
    noted: Counter[tuple[str, int]] = Counter()
    for name, number in counts.items():
        type_, _, outcome = name.rpartition(" ")
        if type_ in tables and outcome.removeprefix("-").isdigit():
            noted[tables[type_], int(outcome)] += number
    return noted


def _counter(texts: Mapping[str, int]) -> Counter[tuple[str, int]]:
    pairs = ((name.rpartition(" "), number) for name, number in texts.items())
    return Counter({(table, int(status)): number for (table, _, status), number in pairs})


def _texts(counter: Mapping[tuple[str, int], int]) -> dict[str, int]:
    return {f"{table} {status}": number for (table, status), number in counter.items()}
