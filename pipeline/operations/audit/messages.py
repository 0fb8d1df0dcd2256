"""The stream against what became of it: every message of a span has its one outcome, and every row its message.

The span is read again, message by message; memory does not grow with it: of the rows that a message was found for, one
bit each is kept.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from pipeline.applying.domain import EventTable, Row
from pipeline.console.output import Advance
from pipeline.kinesis.shards import Shard, describe, list_shards
from pipeline.messages.identity import is_named, letter_key
from pipeline.messages.records import END, START, Event, Extent, Position, Range, Record, Skipped
from pipeline.operations.audit.findings import Findings
from pipeline.operations.audit.marks import Marks
from pipeline.operations.audit.progress import AuditCheckpoint, Page
from pipeline.operations.replay import TimeRange
from pipeline.operations.shard_pages import BYTES, RECORDS, read_beside
from pipeline.operations.workbench import Workbench
from pipeline.runtime.errors import Trimmed
from pipeline.runtime.slices import slices

NO_OUTCOME: Final = "no_outcome"
ROW_DIFFERS: Final = "row_differs"
TRIMMED: Final = "trimmed"
IDS_A_STATEMENT: Final = 500
LATER_MS: Final = 60_000
"""Messages that arrived so long after the marks were taken explain no row before them."""


class Matched:
    """Of each table, the rows with ids above `first` up to `last` that a message was found for: a bit a row."""

    def __init__(self, first: Mapping[str, int], last: Mapping[str, int]) -> None:
        self.first, self.last = first, last
        self._bits = {table: bytearray((end - first.get(table, 0)) // 8 + 1) for table, end in last.items()}

    def add(self, table: str, row: int) -> None:
        at = row - self.first.get(table, 0)
        if 0 < at <= self.last[table] - self.first.get(table, 0):
            self._bits[table][at // 8] |= 1 << at % 8

    def has(self, table: str, row: int) -> bool:
        """Of a row between `first` and `last`."""
        at = row - self.first.get(table, 0)
        return bool(self._bits[table][at // 8] >> at % 8 & 1)


class StreamAudit:
    """Reads the stream again and looks for the outcome of each message.

    `counts`: `messages`, and of these `rows`, `letters`, `skipped`. `matched`: the rows that are accounted for.
    """

    def __init__(self, bench: Workbench, findings: Findings, matched: Matched) -> None:
        self.counts: Counter[str] = Counter(messages=0, rows=0, letters=0, skipped=0)
        self._bench, self._findings, self._matched = bench, findings, matched
        self._unlike: dict[tuple[str, int], str] = {}
        self._lock = threading.Lock()

    def since(self, last: Marks, now: Marks, advance: Advance, progress: AuditCheckpoint | None = None) -> None:
        """Everything between two marks; what lies behind them, up to now, explains rows and owes no outcome."""
        stream = describe(self._bench.aws, self._bench.settings.stream_name)
        shards, leases = self._shards(), {lease.shard: lease for lease in self._bench.leases()}
        for shard in sorted(last.shards.keys() - shards.keys()):
            if last.position(shard) != END:
                self._findings.add(TRIMMED, shard, "the stream no longer has this shard")
        ranges = []
        for name in sorted(shards.keys() & leases.keys() & now.shards.keys()):
            lease, after = leases[name], last.position(name)
            if after == END:
                continue
            start_at = lease.started_at if after == START and lease.beginning != "TRIM_HORIZON" else None
            wanted = msgspec.structs.replace(_whole(shards[name]), after=after, start_at=start_at)
            known = {"caught_up_at": last.at_ms, "retention_ms": stream.retention_hours * 3_600_000}
            ranges.append(msgspec.structs.replace(wanted, **known))
        self._read(ranges, now, TimeRange(0, now.at_ms + LATER_MS), advance, progress)
        for (table, row), place in self._unlike.items():
            if row > last.rows.get(table, 0) and not self._matched.has(table, row):
                self._matched.add(table, row)
                self._findings.add(ROW_DIFFERS, place, f"row {row} of {table} says otherwise")

    def within(self, span: TimeRange, now: Marks, advance: Advance) -> None:
        """What arrived within a span, as far as it is committed."""
        shards = self._shards()
        names = sorted(shards.keys() & now.shards.keys())
        ranges = [msgspec.structs.replace(_whole(shards[name]), start_at=span.first) for name in names]
        self._read(ranges, now, span, advance, None)

    def _shards(self) -> dict[str, Shard]:
        return {shard.id: shard for shard in list_shards(self._bench.aws, self._bench.settings.stream_name)}

    def _read(
        self, ranges: Sequence[Range], now: Marks, span: TimeRange, advance: Advance, progress: AuditCheckpoint | None
    ) -> None:
        def take(wanted: Range, extent: Extent) -> bool:
            within = [one for one in extent.records if span.first <= one.arrived_ms < span.end]
            holds, rows = self._judge(within, now.position(wanted.shard))
            with self._lock:
                advance(len(extent.records))
            if progress is not None:
                progress.add(wanted.shard, Page(extent.through, rows, holds))
                progress.note()
            return not extent.records or extent.records[-1].arrived_ms < span.end

        def gone(wanted: Range, error: Trimmed) -> None:
            with self._lock:
                self._findings.add(TRIMMED, wanted.shard, str(error))

        read_beside(self._bench.reader, ranges, take, gone)

    def _judge(self, records: Sequence[Record], durable: Position) -> tuple[bool, dict[str, int]]:
        """One outcome each; those behind `durable` may not have theirs yet.

        Gives whether all holds, and the highest row of each table that a message of these has.
        """
        understood = [self._bench.router.interpret(record) for record in records]
        owed = [one for record, one in zip(records, understood, strict=True) if record.position <= durable]
        found = self._rows_of([one for one in understood if isinstance(one, Event)])
        due = [one for one in owed if not isinstance(one, Skipped)]
        without = [one for one in due if not (isinstance(one, Event) and (one.type, one.identity) in found)]
        letters = self._bench.dead_letters.known({letter_key(one.identity) for one in without})
        left = [one for one in without if letter_key(one.identity) not in letters]
        # A letter may have become a row between the two looks.
        late = self._bench.rows_exist({one.identity for one in left}) if left else set()
        lost = [one for one in left if one.identity not in late]
        counts = {"messages": len(owed), "skipped": len(owed) - len(due), "letters": len(without) - len(left)}
        with self._lock:
            self.counts.update(counts, rows=len(due) - len(without) + len(left) - len(lost))
            for one in lost:
                self._findings.add(NO_OUTCOME, _place(one.record), f"event {one.identity.hex()} has no row, no letter")
            alike = [
                self._compare(one, *found[one.type, one.identity])
                for one in understood
                if isinstance(one, Event) and (one.type, one.identity) in found
            ]
        highest: dict[str, int] = {}
        for (type_, _), (row, _) in found.items():
            table = self._bench.bank.routes[type_].table.name
            highest[table] = max(row, highest.get(table, 0))
        return all(alike) and not left, highest

    def _rows_of(self, events: Sequence[Event[Any]]) -> dict[tuple[str, bytes], tuple[int, Row]]:
        """(type, identity) → the row of the events that have one, and what it says."""
        of_type: dict[str, set[bytes]] = defaultdict(set)
        for event in events:
            of_type[event.type].add(event.identity)
        return {
            (type_, identity): found
            for type_, identities in of_type.items()
            for identity, found in self._rows(self._bench.bank.routes[type_].table, sorted(identities)).items()
        }

    def _rows(self, table: EventTable, identities: Sequence[bytes]) -> dict[bytes, tuple[int, Row]]:
        rows: dict[bytes, tuple[int, Row]] = {}
        for part in slices(identities, IDS_A_STATEMENT):
            sql = table.find(("event_id", "id", *table.columns), len(part))
            rows |= {bytes(event): (int(number), tuple(said)) for event, number, *said in self._bench.query(sql, part)}
        return rows

    def _compare(self, event: Event[Any], row: int, said: Row) -> bool:
        """Whether the row says what its message does.

        A message with a producer's own id may repeat another one, whose row it is then: told at the end.
        """
        domain = self._bench.bank.routes[event.type]
        table = domain.table
        status = said[table.columns.index("status")]
        alike = isinstance(status, int) and domain.row(event.message, status) == said
        named = is_named(event.identity, event.record)
        if alike or not named:
            self._matched.add(table.name, row)
        else:
            self._unlike[table.name, row] = _place(event.record)
        if not (alike or named):
            self._findings.add(ROW_DIFFERS, _place(event.record), f"row {row} of {table.name} says otherwise")
        return alike or named


def _whole(shard: Shard) -> Range:
    return Range(shard.id, START, None, shard.hash_range, RECORDS, BYTES)


def _place(record: Record) -> str:
    return f"{record.shard} {record.sequence} {record.sub_sequence}"
