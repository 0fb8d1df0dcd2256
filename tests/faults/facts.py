"""A run, and what follows from it directly: which message is which event, which rows are new, what moved."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pipeline.messages.identity import identity, letter_key
from pipeline.messages.records import Position, Record
from tests.faults.tables import WRITTEN, Snapshot, Tables
from tests.model.bank import Columns
from tests.model.fraud import DEPLOYED, Sampled, Settings
from tests.model.outcome import TABLES
from tests.model.reading import Message, Skipped, Unreadable, read
from tests.model.rules import never

ACCEPTED = 1


class Sighting(NamedTuple):
    """One message put: what it says and, where it is not skipped, the identity of its event."""

    record: Record
    said: Message | Skipped | Unreadable
    identity: bytes

    @property
    def name(self) -> str:
        where = self.record
        return f"{self.said.type or 'message'} at {where.shard} {where.sequence}/{where.sub_sequence}"


class Told(NamedTuple):
    """A batch that a driver's log tells of: when it was committed, and outcome → messages, by type."""

    when: datetime
    outcomes: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class DriverLog:
    """One driver as its log tells: `leading`: when it got the leases."""

    name: str
    leading: Sequence[datetime]
    batches: Sequence[Told]


@dataclass(frozen=True)
class Run:
    """What a run was given and what it left behind.

    `messages`: all that were put into `stream`. `secrets`: texts that may be nowhere: not in `texts` (name →
    content), not in `files`, not in `letters`. `must_happen`: (type, outcome) that the run has to have, as
    `Report.outcomes` has them. `sampled` and `settings`: the service's, for the fraud score. `ordered`: whether all
    messages of a key were read by one driver at a time. `parents`: shard → the shards that it was split or merged
    from. `checkpoints`: shard → where it stands in the end; None: nobody looked. `drivers`: all that ran. `mails`:
    the text of each that SES took, None: nobody looked; `may_repeat`: of those, how many a crash between sending and
    noting may have repeated. `hits`: fault → how often it fired. `least`: messages that have to be put for the run to
    show something.
    """

    stream: str
    messages: Sequence[Record]
    opening: Tables
    final: Tables
    letters: Mapping[int, Columns]
    snapshots: Sequence[Snapshot] = ()
    secrets: Collection[str] = ()
    texts: Mapping[str, str | bytes] = field(default_factory=dict)
    files: Collection[Path] = ()
    must_happen: Collection[tuple[str, str]] = ()
    sampled: Sampled = never
    settings: Settings = DEPLOYED
    ordered: bool = True
    parents: Mapping[str, Collection[str]] = field(default_factory=dict)
    checkpoints: Mapping[str, Position] | None = None
    drivers: Sequence[DriverLog] = ()
    mails: Sequence[str] | None = None
    may_repeat: int = 0
    hits: Mapping[str, int] = field(default_factory=dict)
    least: int = 1000


class Facts:
    """What follows from a run, computed once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._old = {table: {row["id"] for row in run.opening.rows[table]} for table in WRITTEN}
        self.settled = {row["event_id"] for table in WRITTEN for row in run.opening.rows[table]} - {None}
        """Events that had their row before the run: another message of theirs is a repeat."""

    @cached_property
    def sightings(self) -> list[Sighting]:
        return [self._sighting(record) for record in self.run.messages]

    @cached_property
    def events(self) -> dict[bytes, list[Sighting]]:
        """Identity → every message that is this event, in the order put, without what is skipped or settled."""
        events = defaultdict(list)
        for sighting in self.sightings:
            if not isinstance(sighting.said, Skipped) and sighting.identity not in self.settled:
                events[sighting.identity].append(sighting)
        return dict(events)

    @cached_property
    def rows_of(self) -> dict[bytes, list[tuple[str, Columns]]]:
        """Identity → its rows, as (table, columns)."""
        rows = defaultdict(list)
        for table, row in self.new_rows(self.run.final):
            rows[row["event_id"]].append((table, row))
        return dict(rows)

    def new_rows(self, tables: Tables) -> Iterator[tuple[str, Columns]]:
        """(table, columns) of every row that was not there at the opening."""
        for table in WRITTEN:
            for row in tables.rows[table]:
                if row["id"] not in self._old[table]:
                    yield table, row

    @cached_property
    def outcomes(self) -> Counter[tuple[str, str]]:
        """(type, outcome) → messages, as `Report.outcomes` of the checker."""
        return Counter(self._outcomes())

    def moments(self) -> Iterator[tuple[str, Tables]]:
        """(name, tables) of every snapshot and of the end."""
        for number, snapshot in enumerate(self.run.snapshots):
            yield f"snapshot {number}", snapshot.tables
        yield "in the end", self.run.final

    def ancestors(self, shard: str) -> set[str]:
        """All shards that this one descends from."""
        found: set[str] = set()
        waiting = [shard]
        while waiting:
            new = set(self.run.parents.get(waiting.pop(), ())) - found
            found |= new
            waiting += new
        return found

    def letter_of(self, event: bytes) -> Columns | None:
        return self.run.letters.get(letter_key(event))

    def moved(self, tables: Tables) -> Mapping[tuple[str, int], Decimal]:
        """("accounts" or "loans", id) → the sum of what the accepted new rows in `tables` moved to and from it."""
        moved: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
        for table, row in self.new_rows(tables):
            if row["status"] == ACCEPTED and table != "stocks":
                amount, giver, taker = self._movement(table, row)
                moved[giver] -= amount
                moved[taker] += amount
        return moved

    def _movement(self, table: str, row: Columns) -> tuple[Decimal, tuple[str, int], tuple[str, int]]:
        if table == "transactions":
            return row["transfer_value"], ("accounts", row["origin_account"]), ("accounts", row["destination_account"])
        if table == "loan_payments":
            return row["amount"], ("accounts", row["account_id"]), ("loans", row["loan_id"])
        return row["transfer_value"], ("accounts", self.card_account(row)), ("accounts", row["merchant_account_id"])

    def card_account(self, row: Columns) -> int:
        """The account of the card of a row; -1 where no such card exists."""
        card = self.run.opening.bank.cards.get(int(row["card_num"]), {"accounts_id": -1})
        account: int = card["accounts_id"]
        return account

    def _outcomes(self) -> Iterator[tuple[str, str]]:
        told = set(self.settled)
        for sighting in self.sightings:
            kind, event = sighting.said.type or "", sighting.identity
            rows, letter = self.rows_of.get(event), self.letter_of(event)
            if isinstance(sighting.said, Skipped):
                yield kind, "skipped"
            elif event in told:
                yield kind, "repeat"
            elif rows:
                yield kind, str(rows[0][1]["status"])
            else:
                yield kind, f"letter:{letter['reason']}" if letter else "none"
            told.add(event)

    def _sighting(self, record: Record) -> Sighting:
        said = Unreadable(record.flaw) if record.flaw else read(record.data)
        if isinstance(said, Skipped):
            return Sighting(record, said, b"")
        return Sighting(record, said, identity(self.run.stream, record, said.type, said.producer_id))


def table_of(sighting: Sighting) -> str:
    """The table that a row of this message goes to; "" where its type is unknown."""
    return TABLES.get(sighting.said.type or "", "")
