"""The table of a period, and beside it the notes on what its topic has told: both only go forward.

Rows are written set by set, in the order of their keys: who comes at the same time waits, and finds what the other one
wrote. A row takes what is newer than its own and nothing else (`statements.py`): so it is the same whoever writes, in
whichever order and however often.

The notes (`<table>_told`) are of the service alone, by the bytes of the channel's name. What is in a table that anybody
may write does not say what is in the topic; a row there may come from its Avro, or from another service.

A table that was there before may hold less than a channel's name: a collation that takes two for one, other characters,
a shorter column. A channel that it refuses, or whose row there is another channel's, is not stored, and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from channel_stats import statements
from channel_stats.latest import Count, Key, Period, moment
from pipeline.mysql.database import Database, Lane, RowRefused, Transaction, connections, translated
from pipeline.runtime.errors import Fatal, Transient, waiting_for
from pipeline.runtime.retries import retried
from pipeline.runtime.slices import slices

AWAY: Final = "the database"
ROWS: Final = 2_000
"""Rows of a statement, and of a transaction."""
PATIENCE: Final = 15.0
"""Seconds that conflicts with others, and lost connections, are tried again before the batch is."""
LANES: Final = 2
"""Connections of a process at most."""

Row = tuple[Key, Count]
T = TypeVar("T")

_json: Final = msgspec.json.Encoder()
_folding: dict[tuple[Database, str], tuple[str, str] | None] = {}
"""Characters and collation of a table's channels, where two of them may be one; None where not."""


@dataclass(frozen=True)
class Tables:
    """Of one period, as anybody may write them. Picklable; methods raise `PipelineError`."""

    database: Database
    period: Period

    def told(self, keys: Iterable[Key]) -> dict[Key, Count]:
        """What the topic has told last of these, as far as it has."""
        found: dict[Key, Count] = {}
        wanted = [(key.channel.encode().hex(), key.span) for key in sorted(keys)]
        with waiting_for(AWAY), closing(self.lane()) as lane:
            for some in slices(wanted, ROWS):
                for channel, span, at, subs in steadily(partial(self._asked, lane, some)):
                    key = Key(bytes(channel).decode(), _text(span))
                    found[key] = Count(int(at.replace(tzinfo=UTC).timestamp()), int(subs))
        return found

    def put(self, rows: Iterable[Row], *, told: bool = False) -> int:
        """Let the table take these, which may be older than what it has; how many it could not store.

        `told`: the topic tells of them by now, and the notes take them as well, in the same transactions.
        """
        lost = 0
        with waiting_for(AWAY), closing(self.lane()) as lane:
            for some in slices(sorted(rows), ROWS):
                lost += self._put(lane, some, told)
        return lost

    def probe(self, *, notes: bool = True) -> None:
        """Raises `Fatal` where a table is missing, or rows are not unique in it. `notes`: whether they are needed."""
        needed = (
            (self.period.name, self.period.column),
            *([(statements.notes_of(self.period), "span")] if notes else []),
        )
        with waiting_for(AWAY), closing(self.database.connect()) as connection, closing(connection.cursor()) as cursor:
            for table, span in needed:
                with translated():
                    cursor.execute(statements.UNIQUE, (table, span))
                    unique = cursor.fetchall()
                if not unique:
                    raise Fatal(
                        f"{table} is missing in {self.database.schema}, or has no unique index of channel and {span}: "
                        "run `python -m migrations yt`, which makes what is missing, or add that index"
                    )

    def folds(self) -> str | None:
        """The table's collation, where two channels may be one in it: of a table that was there before."""
        with waiting_for(AWAY), closing(self.lane()) as lane:
            found = steadily(partial(self._looked, lane))
        return found[1] if found else None

    def lane(self) -> Lane:
        """A connection of this process' own."""
        return connections(self.database, LANES).lane()

    def _asked(self, lane: Lane, wanted: Sequence[tuple[str, str]]) -> list[tuple[Any, ...]]:
        with lane.transaction() as transaction:
            return transaction.query(statements.told(self.period), (_written(wanted),))

    def _put(self, lane: Lane, rows: Sequence[Row], told: bool) -> int:
        try:
            return steadily(partial(self._took, lane, rows, told))
        except RowRefused:
            if len(rows) == 1:
                if told:
                    steadily(partial(self._noted, lane, rows))
                return 1
            half = len(rows) // 2
            return self._put(lane, rows[:half], told) + self._put(lane, rows[half:], told)

    def _took(self, lane: Lane, rows: Sequence[Row], told: bool) -> int:
        with lane.transaction() as transaction:
            transaction.execute(statements.take(self.period), (_counts(rows),))
            if told:
                self._note(transaction, rows)
            lost = self._folded(transaction, rows)
            transaction.commit()
            return lost

    def _noted(self, lane: Lane, rows: Sequence[Row]) -> None:
        with lane.transaction() as transaction:
            self._note(transaction, rows)
            transaction.commit()

    def _note(self, transaction: Transaction, rows: Sequence[Row]) -> None:
        transaction.execute(statements.note(self.period), (_counts(rows, in_hex=True),))

    def _folded(self, transaction: Transaction, rows: Sequence[Row]) -> int:
        """How many of these have no row of their own, since another channel has it."""
        found = self._collation(transaction)
        if found is None:
            return 0
        ((number,),) = transaction.query(statements.folded(self.period, *found), (_counts(rows),))
        return int(number)

    def _looked(self, lane: Lane) -> tuple[str, str] | None:
        with lane.transaction() as transaction:
            return self._collation(transaction)

    def _collation(self, transaction: Transaction) -> tuple[str, str] | None:
        """Characters and collation of the table's channels, unless no two of them can be one."""
        known = self.database, self.period.name
        if known not in _folding:
            ((characters, collation),) = transaction.query(statements.COLLATION, (self.period.name,))
            is_exact = collation is None or _text(collation) in statements.EXACT
            _folding[known] = None if is_exact else (_text(characters), _text(collation))
        return _folding[known]


def _counts(rows: Sequence[Row], *, in_hex: bool = False) -> str:
    return _written(
        [
            (key.channel.encode().hex() if in_hex else key.channel, key.span, moment(count.at), count.subs)
            for key, count in rows
        ]
    )


def _written(rows: Sequence[tuple[object, ...]]) -> str:
    return _json.encode(rows).decode()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else bytes(value).decode()


def steadily(action: Callable[[], T]) -> T:
    """What it returns, tried again after conflicts with others: whatever was done is done again in full."""
    return retried(action, lambda error: isinstance(error, Transient), PATIENCE, what=AWAY)
