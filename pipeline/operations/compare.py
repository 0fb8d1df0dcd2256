"""Two outcomes of the same messages side by side: what a rehearsal made of them, and what the service did.

Both sides are read in the order of the event ids, page by page, so neither their size nor a running service matters.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from pipeline.applying.domain import EventTable
from pipeline.dead_letters.items import StoredLetter
from pipeline.messages.redaction import label

PAGE = 5_000
"""Rows read at once."""
NOTHING = "nothing"

Query = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]


class Outcome(NamedTuple):
    """What became of one message. `kind`: its table and status, or "letter" with type and reason.

    `said`: the columns of its row. `at`: when it was applied, or its letter first written; naive, UTC.
    """

    event: bytes
    kind: str
    said: dict[str, object]
    at: datetime | None


class Difference(NamedTuple):
    """One message that ended otherwise. `changed`: "column: here → there", without secrets."""

    event: bytes
    here: str
    there: str
    changed: str


class Comparison(msgspec.Struct):
    """`compared`: messages seen on either side. `counts`: (here, there) → messages that differ so."""

    compared: int = 0
    ignored: int = 0
    counts: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    examples: list[Difference] = msgspec.field(default_factory=list)


def outcomes(query: Query, tables: Sequence[EventTable], letters: Iterable[StoredLetter]) -> Iterator[Outcome]:
    """Every outcome of one side, by event id, each once: a row outranks a letter. Rows older than events are left out.

    `query`: all rows of a SELECT, in a transaction of its own.
    """
    sources = [*(_rows(query, table) for table in tables), _in_order(letters)]
    for _, found in groupby(heapq.merge(*sources, key=attrgetter("event")), attrgetter("event")):
        yield next(found)


def compare(
    here: Iterable[Outcome],
    there: Iterable[Outcome],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    examples: int = 20,
    advance: Callable[[int], object] = lambda more: None,
) -> Comparison:
    """What ended otherwise there than here; both in the order of event ids.

    A message that only this side has counts where it was applied from `since` to `until` (naive, UTC): a rehearsal
    reads a span of the stream, and this side went on. `advance` is told of every page of messages.
    """
    result = Comparison()
    for ours, theirs in _pairs(here, there):
        result.compared += 1
        if result.compared % PAGE == 0:
            advance(PAGE)
        if theirs is None and ours is not None and not _within(ours.at, since, until):
            result.ignored += 1
            continue
        if (different := _difference(ours, theirs)) is not None:
            result.counts[different.here, different.there] += 1
            if len(result.examples) < examples:
                result.examples.append(different)
    advance(result.compared % PAGE)
    return result


def _rows(query: Query, table: EventTable) -> Iterator[Outcome]:
    columns = ", ".join(f"`{column}`" for column in table.columns)
    sql = (
        f"SELECT event_id, applied_at, {columns} FROM `{table.name}` FORCE INDEX (`{table.event_key}`) "
        f"WHERE event_id > %s ORDER BY event_id LIMIT {PAGE}"
    )
    after = b""
    while rows := query(sql, (after,)):
        for event, at, *values in rows:
            said = dict(zip(table.columns, values, strict=True))
            yield Outcome(bytes(event), f"{table.name} {said['status']}", said, at)
        after = bytes(rows[-1][0])


def _in_order(letters: Iterable[StoredLetter]) -> Iterator[Outcome]:
    """DynamoDB gives items in no order: they are sorted on disk where they are many."""
    with closing(sqlite3.connect("")) as store:
        store.execute("CREATE TABLE letters (event BLOB PRIMARY KEY, kind TEXT, at TEXT) WITHOUT ROWID")
        told = (
            (s.letter.identity, f"letter {s.letter.type or '(none)'} {s.letter.reason}", s.first_seen) for s in letters
        )
        store.executemany(
            "INSERT OR REPLACE INTO letters VALUES (?, ?, ?)",
            ((event, kind, first_seen.replace(tzinfo=None).isoformat()) for event, kind, first_seen in told),
        )
        for event, kind, at in store.execute("SELECT event, kind, at FROM letters ORDER BY event"):
            yield Outcome(event, kind, {}, datetime.fromisoformat(at))


def _pairs(here: Iterable[Outcome], there: Iterable[Outcome]) -> Iterator[tuple[Outcome | None, Outcome | None]]:
    sides = heapq.merge(((one, 0) for one in here), ((one, 1) for one in there), key=lambda pair: pair[0].event)
    for _, found in groupby(sides, key=lambda pair: pair[0].event):
        of = {side: one for one, side in found}
        yield of.get(0), of.get(1)


def _difference(ours: Outcome | None, theirs: Outcome | None) -> Difference | None:
    event = (ours or theirs or Outcome(b"", "", {}, None)).event
    here, there = (one.kind if one else NOTHING for one in (ours, theirs))
    said, other = (one.said if one else {} for one in (ours, theirs))
    changed = [
        f"{name}: {_told(value)} → {_told(other[name])}"
        for name, value in said.items()
        if name != "status" and name in other and value != other[name]
    ]
    return Difference(event, here, there, ", ".join(changed)) if here != there or changed else None


def _within(at: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    return at is None or ((since is None or at >= since) and (until is None or at <= until))


def _told(value: object) -> str:
    """A column's value without a card number."""
    return value.isoformat(" ") if isinstance(value, datetime) else str(label(value))
