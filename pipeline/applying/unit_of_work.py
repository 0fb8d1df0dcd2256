"""One chunk = one transaction: which events are new, what they need, what is decided, all of it or nothing.

If the process dies before the commit nothing has happened; after it, the event ids in the tables make a replay drop
what was applied. The order of durability: effects committed → dead letters durable → checkpoint advances.

Only a producer's own id is expected to come again, and looked up first. A position comes again where a range is read
again, after a crash: the INSERT finds it, nothing of the chunk has happened, and from then on everything is looked up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any, Final

from pipeline.applying.applied import DUPLICATE, LETTER, Applied
from pipeline.applying.culprits import HELD_BACK, Culprits, ToLetter
from pipeline.applying.domain import STATUS, Decision, Domain, EventTable, MoreNeeded, State, StateStore
from pipeline.messages.identity import is_named
from pipeline.messages.records import Event
from pipeline.mysql.database import Lane, Transaction
from pipeline.mysql.errors import DuplicateKey
from pipeline.mysql.literals import binary, literals
from pipeline.runtime.errors import Rejected, Transient
from pipeline.runtime.redacted_errors import RedactedErrors
from pipeline.runtime.slices import slices

IDS_A_STATEMENT: Final = 500

Key = tuple[str, bytes]
"""(table, event id): an event id is unique within its table."""


class Repeated(Transient):
    """An event of the chunk has its row already, from before or by another meanwhile: a look at the ids settles it."""


@dataclass(slots=True)
class Decided:
    """The decisions of one pass over a chunk, still in memory. `rejected`: the events behind its letters.

    `rows`: an event, what was decided, and what its row says up to the status, as SQL.
    """

    applied: Applied = field(default_factory=Applied)
    rejected: list[Event[Any]] = field(default_factory=list)
    rows: list[tuple[Event[Any], Decision, bytes]] = field(default_factory=list)
    missing: list[Any] = field(default_factory=list)


class UnitOfWork:
    """Applies chunks on one lane's connection."""

    def __init__(self, lane: Lane, routes: Mapping[str, Domain], store: StateStore, to_letter: ToLetter) -> None:
        self._lane = lane
        self._routes = routes
        self._tables = {domain.type: domain.table for domain in routes.values()}
        self._store = store
        self._to_letter = to_letter
        self._culprits = Culprits(self._commit, self._attempt, to_letter)
        self._rereading = False

    def apply(self, chunk: Sequence[Event[Any]]) -> Applied:
        """Commit the chunk. Raises `Transient`, `Halted`; then some of the chunk may have been committed.

        Messages that hold the others back become letters.
        """
        if not self._rereading:
            try:
                return self._commit(chunk)
            except (Repeated, *HELD_BACK):
                self._rereading = True
        return self._culprits.apply(chunk)

    def _commit(self, chunk: Sequence[Event[Any]]) -> Applied:
        with self._lane.transaction() as transaction:
            with RedactedErrors():
                applied, written = self._work(transaction, chunk)
            if written:
                transaction.commit()
        return applied

    def _attempt(self, chunk: Sequence[Event[Any]]) -> Applied:
        """What a commit would do, rolled back."""
        with self._lane.transaction() as transaction, RedactedErrors():
            return self._work(transaction, chunk)[0]

    def _work(self, transaction: Transaction, chunk: Sequence[Event[Any]]) -> tuple[Applied, bool]:
        """What becomes of the chunk, and whether there is anything to commit."""
        known = self._known(transaction, self._perhaps_known(chunk))
        fresh = [event for event in chunk if self._key(event) not in known] if known else chunk
        repeated = self._repeated(transaction, [event for event in chunk if self._key(event) in known] if known else ())
        if not fresh:
            return repeated, False
        try:
            for applied in self._written(transaction, fresh):
                repeated.add(applied)
        except DuplicateKey:
            if self._rereading and self._known(transaction, fresh):
                raise Repeated("another has written an event of this chunk meanwhile") from None
            raise
        repeated.changes |= transaction.changes
        return repeated, True

    def _written(self, transaction: Transaction, events: Sequence[Event[Any]]) -> Iterator[Applied]:
        """What becomes of those that need nothing of the state, then of the others, which may have to wait for it."""
        needs = [self._routes[event.type].needs(event) for event in events]
        free = [event for event, need in zip(events, needs, strict=True) if need is None]
        if free:
            yield self._write_free(transaction, free)
        if len(free) < len(events):
            bound = [(event, need) for event, need in zip(events, needs, strict=True) if need is not None]
            yield self._write_bound(transaction, bound)

    def _write_free(self, transaction: Transaction, events: Sequence[Event[Any]]) -> Applied:
        """Decide and write what needs nothing of the state."""
        decided = self._decide_once(events, repeat(b""), None)
        assert not decided.missing, "a domain that needs nothing asks for more"
        self._check_rejected(transaction, decided)
        decided.rows = [(event, decision, self._said(event, decision.status)) for event, decision, _ in decided.rows]
        self._write(transaction, decided, _now(transaction))
        return decided.applied

    def _write_bound(self, transaction: Transaction, events: Sequence[tuple[Event[Any], Any]]) -> Applied:
        """Decide and write what needs something of the state, which is locked after what rows say is made ready."""
        said = [self._said(event, self._routes[event.type].expected_status) for event, _ in events]
        state = self._store.load(transaction, (need for _, need in events))
        applied_at = state.locked_at or _now(transaction)
        decided = self._decide(transaction, [event for event, _ in events], said, state)
        self._check_rejected(transaction, decided)
        self._write(transaction, decided, applied_at)
        self._store.save(transaction, state)
        return decided.applied

    def _check_rejected(self, transaction: Transaction, decided: Decided) -> None:
        if not self._rereading and self._known(transaction, decided.rejected):
            raise Repeated("a rejected event has a row")

    def _perhaps_known(self, chunk: Sequence[Event[Any]]) -> Sequence[Event[Any]]:
        return chunk if self._rereading else [event for event in chunk if is_named(event.identity, event.record)]

    def _key(self, event: Event[Any]) -> Key:
        return self._tables[event.type].name, event.identity

    def _known(self, transaction: Transaction, chunk: Sequence[Event[Any]]) -> set[Key]:
        """Which of these events have a row already."""
        ids: dict[EventTable, set[bytes]] = {}
        for event in chunk:
            ids.setdefault(self._tables[event.type], set()).add(event.identity)
        return {
            (table.name, bytes(row[0]))
            for table, wanted in ids.items()
            for part in slices(sorted(wanted), IDS_A_STATEMENT)
            for row in transaction.query(table.find(("event_id",), len(part)), part)
        }

    def _repeated(self, transaction: Transaction, duplicates: Sequence[Event[Any]]) -> Applied:
        """Duplicates of rows. Only those with a producer's own id can differ from them: the others are read again."""
        named: dict[str, list[Event[Any]]] = {}
        for event in duplicates:
            if is_named(event.identity, event.record):
                named.setdefault(event.type, []).append(event)
        conflicts = [event for type_, events in named.items() for event in self._differing(transaction, type_, events)]
        outcomes = Counter((event.type, DUPLICATE) for event in duplicates)
        return Applied(outcomes, conflicts=conflicts, changes={self._tables[type_].name for type_, _ in outcomes})

    def _differing(self, transaction: Transaction, type_: str, events: Sequence[Event[Any]]) -> list[Event[Any]]:
        domain = self._routes[type_]
        rows = {
            bytes(row[0]): row[1:]
            for part in slices(sorted({event.identity for event in events}), IDS_A_STATEMENT)
            for row in transaction.query(domain.table.find(("event_id", *domain.table.columns), len(part)), part)
        }
        status = domain.table.columns.index(STATUS)
        there = [(event, rows[event.identity]) for event in events if event.identity in rows]
        return [event for event, row in there if domain.row(event.message, row[status]) != row]

    def _said(self, event: Event[Any], status: int) -> bytes:
        """What the event's row says up to the status, as SQL, its event id last."""
        return f"{self._routes[event.type].said(event.message, status)},{binary(event.identity)}".encode()

    def _decide(
        self, transaction: Transaction, events: Sequence[Event[Any]], said: Sequence[bytes], state: State
    ) -> Decided:
        """Decide until nothing is missing; each round loads what the last one asked for and starts anew."""
        while True:
            decided = self._decide_once(events, said, state)
            if not decided.missing:
                return decided
            self._store.extend(transaction, state, decided.missing)
            state.restart()

    def _decide_once(self, events: Sequence[Event[Any]], said: Iterable[bytes], state: State | None) -> Decided:
        decided = Decided()
        claimed: dict[bytes, Event[Any]] = {}
        for event, row_said in zip(events, said, strict=False):
            domain = self._routes[event.type]
            if event.identity in claimed:  # which is of one type, as a position is of one message
                decided.applied.outcomes[event.type, DUPLICATE] += 1
                if domain.row(event.message, 0) != domain.row(claimed[event.identity].message, 0):
                    decided.applied.conflicts.append(event)
                continue
            try:
                decision = domain.decide(event, state)
            except MoreNeeded as more:
                decided.missing.append(more.needs)
                continue
            except Rejected as rejected:
                decided.applied.outcomes[event.type, f"{LETTER}{rejected.reason}"] += 1
                decided.applied.letters.append(self._to_letter(event, rejected))
                decided.rejected.append(event)
                continue
            claimed[event.identity] = event
            if state is not None and decision.effects:
                state.apply(event, decision)
            decided.rows.append((event, decision, row_said))
        statuses = Counter((event.type, decision.status) for event, decision, _ in decided.rows)
        decided.applied.outcomes.update({(type_, str(status)): number for (type_, status), number in statuses.items()})
        return decided

    def _write(self, transaction: Transaction, decided: Decided, applied_at: datetime) -> None:
        """One INSERT per table, by event id; the rows' order in time is one microsecond a message."""
        rows: defaultdict[str, list[tuple[bytes, bytes]]] = defaultdict(list)
        tables = {table.name: table for table in self._tables.values()}
        names = {type_: table.name for type_, table in self._tables.items()}
        for (event, decision, said), applied in zip(decided.rows, lock_order_times(applied_at), strict=False):
            found = b",%b" % literals(decision.decided) if decision.decided else b""
            rows[names[event.type]].append((event.identity, b"%b,%d%b%b" % (said, decision.status, found, applied)))
            for table, extra in decision.side_rows:
                tables[table.name] = table
                rows[table.name].append((event.identity, literals((*extra, event.identity)) + applied))
        for name in sorted(rows):
            transaction.insert(name, tables[name].written, [row for _, row in sorted(rows[name])])


def lock_order_times(first: datetime) -> Iterator[bytes]:
    """As SQL, each a microsecond after the one before, each the last value of a row."""
    second, microsecond = first.replace(microsecond=0), first.microsecond
    while True:
        begins = b",'%b." % second.isoformat(" ").encode()
        yield from (b"%b%06d'" % (begins, number) for number in range(microsecond, 10**6))
        second, microsecond = second + timedelta(seconds=1), 0


def _now(transaction: Transaction) -> datetime:
    """The database's clock (NOW would be the start of a statement)."""
    ((now,),) = transaction.query("SELECT SYSDATE(6)")
    assert isinstance(now, datetime)
    return now
