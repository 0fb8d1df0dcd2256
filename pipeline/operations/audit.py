"""The stream against what became of it: every message of a span has its one outcome, and every row its message.

The span is read again, message by message; memory does not grow with it: of the rows that a message was found for, one
bit each is kept.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.domain import Domain, EventTable, Row
from pipeline.errors import Trimmed
from pipeline.identity import is_named, letter_key
from pipeline.operations.audit_marks import Marks
from pipeline.operations.output import Advance
from pipeline.operations.replay import Span
from pipeline.operations.shard_pages import BYTES, RECORDS, pages
from pipeline.operations.workbench import Workbench
from pipeline.records import END, START, Event, Position, Range, Record, Skipped
from pipeline.shards import Shard, describe, list_shards

NO_OUTCOME: Final = "no_outcome"
ROW_DIFFERS: Final = "row_differs"
TRIMMED: Final = "trimmed"
IDS_A_STATEMENT: Final = 500
PACE: Final = 1024 * 1024
"""Bytes a second read of a shard: half of what Kinesis gives, so that the service keeps up beside it."""
LATER_MS: Final = 60_000
"""Messages that arrived so long after the marks were taken explain no row before them."""


class Example(NamedTuple):
    """One thing that does not hold. `where`: a place in the stream, a row, an account; without secrets."""

    finding: str
    where: str
    told: str


class Findings:
    """What does not hold: how often, and the first of them. `most`: examples that are kept."""

    def __init__(self, most: int) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: list[Example] = []
        self._most = most

    def add(self, finding: str, where: str, told: str) -> None:
        self.counts[finding] += 1
        if len(self.examples) < self._most:
            self.examples.append(Example(finding, where, told))

    def copy(self) -> Findings:
        """So far."""
        copied = Findings(self._most)
        copied.counts, copied.examples = self.counts.copy(), self.examples.copy()
        return copied


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

    def since(self, last: Marks, now: Marks, advance: Advance) -> None:
        """Everything between two marks; what lies behind them, up to now, explains rows and owes no outcome."""
        stream = describe(self._bench.aws, self._bench.settings.stream_name)
        shards, leases = self._shards(), {lease.shard: lease for lease in self._bench.leases()}
        for shard in sorted(last.shards.keys() - shards.keys()):
            if last.position(shard) != END:
                self._findings.add(TRIMMED, shard, "the stream no longer has this shard")
        for name in sorted(shards.keys() & leases.keys() & now.shards.keys()):
            lease, after = leases[name], last.position(name)
            if after == END:
                continue
            start_at = lease.started_at if after == START and lease.beginning != "TRIM_HORIZON" else None
            wanted = msgspec.structs.replace(_whole(shards[name]), after=after, start_at=start_at)
            known = {"caught_up_at": last.at_ms, "retention_ms": stream.retention_hours * 3_600_000}
            self._read(
                msgspec.structs.replace(wanted, **known), now.position(name), Span(0, now.at_ms + LATER_MS), advance
            )
        for (table, row), place in self._unlike.items():
            if row > last.rows.get(table, 0) and not self._matched.has(table, row):
                self._matched.add(table, row)
                self._findings.add(ROW_DIFFERS, place, f"row {row} of {table} says otherwise")

    def within(self, span: Span, now: Marks, advance: Advance) -> None:
        """What arrived within a span, as far as it is committed."""
        shards = self._shards()
        for name in sorted(shards.keys() & now.shards.keys()):
            wanted = msgspec.structs.replace(_whole(shards[name]), start_at=span.first)
            self._read(wanted, now.position(name), span, advance)

    def _shards(self) -> dict[str, Shard]:
        return {shard.id: shard for shard in list_shards(self._bench.aws, self._bench.settings.stream_name)}

    def _read(self, wanted: Range, durable: Position, span: Span, advance: Advance) -> None:
        try:
            began = time.monotonic()
            for extent in pages(self._bench.reader, wanted):
                self._judge([one for one in extent.records if span.first <= one.arrived_ms < span.end], durable)
                advance(len(extent.records))
                if extent.records and extent.records[-1].arrived_ms >= span.end:
                    return
                began += sum(len(one.data) for one in extent.records) / PACE
                if not extent.at_tip:
                    time.sleep(max(0.0, began - time.monotonic()))
        except Trimmed as error:
            self._findings.add(TRIMMED, wanted.shard, str(error))

    def _judge(self, records: Sequence[Record], durable: Position) -> None:
        """One outcome each; those behind `durable` may not have theirs yet."""
        understood = [self._bench.router.interpret(record) for record in records]
        owed = [one for record, one in zip(records, understood, strict=True) if record.position <= durable]
        self.counts["messages"] += len(owed)
        self.counts["skipped"] += sum(isinstance(one, Skipped) for one in owed)
        found = self._rows_of([one for one in understood if isinstance(one, Event)])
        due = [one for one in owed if not isinstance(one, Skipped)]
        without = [one for one in due if not (isinstance(one, Event) and (one.type, one.identity) in found)]
        self.counts["rows"] += len(due) - len(without)
        letters = self._bench.dead_letters.known({letter_key(one.identity) for one in without})
        left = [one for one in without if letter_key(one.identity) not in letters]
        # A letter may have become a row between the two looks.
        late = self._bench.rows_exist({one.identity for one in left}) if left else set()
        self.counts["rows"] += sum(one.identity in late for one in left)
        self.counts["letters"] += len(without) - len(left)
        for one in left:
            if one.identity not in late:
                self._findings.add(NO_OUTCOME, _place(one.record), f"event {one.identity.hex()} has no row, no letter")

    def _rows_of(self, events: Sequence[Event[Any]]) -> set[tuple[str, bytes]]:
        """(type, identity) of the events that have their row; each row is held against its message."""
        of_type: dict[str, list[Event[Any]]] = defaultdict(list)
        for event in events:
            of_type[event.type].append(event)
        found = set()
        for type_, some in of_type.items():
            domain = self._bench.bank.routes[type_]
            rows = self._rows(domain.table, sorted({event.identity for event in some}))
            for event in some:
                if event.identity in rows:
                    found.add((type_, event.identity))
                    self._compare(domain, event, *rows[event.identity])
        return found

    def _rows(self, table: EventTable, identities: Sequence[bytes]) -> dict[bytes, tuple[int, Row]]:
        columns = ", ".join(f"`{column}`" for column in table.columns)
        rows: dict[bytes, tuple[int, Row]] = {}
        for start in range(0, len(identities), IDS_A_STATEMENT):
            part = identities[start : start + IDS_A_STATEMENT]
            marks = ", ".join(["%s"] * len(part))
            sql = (
                f"SELECT event_id, id, {columns} FROM `{table.name}` FORCE INDEX (`{table.event_key}`) "
                f"WHERE event_id IN ({marks})"
            )
            rows |= {bytes(event): (int(number), tuple(said)) for event, number, *said in self._bench.query(sql, part)}
        return rows

    def _compare(self, domain: Domain, event: Event[Any], row: int, said: Row) -> None:
        """A message with a producer's own id may repeat another one, whose row it is then: told at the end."""
        table = domain.table
        status = said[table.columns.index("status")]
        alike = isinstance(status, int) and domain.row(event.message, status) == said
        if alike or not is_named(event.identity, event.record):
            self._matched.add(table.name, row)
        if not alike and is_named(event.identity, event.record):
            self._unlike[table.name, row] = _place(event.record)
        elif not alike:
            self._findings.add(ROW_DIFFERS, _place(event.record), f"row {row} of {table.name} says otherwise")


def _whole(shard: Shard) -> Range:
    return Range(shard.id, START, None, shard.hash_range, RECORDS, BYTES)


def _place(record: Record) -> str:
    return f"{record.shard} {record.sequence} {record.sub_sequence}"
