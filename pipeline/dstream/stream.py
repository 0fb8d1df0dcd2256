"""The only module of this room that knows Spark: the DStream, the one job of a batch, and an orderly end.

The stream itself carries nothing: it is the clock, and each tick plans, reads, applies and commits (`Driver`). A batch
is one action: read each range, cut it into one block per partition, shuffle, apply; where there is a shard for every
partition, each reads and applies its own, and nothing is shuffled.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark import SparkContext
from pyspark.streaming import StreamingContext

from pipeline.dstream.driver import Driver
from pipeline.dstream.source import Reader
from pipeline.dstream.tasks import Applying, Preparation, ReadAndApply, Reading, assigned, is_spread
from pipeline.messages.records import Block, Extent, Range, Report
from pipeline.runtime.errors import Fatal, TaskDied
from pipeline.runtime.stopping import StopSignal
from pipeline.spark.context import deaths_told, heed_signals_of_jvm

LOOK = 0.5
"""Seconds between two looks at whether the stream still lives."""


@dataclass(frozen=True)
class SparkBatch:
    """Runs one batch on Spark: `split` as `Router.split`, `apply` as `Partition.apply`, both picklable.

    `preparation`: of each worker process.
    """

    context: SparkContext
    reader: Reader
    split: Callable[[Extent, int], list[tuple[int, Block]]]
    apply: Callable[[Iterable[Block]], Report]
    partitions: int
    preparation: Preparation | None = None

    def __call__(self, ranges: Sequence[Range]) -> list[Report]:
        """Read and apply these ranges; the report of each partition. Raises `TaskDied`."""
        with deaths_told():
            spread = is_spread(ranges, self.partitions)
            return self._spread(ranges, len(ranges)) if spread else self._read_and_apply(ranges)

    def warm_up(self) -> None:
        """A batch of nothing: workers start, they and Spark load what they need, which takes seconds, before work."""
        with suppress(TaskDied), deaths_told():  # the first batch will say so again
            self._spread((), self.context.defaultParallelism)

    def _spread(self, ranges: Sequence[Range], readers: int) -> list[Report]:
        reading = Reading(self.reader, self.split, self.partitions, self.preparation)
        blocks = self.context.parallelize(ranges, readers).mapPartitions(reading)
        spread = blocks.partitionBy(self.partitions, _itself)
        return spread.mapPartitions(Applying(self.apply, self.preparation)).collect()

    def _read_and_apply(self, ranges: Sequence[Range]) -> list[Report]:
        read_and_apply = ReadAndApply(self.reader, self.split, self.apply, self.preparation)
        shares = self.context.parallelize(assigned(ranges, self.partitions), self.partitions)
        return shares.mapPartitions(read_and_apply).collect()


def run(context: SparkContext, driver: Driver, batch_length: float, stop: StopSignal) -> None:
    """Tick until a stop is asked for, the driver ends, or the stream dies; then end everything in order.

    The batch in flight is finished and the leases are given back before Spark stops. Raises `Fatal`.
    """
    stream = _stream(context, driver, batch_length)
    heed_signals_of_jvm(context, stop)
    with ThreadPoolExecutor(1, thread_name_prefix="lead") as thread:
        stream.start()
        leading = thread.submit(driver.lead)
        try:
            while not leading.done() and not stop.wait(LOOK):
                _look(stream)
        finally:
            driver.stop()
    stream.stop(stopSparkContext=True, stopGraceFully=False)
    leading.result()


def _look(stream: StreamingContext) -> None:
    """Raise `Fatal` where an error has left a tick (Spark logs it), Spark has stopped, or its JVM has died."""
    try:
        if stream.awaitTerminationOrTimeout(0):  # type: ignore[func-returns-value]
            raise Fatal("Spark has ended the stream")
    except (Py4JError, ConnectionError) as error:
        raise Fatal(f"the stream has died of an unforeseen error ({type(error).__name__})") from error


def _stream(context: SparkContext, driver: Driver, batch_length: float) -> StreamingContext:
    def tick(batch_time: datetime, _: Any) -> None:
        driver.tick(batch_time.timestamp())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # DStreams are in maintenance, not on their way out
        stream = StreamingContext(context, cast(int, batch_length))  # takes fractions; only its annotation does not
    stream.queueStream([], default=context.emptyRDD()).foreachRDD(tick)
    return stream


def _itself(partition: int) -> int:
    return partition
