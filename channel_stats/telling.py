"""What a task does with the latest counts of some channels: to the topic what has changed, then all to the tables.

Whether a channel's latest has changed is what the notes beside the table say (`tables.py`), which hold what the topic
has told last of each key. The order of things, and what happens when the process dies just after each:

1. What is out and not noted yet is noted (`notes.py`): nothing, unless a process has died after 3. Each step of it
   bears being done again.
2. The notes are read. Nothing was done; the batch comes again, and finds the same.
3. What is newer than the notes goes to the topic, in one transaction with the marks of the lane
   (`pipeline.kafka.lanes`): everything before the end of the batch is out. Whatever batch comes next, the same, or one
   with other bounds after a lost checkpoint, begins with 1, which reads the harvests up to the marks again. Had the
   transaction not gone through, nobody could read any of it, and nothing would have happened.
4. Table and notes take the counts, transaction by transaction, each both or none: as after 3.
5. The notes say how far they go. Spark has not noted the end of the batch, so it comes again, and nothing in it is
   newer than the notes.

So at 2 the notes say of each key what the topic does, whoever else writes the table: a store of the same Avro, another
service, a script. Two drivers shut each other's producers out at 1; the one that is behind ends at 3, and what it may
write at 4 all the same, late, is out, and older than or the same as what is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]

from channel_stats.harvest import read
from channel_stats.latest import Count, Key, Latest, Period, Placed
from channel_stats.notes import Notes
from channel_stats.schemas import Schema
from channel_stats.tables import Tables
from channel_stats.wire import encoder
from pipeline.kafka.lane import Row
from pipeline.kafka.lanes import Lanes, Written
from pipeline.runtime.errors import Rejected
from pipeline.structured.tasks import LETTERS, columns, tuples

FOUND: Final = "lane INT, channel STRING, span STRING, at BIGINT, subs INT, partition INT, offset BIGINT"
"""The latest counts that a task has found, and their lanes. One row without a channel says how many harvests it has
read (`at`), and how many records that are none (`offset`)."""
AT_ONCE: Final = 5_000
"""Rows that are handed on at once."""

_FOUND: Final = pa.schema(
    [
        ("lane", pa.int32()),
        ("channel", pa.string()),
        ("span", pa.string()),
        ("at", pa.int64()),
        ("subs", pa.int32()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
    ]
)


class Outcome(NamedTuple):
    """Of a lane. `harvests`, `others`: records that are harvests, or none. `lost`: rows that could not be stored."""

    written: Written
    harvests: int
    others: int
    lost: int


@dataclass(frozen=True)
class Find:
    """Records (columns value, partition, offset) to the latest counts among them (columns `FOUND`)."""

    period: Period
    lanes: Lanes

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        latest, harvests, others = Latest(), 0, 0
        for batch in batches:
            for value, partition, offset in tuples(batch):
                try:
                    harvest = read(value)
                except Rejected:
                    others += 1
                else:
                    harvests += 1
                    latest.harvested(self.period, harvest, partition, offset)
        rows = [self._row(key, placed) for key, placed in latest.items()]
        for first in range(0, len(rows), AT_ONCE):
            yield columns(rows[first : first + AT_ONCE], _FOUND)
        yield columns([(0, None, None, harvests, None, None, others)], _FOUND)

    def _row(self, key: Key, placed: Placed) -> tuple[Any, ...]:
        return self.lanes.of(key.channel.encode(), "", 0), *key, *placed.latest, placed.partition, placed.offset


@dataclass(frozen=True)
class Tell:
    """The latest counts of a lane's channels (columns `FOUND`) to the topic and the tables.

    `topic`: the one that was harvested from. `schema`, `schema_id`: of what is written; a task on another machine has
    no files.
    """

    lanes: Lanes
    tables: Tables
    topic: str
    schema: Schema
    schema_id: int

    def __call__(self, lane: int, batches: Iterator[pa.RecordBatch]) -> Outcome:
        latest, harvests, others = _gathered(batches)
        if not latest and not self.lanes.settle:
            return Outcome(self.lanes.write(lane, ()), harvests, others, 0)
        notes = Notes(self.tables, self.lanes, lane)
        notes.catch_up()
        told = self.tables.told(latest)
        written = self.lanes.write(lane, self._rows(latest, told))
        lost = self.tables.put(latest.counts(), told=True)
        notes.go_on(self.lanes.through)
        return Outcome(written, harvests, others, lost)

    def _rows(self, latest: Latest, told: dict[Key, Count]) -> Iterator[Row]:
        period = self.tables.period
        encode = encoder(period, self.schema, self.schema_id)
        for key, placed in latest.changed(told):
            place = (self.topic, placed.partition, placed.offset)
            yield Row(period.name, key.channel.encode(), encode(key, placed.latest), *place)


class Reject:
    """The letters among records (columns of `service.RECORD` without headers)."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = []
            for record in tuples(batch):
                try:
                    read(record[1])
                except Rejected as rejected:
                    rows.append((*record, rejected.reason, rejected.detail or None, None))
            yield columns(rows, LETTERS)


def _gathered(batches: Iterable[pa.RecordBatch]) -> tuple[Latest, int, int]:
    latest, harvests, others = Latest(), 0, 0
    for batch in batches:
        for _, channel, span, at, subs, partition, offset in tuples(batch):
            if channel is None:
                harvests += at
                others += offset
            else:
                latest.add(Key(channel, span), Placed(Count(at, subs), partition, offset))
    return latest, harvests, others
