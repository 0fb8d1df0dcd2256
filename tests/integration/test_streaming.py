"""The engine of the analytics on a real broker: what comes of records, once, whatever comes again, dies or is lost."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
)
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql

from pipeline.kafka.client import client_options
from pipeline.kafka.topics import Topics
from pipeline.runtime.errors import Fatal, Transient
from pipeline.structured.batch import RunningBatch
from pipeline.structured.beginning import found_losses
from pipeline.structured.service import Batch
from pipeline.structured.warming import warm_up
from tests import topics
from tests.integration import streaming
from tests.integration.streaming import Trial, bad, copied, good, look, numbers
from tests.kafka import PASSWORD, USER, admin, broker

spark = pytest.fixture(scope="module", name="spark")(streaming.session)


@pytest.fixture
def trial(spark: SparkSession, kafka: str, tmp_path: Path) -> Trial:
    return Trial(spark, kafka, tmp_path / "100 % é")


def in_order(values: Iterable[bytes | None]) -> list[bytes]:
    return sorted((value for value in values if value is not None), key=int)


def test_workers_have_imported_what_tasks_write_with_before_any_batch(spark: SparkSession) -> None:
    def look_at_itself(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import sys

        ready = {"pipeline.kafka.lane", "tests.topics"} <= sys.modules.keys()
        for batch in batches:
            yield batch.set_column(0, "id", pa.array([int(ready)] * batch.num_rows))

    def ready() -> list[int]:
        return [row.id for row in spark.range(0, 2, 1, 2).mapInArrow(look_at_itself, "id BIGINT").collect()]

    assert ready() == [0, 0]
    warm_up(spark, ["tests.topics"]).join()
    assert ready() == [1, 1]


def test_a_lost_checkpoint_repeats_neither_rows_nor_letters(trial: Trial) -> None:
    trial.put(numbers(0, 500))
    trial.run()
    shutil.rmtree(trial.folder / "checkpoint")
    trial.put(numbers(500, 700))
    again = trial.run(MAX_RECORDS_PER_BATCH="150")
    assert in_order(trial.out()) == good(0, 700)
    assert len(trial.letters()) == bad(0, 700)
    assert again.counts[trial.writes] == len(good(500, 700))
    assert sum(batch.repeated for batch in again.batches) == 500


def test_rows_of_one_key_keep_their_order(trial: Trial) -> None:
    trial.put(numbers(0, 900))
    trial.run(MAX_RECORDS_PER_BATCH="200")
    for key in range(11):
        own = [record.value for record in topics.read(trial.kafka, trial.writes) if record.key == str(key).encode()]
        assert own == in_order(own)


def test_a_letter_is_the_record_as_it_came_and_says_why_and_from_where(trial: Trial) -> None:
    long = b"bad" + os.urandom(1 << 20)[: (1 << 20) - 500]
    arrived = int(time.time() * 1000) - 5000
    trial.put([topics.Sent(None, b"k", 1, arrived), topics.Sent(long, None, 0, arrived)])
    admin_sets(trial, "max.message.bytes", str(2 << 20))
    watched = trial.run()
    first, second = sorted(trial.letters(), key=lambda letter: letter.headers["partition"] or b"")
    assert (first.key, first.value) == (None, long)
    assert (second.key, second.value) == (b"k", None)
    assert second.headers == {
        "reason": b"no_value",
        "topic": trial.reads.encode(),
        "partition": b"1",
        "offset": b"0",
        "timestamp": str(arrived).encode(),
        "error": b"as seen",
    }
    assert watched.reasons == {"no_value": 1, "bad_value": 1}


def admin_sets(trial: Trial, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, f"{trial.reads}.letters", incremental_configs=[entry])
    client = admin(trial.kafka)
    for done in client.incremental_alter_configs([resource]).values():
        done.result()


def test_aborted_transactions_are_not_read_and_open_ones_are_waited_for(trial: Trial) -> None:
    producer = Producer({**client_options(trial.settings()), "transactional.id": f"{trial.reads}-producer"})
    producer.init_transactions(30)
    for number, end in ((1, producer.abort_transaction), (2, producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(trial.reads, str(number).encode(), b"k")
        producer.flush(30)
        end(30)
    producer.begin_transaction()
    producer.produce(trial.reads, b"3", b"k")
    producer.flush(30)
    trial.run()
    assert trial.out() == [b"2"]
    producer.commit_transaction(30)
    trial.run()
    assert trial.out() == [b"2", b"3"]


class Killed:
    """Rows as they are; half-way through the first time, the worker that carries them is killed."""

    def __init__(self, told: Path) -> None:
        self._told = told

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch.slice(0, len(batch) // 2)
            yield batch.slice(len(batch) // 2)
            if not self._told.exists():
                self._told.touch()
                time.sleep(1)  # what was given is on its way to the brokers
                os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_killed_in_the_middle_of_a_transaction_changes_nothing(trial: Trial) -> None:
    told = trial.folder / "killed"
    writes = trial.writes

    def apply(batch: Batch) -> None:
        frame = batch.frame.sparkSession.createDataFrame([], batch.frame.schema).unionAll(batch.frame)
        copied(writes)(_with_frame(batch, frame.mapInArrow(Killed(told), frame.schema)))

    trial.put(numbers(0, 400))
    watched = trial.run(apply)
    assert told.exists()
    assert any("TaskDied" in error for error in watched.errors)
    assert in_order(trial.out()) == good(0, 400)
    assert len(trial.letters()) == bad(0, 400)


def _with_frame(batch: Batch, frame: DataFrame) -> Batch:
    assert isinstance(batch, RunningBatch)
    batch.frame = frame
    return batch


def test_what_is_away_is_waited_for_within_the_batch(trial: Trial) -> None:
    tries: list[int] = []

    def apply(batch: Batch) -> None:
        tries.append(batch.number)
        if len(tries) < 3:
            raise Transient("the database is away")
        copied(trial.writes)(batch)

    trial.put(numbers(0, 20))
    watched = trial.run(apply)
    assert tries == [0, 0, 0]
    assert watched.errors == ["Transient: the database is away"] * 2
    assert in_order(trial.out()) == good(0, 20)


def test_a_stop_lets_the_batch_in_flight_end_and_no_other_begin(trial: Trial) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def apply(batch: Batch) -> None:
        begun.set()
        assert go_on.wait(60)
        copied(trial.writes)(batch)

    trial.put(numbers(0, 100))
    query, watched = trial.query(apply, until_caught_up=False, MAX_RECORDS_PER_BATCH="60")
    query.look()
    assert begun.wait(60)
    threading.Timer(0.5, go_on.set).start()
    query.stop()
    assert [batch.number for batch in watched.batches] == [0]
    ended = query.checkpoint.last_ended()
    assert ended is not None
    assert 50 < sum(ended.through.values()) <= 60


def test_a_stop_ends_a_batch_that_waits(trial: Trial) -> None:
    waits = threading.Event()

    def apply(batch: Batch) -> None:
        waits.set()
        raise Transient("away for long")

    trial.put(numbers(0, 10))
    query, watched = trial.query(apply, until_caught_up=False)
    query.look()
    assert waits.wait(60)
    began = time.monotonic()
    query.stop()
    assert time.monotonic() - began < 20
    assert watched.batches == []
    trial.run()
    assert in_order(trial.out()) == good(0, 10)


def test_an_error_that_nobody_foresaw_stops_the_batch_and_says_no_value(trial: Trial) -> None:
    tries: list[int] = []

    def apply(batch: Batch) -> None:
        tries.append(batch.number)
        if len(tries) == 1:
            raise ValueError("secret value")

    trial.put(numbers(0, 10))
    watched = trial.run(apply)
    assert watched.errors[0].startswith("Unforeseen: ValueError at test_streaming.py:")
    assert "secret" not in " ".join(watched.errors)


def test_a_topic_made_anew_ends_the_service_until_that_is_accepted(trial: Trial) -> None:
    trial.put(numbers(0, 30))
    trial.run()
    topics.delete(trial.kafka, [trial.reads])
    time.sleep(1)
    topics.create(trial.kafka, {trial.reads: 2})
    trial.put(numbers(100, 200))
    with pytest.raises(Fatal, match=rf"topic {trial.reads} has been made anew .* {trial.service} accept-loss"):
        trial.run()
    assert in_order(trial.out()) == good(0, 30)
    accept(trial)
    trial.run()
    assert in_order(trial.out()) == good(0, 30) + good(100, 200)
    assert trial.run().batches == []


def accept(trial: Trial) -> None:
    query, _ = trial.query()
    lost = found_losses(query.checkpoint, trial.topics, [trial.reads])
    query.checkpoint.accept({loss.topic: loss.key for loss in lost})


def test_a_topic_made_anew_while_it_is_read_ends_the_service(trial: Trial) -> None:
    trial.put(numbers(0, 30))
    query, watched = trial.query(until_caught_up=False)
    with pytest.raises(Fatal, match="has been made anew"):

        def enough() -> bool:
            if watched.batches and not deleted:
                deleted.append(True)
                topics.delete(trial.kafka, [trial.reads])
                time.sleep(0.5)
                topics.create(trial.kafka, {trial.reads: 2})
                trial.put(numbers(100, 200))
            return False

        deleted: list[bool] = []
        look(query, enough)


def test_records_dropped_before_they_were_read_end_the_service_until_that_is_accepted(trial: Trial) -> None:
    trial.put([topics.Sent(b"%d" % number, b"k", 0) for number in range(10)])
    trial.run()
    trial.put([topics.Sent(b"%d" % number, b"k", 0) for number in range(10, 30)])
    drop_before(trial.kafka, trial.reads, 0, 20)
    with pytest.raises(Fatal, match=f"topic {trial.reads} has dropped 10 records before they were read"):
        trial.run()
    accept(trial)
    trial.run()
    assert in_order(trial.out()) == [b"%d" % number for number in [*range(10), *range(20, 30)]]


def drop_before(kafka: str, topic: str, partition: int, offset: int) -> None:
    client = admin(kafka)
    for done in client.delete_records([TopicPartition(topic, partition, offset)]).values():
        done.result()


def test_partitions_that_grow_while_it_runs_are_read_from_their_beginning(trial: Trial) -> None:
    trial.put(numbers(0, 10))
    query, _ = trial.query(until_caught_up=False, STARTING_OFFSETS="earliest")

    def enough() -> bool:
        if trial.out() and not grown:
            grown.append(True)
            client = admin(trial.kafka)
            for done in client.create_partitions([NewPartitions(trial.reads, 3)]).values():
                done.result()
            time.sleep(1)
            trial.put([topics.Sent(b"1000", b"k", 2)])
        return b"1000" in trial.out()

    grown: list[bool] = []
    look(query, enough)
    assert in_order(trial.out()) == [*good(0, 10), b"1000"]


def test_topics_may_be_added_and_taken_away_between_runs(trial: Trial) -> None:
    other = f"{trial.reads}-other"
    topics.create(trial.kafka, {other: 1, f"{other}.letters": 1})
    trial.put([topics.Sent(b"%d" % number, b"k") for number in range(1000, 1020)], other)
    drop_before(trial.kafka, other, 0, 5)  # as retention does: its first record has not the offset 0
    trial.put(numbers(0, 10))
    trial.run()
    trial.run(reads=[trial.reads, other])
    trial.put(numbers(10, 20))
    trial.run(reads=[other])
    trial.run()
    assert in_order(trial.out()) == good(0, 20) + [b"%d" % number for number in range(1005, 1020)]


def test_latest_counts_only_where_there_is_no_checkpoint(trial: Trial) -> None:
    trial.put(numbers(0, 10))
    trial.run(STARTING_OFFSETS="latest")
    trial.put(numbers(10, 20))
    trial.run(STARTING_OFFSETS="latest")
    assert in_order(trial.out()) == good(10, 20)


def counted(trial: Trial) -> Callable[[DataFrame], DataFrame]:
    """A shape: records, whose values are times in ms, counted by key in windows of 10 s."""

    def windows(records: DataFrame) -> DataFrame:
        timed = records.select(sql.timestamp_millis(sql.col("value").cast("string").cast("bigint")).alias("at"), "key")
        counted = timed.withWatermark("at", "2 seconds").groupBy(sql.window("at", "10 seconds"), "key").count()
        end = sql.unix_millis("window.end")
        value = sql.concat_ws(":", end, "count").cast("binary")
        place = [sql.lit(trial.writes).alias("topic"), sql.lit(0).alias("partition"), end.alias("offset")]
        return counted.select("key", value.alias("value"), *place)

    return windows


def at(trial: Trial, *seconds: int) -> None:
    trial.put([topics.Sent(b"%d" % (1000 * second), b"%d" % (second % 3)) for second in seconds])


CLOSED = sorted([*["10000:3"] * 3, "20000:3", "20000:3", "20000:4", "30000:3", "30000:3", "30000:4"])


def test_windows_come_out_once_also_after_a_lost_checkpoint(trial: Trial) -> None:
    def apply(batch: Batch) -> None:
        batch.write(trial.writes, batch.frame, {(trial.writes, 0): batch.watermark + 1})

    at(trial, *range(1, 25))
    trial.run(apply, counted(trial))
    shutil.rmtree(trial.folder / "checkpoint")
    at(trial, *range(25, 35))
    trial.run(apply, counted(trial), MAX_RECORDS_PER_BATCH="7")
    assert sorted((value or b"").decode() for value in trial.out()) == CLOSED


def test_a_batch_that_keeps_a_state_may_be_tried_again_within_its_query(trial: Trial) -> None:
    told = trial.folder / "killed"

    def apply(batch: Batch) -> None:
        struck = batch.frame.mapInArrow(Killed(told), batch.frame.schema)
        batch.write(trial.writes, struck, {(trial.writes, 0): batch.watermark + 1})

    at(trial, *range(1, 25))
    trial.run(apply, counted(trial))
    at(trial, *range(25, 35))
    trial.run(apply, counted(trial))
    assert told.exists()
    assert sorted((value or b"").decode() for value in trial.out()) == CLOSED


def test_brokers_that_ask_for_a_user_and_forbid_making_topics(spark: SparkSession, tmp_path: Path) -> None:
    with broker(tmp_path / "kafka", secured=True) as own:
        assert own.secured is not None
        trial = Trial(spark, own.bootstrap, tmp_path)
        trial.put(numbers(0, 100))
        secured = {
            "KAFKA_BROKERS": own.secured.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CA": str(own.secured.ca),
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": PASSWORD,
        }
        trial.run(**secured)
        assert in_order(trial.out()) == good(0, 100)
        own.forbid_making_topics()
        time.sleep(2)
        with pytest.raises(Fatal, match="topic another is missing, and the brokers do not let it be made"):
            Topics(client_options(trial.settings(**secured))).make(["another"], 1, 1)
