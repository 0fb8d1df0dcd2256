"""What a task does with the records of some symbols' topics: candles to the store, all else told to be letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

import pyarrow as pa  # type: ignore[import-untyped]

from market.candle import Candle, read
from market.candle_store import Arrival, CandleStore, Outcome
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Dealt, Range, Read
from pipeline.kafka.reading import read as records
from pipeline.runtime.errors import Rejected
from pipeline.structured.tasks import LETTERS, columns

MOST_LETTERS, MOST_BYTES = 1_000, 8 << 20
"""What is told at once."""

Condemned = Mapping[tuple[str, int, int], tuple[str, str]]
"""Topic, partition and offset of candles that are letters all the same → reason, error."""


class Report(NamedTuple):
    """What became of the records of a task: by topic, and how many are no candles."""

    outcomes: Mapping[str, Outcome]
    candles: int
    others: int


class _Sent(NamedTuple):
    """A candle as it lies in a topic; `timestamp`: the record's own, in ms."""

    partition: int
    offset: int
    timestamp: int
    candle: Candle


@dataclass(frozen=True)
class Apply:
    """Apply all candles. `client`: Kafka's. `known`: versions of the symbols' states after the batch before."""

    client: Mapping[str, object] = field(repr=False)
    store: CandleStore
    known: Mapping[str, int]
    dealt: Dealt

    def __call__(self, _: int, batches: Iterator[pa.RecordBatch]) -> Report:
        found: dict[str, list[_Sent]] = {}
        others = 0
        for record in records(self.client, _ranges(self.dealt, batches)):
            try:
                candle = read(record.value, record.topic, record.timestamp // 1000, self.store.zone)
            except Rejected:
                others += 1
            else:
                sent = _Sent(record.partition, record.offset, record.timestamp, candle)
                found.setdefault(record.topic, []).append(sent)
        arrived = {topic: in_order(sent) for topic, sent in found.items()}
        outcomes = self.store.take(arrived, self.known)
        return Report(outcomes, sum(map(len, arrived.values())), others)


@dataclass(frozen=True)
class Letters:
    """The letters among records: what is no candle, and what the store has condemned."""

    client: Mapping[str, object] = field(repr=False)
    zone: ZoneInfo
    condemned: Condemned
    dealt: Dealt

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        piece: list[tuple[Any, ...]] = []
        size = 0
        for record in records(self.client, _ranges(self.dealt, batches)):
            if (letter := self._letter(record)) is not None:
                piece.append(letter)
                size += len(record.value or b"")
                if len(piece) == MOST_LETTERS or size > MOST_BYTES:
                    yield columns(piece, LETTERS)
                    piece, size = [], 0
        if piece:
            yield columns(piece, LETTERS)

    def _letter(self, record: Read) -> tuple[Any, ...] | None:
        told = self.condemned.get((record.topic, record.partition, record.offset))
        if told is not None:
            reason, error = told
            return *record[:5], record.timestamp * 1000, reason, None, error or None
        try:
            read(record.value, record.topic, record.timestamp // 1000, self.zone)
        except Rejected as rejected:
            return *record[:5], record.timestamp * 1000, rejected.reason, rejected.detail or None, None
        return None


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


def task_of(place: Place) -> int:
    """All partitions of a topic to one task, the same in each batch: its process may still have the symbol's state."""
    return crc32(place[0].encode())


def _ranges(dealt: Dealt, numbers: Iterable[pa.RecordBatch]) -> dict[Place, Range]:
    """Of the tasks whose numbers are given."""
    tasks = (number for batch in numbers for number in batch.column(0).to_pylist())
    return {place: wanted for task in tasks for place, wanted in dealt[task].items()}
