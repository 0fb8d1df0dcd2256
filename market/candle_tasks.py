"""What a task does with the records of some symbols' topics: candles to the store, all else told to be letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa  # type: ignore[import-untyped]

from market.candle import Candle, read
from market.candle_store import Arrival, CandleStore, Outcome
from pipeline.runtime.errors import Rejected

APPLIED: Final = ("value", "topic", "partition", "offset", "timestamp")
"""Columns of records that are applied."""
LETTERED: Final = ("key", *APPLIED)
"""Columns of records of which some are letters."""
SCHEMA: Final = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("reason", pa.string()),
        ("field", pa.string()),
        ("error", pa.string()),
    ]
)

Condemned = Mapping[tuple[str, int, int], tuple[str, str]]
"""Topic, partition and offset of candles that are letters all the same → reason, error."""


class Report(NamedTuple):
    """What became of the records of a task: by topic, and how many are no candles."""

    outcomes: Mapping[str, Outcome]
    candles: int
    others: int


class _Sent(NamedTuple):
    """A candle as it lies in a topic; `timestamp`: the record's own, in µs."""

    partition: int
    offset: int
    timestamp: int
    candle: Candle


@dataclass(frozen=True)
class Apply:
    """Apply all candles. `known`: versions of the symbols' states after the batch before."""

    store: CandleStore
    known: Mapping[str, int]

    def __call__(self, _: int, batches: Iterator[pa.RecordBatch]) -> Report:
        found: dict[str, list[_Sent]] = {}
        others = 0
        for value, topic, partition, offset, timestamp in _records(batches, APPLIED):
            try:
                candle = read(value, topic, timestamp // 1_000_000, self.store.zone)
            except Rejected:
                others += 1
            else:
                found.setdefault(topic, []).append(_Sent(partition, offset, timestamp, candle))
        arrived = {topic: in_order(sent) for topic, sent in found.items()}
        outcomes = self.store.take(arrived, self.known)
        return Report(outcomes, sum(map(len, arrived.values())), others)


@dataclass(frozen=True)
class Letters:
    """The letters among records: what is no candle, and what the store has condemned."""

    zone: ZoneInfo
    condemned: Condemned

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            records = _records([batch], LETTERED)
            found = [letter for record in records if (letter := self._letter(*record)) is not None]
            if found:
                columns = [
                    pa.array(column, field.type) for column, field in zip(zip(*found, strict=True), SCHEMA, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    def _letter(self, key: Any, value: Any, topic: str, partition: int, offset: int, timestamp: int) -> Any:
        told = self.condemned.get((topic, partition, offset))
        if told is not None:
            reason, field, error = told[0], None, told[1] or None
        else:
            try:
                read(value, topic, timestamp // 1_000_000, self.zone)
                return None
            except Rejected as rejected:
                reason, field, error = rejected.reason, rejected.detail or None, None
        return key, value, topic, partition, offset, timestamp, reason, field, error


def in_order(sent: Sequence[_Sent]) -> list[Arrival]:
    """In the order of arrival: by offset, and between partitions, where order means little, by the records' times."""
    times: dict[int, int] = {}
    places = []
    for one in sorted(sent):
        times[one.partition] = max(one.timestamp, times.get(one.partition, one.timestamp))
        places.append((times[one.partition], one.partition, one.offset, one.candle))
    if len(times) > 1:
        places.sort(key=lambda place: place[:3])
    return [Arrival(partition, offset, candle) for _, partition, offset, candle in places]


def _records(batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        columns = [batch.column(name) for name in names]
        yield from zip(*(_cells(column) for column in columns), strict=True)


def _cells(column: pa.Array) -> list[Any]:
    cells: list[Any] = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return cells
