"""A flow of the analytics in the process of a test: one session of Spark for many, real topics, its own checkpoint."""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from pipeline.kafka.client import client_options
from pipeline.kafka.letters import letters_of
from pipeline.kafka.topics import Topics
from pipeline.runtime.errors import PipelineError
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.structured.batch import RunningBatch
from pipeline.structured.outputs import Outputs
from pipeline.structured.query import Query
from pipeline.structured.service import Batch, Flow, as_they_came
from pipeline.structured.session import build_session
from tests import topics
from tests.own_jvm import end_jvm

WITHIN = 120.0
_numbers = itertools.count()


def session(options: Mapping[str, str] = {}, jars: Sequence[str] = ()) -> Iterator[SparkSession]:
    """For a fixture of a module. `jars`: sections of jars.lock, beside Kafka's."""
    os.environ["SPARK_MASTER"] = "local[2]"
    spark = build_session("trials", ["tests"], {"spark.sql.shuffle.partitions": "2", **options}, jars=jars)
    try:
        yield spark
    finally:
        spark.stop()
        end_jvm()
        del os.environ["SPARK_MASTER"]


@dataclass
class Watched:
    """A `Watcher` that remembers."""

    batches: list[RunningBatch] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    states: list[Any] = field(default_factory=list)

    def began(self, flow: str) -> None: ...

    def batch_began(self, flow: str) -> None: ...

    def batch_ended(self, flow: str, batch: RunningBatch) -> None:
        self.batches.append(batch)

    def failed(self, flow: str, error: PipelineError) -> None:
        self.errors.append(f"{type(error).__name__}: {error}")

    def progress(self, flow: str, progress: Any) -> None:
        self.states.append(progress)

    @property
    def counts(self) -> Counter[str]:
        return sum((batch.counts for batch in self.batches), Counter())

    @property
    def reasons(self) -> Counter[str]:
        return sum((batch.reasons for batch in self.batches), Counter())


def copied(writes: str) -> Callable[[Batch], None]:
    """What a flow does that copies values and keys; without a value, or beginning with `bad`, it is a letter."""

    def apply(batch: Batch) -> None:
        missing, bad = sql.col("value").isNull(), sql.col("value").startswith("bad")
        batch.write(writes, batch.frame.where(~missing & ~bad))
        reason = sql.when(missing, "no_value").otherwise("bad_value")
        told = {"reason": reason, "field": sql.lit(None).cast("string"), "error": sql.lit("as seen")}
        batch.letters(batch.frame.where(missing | bad).withColumns(told))

    return apply


class Trial:
    """Topics `reads` and `writes`, made; `query` and `run` read the one and write the other."""

    def __init__(self, spark: SparkSession, kafka: str, folder: Path, *, partitions: int = 2) -> None:
        self.spark, self.kafka, self.folder = spark, kafka, folder
        name = f"trial-{os.getpid()}-{next(_numbers)}"
        self.service = name
        self.reads, self.writes = name, f"{name}-out"
        topics.create(kafka, {self.reads: partitions, letters_of(self.reads): 1, self.writes: 2})
        self.topics = Topics(client_options(self.settings()))

    def settings(self, **given: str) -> AnalyticsSettings:
        place = {"KAFKA_BROKERS": self.kafka, "CHECKPOINT_DIR": str(self.folder / "checkpoint")}
        return AnalyticsSettings.read({**place, "METRICS_PORT": "0", "BATCH_LENGTH": "0.2", **given})

    def put(self, values: Sequence[bytes | topics.Sent], topic: str | None = None) -> None:
        topics.produce(self.kafka, topic or self.reads, values, message_max_bytes=2 << 20)

    def query(
        self,
        apply: Callable[[Batch], None] | None = None,
        shape: Callable[[DataFrame], DataFrame] = as_they_came,
        *,
        reads: Sequence[str] = (),
        until_caught_up: bool = True,
        **settings: str,
    ) -> tuple[Query, Watched]:
        """A driver of its own."""
        flow = Flow("copy", reads or [self.reads], apply or copied(self.writes), shape)
        given, run, watched = self.settings(**settings), uuid.uuid4().hex, Watched()
        query = Query(
            flow,
            self.service,
            [self.writes],
            self.spark,
            given,
            Topics(client_options(given)),
            Outputs(f"{self.service}.copy", client_options(given), run),
            watched,
            until_caught_up=until_caught_up,
        )
        return query, watched

    def run(self, *given: Any, **more: Any) -> Watched:
        """Until caught up. Raises what ends a service."""
        query, watched = self.query(*given, **more)
        look(query, lambda: query.done)
        return watched

    def out(self) -> list[bytes | None]:
        """What readers of committed records see, partition by partition."""
        return [record.value for record in topics.read(self.kafka, self.writes)]

    def letters(self) -> list[topics.Found]:
        return topics.read(self.kafka, letters_of(self.reads))


def look(query: Query, enough: Callable[[], bool]) -> None:
    """Lead a query until it is enough, then stop it."""
    deadline = time.monotonic() + WITHIN
    try:
        while not enough():
            assert time.monotonic() < deadline, "in vain"
            query.look()
            time.sleep(0.05)
    finally:
        query.stop()


def numbers(first: int, end: int) -> list[topics.Sent]:
    """Records `first` to `end`, of eleven keys; some that become letters."""
    return [topics.Sent(value_of(number), str(number % 11).encode()) for number in range(first, end)]


def value_of(number: int) -> bytes | None:
    return None if number % 50 == 9 else f"bad{number}".encode() if number % 50 == 7 else str(number).encode()


def good(first: int, end: int) -> list[bytes]:
    """What is to come of `numbers`, sorted by number."""
    return [str(number).encode() for number in range(first, end) if number % 50 not in (7, 9)]


def bad(first: int, end: int) -> int:
    """How many letters come of `numbers`."""
    return sum(number % 50 in (7, 9) for number in range(first, end))
