"""Applying without effects: the same decisions in the same tasks, in transactions that the database keeps read-only.

Nothing is locked either: a service that runs beside does not wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from pipeline.applying.culprits import ToLetter
from pipeline.applying.domain import Domain, State, StateStore
from pipeline.applying.partition import Partition
from pipeline.applying.unit_of_work import Decided, Key, UnitOfWork
from pipeline.messages.decoding import decode
from pipeline.messages.records import Block, Event, Letter, Record, Report
from pipeline.mysql.database import Lane, Transaction

MOST_EXAMPLES = 3
"""Of one outcome of one type."""


class Example(msgspec.Struct, frozen=True):
    """A message that would end so. `fields`: what a dead letter may keep of it; `identity`: hexadecimal."""

    shard: str
    sequence: str
    sub_sequence: int
    identity: str
    fields: dict[str, object]


Examples = dict[tuple[str, str], list[Example]]
"""(type, outcome) → the first few."""


class DryReport(Report):
    """A report with examples."""

    examples: Examples = msgspec.field(default_factory=dict)


def keep(examples: Examples, kind: tuple[str, str], example: Example) -> None:
    """Keep this example unless there are enough of its kind."""
    kept = examples.setdefault(kind, [])
    if len(kept) < MOST_EXAMPLES:
        kept.append(example)


@dataclass(frozen=True)
class DryPartition(Partition):
    """Decides as `Partition` does; writes nothing."""

    examples: Examples = field(default_factory=dict)

    def apply(self, blocks: Iterable[Block]) -> DryReport:
        """What would become of every record of the blocks."""
        own = replace(self, examples={})
        report = Partition.apply(own, blocks)
        return DryReport(**msgspec.structs.asdict(report), examples=own.examples)

    def work(self, lane: Lane) -> UnitOfWork:
        return _DryWork(lane, self.router.routes, self.store, self.router.letter, self.examples)

    def _write(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            example = _example(letter.record, letter.identity, letter.payload)
            keep(self.examples, (letter.type or "", f"letter:{letter.reason}"), example)


class _DryWork(UnitOfWork):
    """A unit of work whose transactions only read."""

    def __init__(
        self, lane: Lane, routes: Mapping[str, Domain], store: StateStore, to_letter: ToLetter, examples: Examples
    ) -> None:
        super().__init__(lane, routes, _ReadingStore(store), to_letter)
        self._examples = examples
        self._rereading = True  # no INSERT finds a position that has its row: all are looked up

    def _known(self, transaction: Transaction, chunk: Sequence[Event[Any]]) -> set[Key]:
        transaction.execute("START TRANSACTION READ ONLY")
        return super()._known(transaction, chunk)

    def _write(self, transaction: Transaction, decided: Decided, applied_at: datetime) -> None:
        for event, decision, _ in decided.rows:
            fields = self._routes[event.type].payload(decode(event.record.data))
            keep(self._examples, (event.type, str(decision.status)), _example(event.record, event.identity, fields))


@dataclass(frozen=True)
class _ReadingStore:
    """The store, without its locks, and without saving."""

    store: StateStore

    def load(self, transaction: Transaction, needs: Iterable[Any]) -> State:
        return self.store.load(_Unlocked(transaction), needs)

    def extend(self, transaction: Transaction, state: Any, needs: Iterable[Any]) -> None:
        self.store.extend(_Unlocked(transaction), state, needs)

    def save(self, transaction: Transaction, state: Any) -> None:
        """Nothing."""


class _Unlocked(Transaction):
    """The same transaction, reading what it was asked to lock."""

    def __init__(self, within: Transaction) -> None:
        self._within = within

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._within.query(sql.removesuffix(" FOR UPDATE"), parameters)


def _example(record: Record, identity: bytes, fields: dict[str, object]) -> Example:
    return Example(record.shard, record.sequence, record.sub_sequence, identity.hex(), fields)
