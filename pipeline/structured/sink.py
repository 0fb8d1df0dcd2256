"""A frame of rows into lanes: dealt by their keys, in the order of their marks, written once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import functions as sql

from pipeline.kafka.lane import Row
from pipeline.kafka.lanes import Lanes, Written
from pipeline.kafka.letters import letter
from pipeline.structured.tasks import reports, tuples

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PLAIN = ("key", "value", "topic", "partition", "offset")


def write(rows: DataFrame, lanes: Lanes, topic: str) -> list[Written]:
    """Write rows (columns `PLAIN`) to the topic. Raises `PipelineError`."""
    return reports(_dealt(rows.select(*PLAIN), lanes), ToTopic(lanes, topic))


def write_letters(letters: DataFrame, lanes: Lanes) -> list[Written]:
    """Write letters (columns `service.LETTER`), each to the topic of its own topic's. Raises `PipelineError`."""
    told = letters.select(*PLAIN, sql.unix_millis("timestamp"), "reason", "field", "error")
    return reports(_dealt(told, lanes), ToLetters(lanes))


def _dealt(rows: DataFrame, lanes: Lanes) -> DataFrame:
    dealt = rows.repartition(1) if lanes.count == 1 else rows.repartitionById(lanes.count, _lane(lanes.count))
    return dealt.sortWithinPartitions("topic", "partition", "offset")


def _lane(count: int) -> Column:
    """As `Lanes.of`."""
    place = sql.concat(sql.col("topic"), sql.lit(":"), sql.col("partition").cast("string")).cast("binary")
    return sql.pmod(sql.crc32(sql.coalesce(sql.col("key"), place)), sql.lit(count)).cast("int")


@dataclass(frozen=True)
class ToTopic:
    """What a task of `write` does."""

    lanes: Lanes
    topic: str

    def __call__(self, partition: int, batches: Iterator[pa.RecordBatch]) -> Written:
        return self.lanes.write(partition, self._rows(batches))

    def _rows(self, batches: Iterator[pa.RecordBatch]) -> Iterator[Row]:
        for batch in batches:
            for key, value, topic, partition, offset in tuples(batch):
                yield Row(self.topic, key, value, topic, partition, offset)


@dataclass(frozen=True)
class ToLetters:
    """What a task of `write_letters` does."""

    lanes: Lanes

    def __call__(self, partition: int, batches: Iterator[pa.RecordBatch]) -> Written:
        return self.lanes.write(partition, self._rows(batches))

    def _rows(self, batches: Iterator[pa.RecordBatch]) -> Iterator[Row]:
        return (letter(*row) for batch in batches for row in tuples(batch))
