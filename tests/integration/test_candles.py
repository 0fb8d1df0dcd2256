"""Candles from a real broker through Spark into a database: collections and letters as they should be."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]
from pyspark.sql import SparkSession

from market.candle_store import CandleStore
from market.candles import Candles
from market.indicators import Plan
from market.mongo import database
from market.symbols import topics_of
from pipeline.kafka.client import client_options
from pipeline.kafka.letters import letters_of
from producers.candles import Disorder, candles, days_of
from producers.made import Made
from tests import mongo as mongo_server
from tests import topics
from tests.integration import streaming
from tests.integration.streaming import Trial, Watched, look
from tests.kafka import admin
from tests.market.candle_collections import wrong
from tests.market.candle_records import differences, histories
from tests.market.histories import NEW_YORK

spark = pytest.fixture(scope="module", name="spark")(streaming.session)
DAY = days_of(date(2023, 8, 25), 1)
DISORDER = Disorder(shuffled=10, late=0.03, repeated=0.05, corrected=0.05, broken=0.1, unusual=0.1)
_numbers = itertools.count()


class Market(Trial):
    """Symbols with topics of their own, a database of their own, and a service that keeps the one in the other."""

    def __init__(self, spark: SparkSession, kafka: str, folder: Path, mongo: str, symbols: int = 2) -> None:
        super().__init__(spark, kafka, folder, partitions=1)
        self.symbols = [f"{self.reads}/{letter}" for letter in "ABCDE"[:symbols]]
        self.reading = topics_of(tuple(self.symbols))
        topics.create(kafka, {name: 1 for topic in self.reading for name in (topic, letters_of(topic))})
        self.store = CandleStore(mongo, self.reads, NEW_YORK, Plan(), 10)

    def started(self) -> Candles:
        """As of a process that has just started."""
        return Candles(client_options(self.settings()), self.store)

    def put_all(self, made: Sequence[Made]) -> None:
        """Send, each to its topic."""
        for topic in self.reading:
            self.put([topics.Sent(one.value, one.key) for one in made if one.topic == topic], topic)

    def apply(self, **settings: Any) -> Watched:
        """By a new process, until caught up."""
        return self.run(self.started().apply, reads=self.reading, **settings)

    def wrong(self) -> list[str]:
        """How collections and letters differ from what is to come of what lies in the topics."""
        return wrong(self.kafka, self.store.uri, self.store.name, self.reading)

    def broken(self) -> int:
        """How many letters are there of records that are no candles."""
        letters = [letter for topic in self.reading for letter in topics.read(self.kafka, letters_of(topic))]
        return sum(letter.headers["reason"] != b"late" for letter in letters)


@pytest.fixture
def market(spark: SparkSession, kafka: str, mongo: str, tmp_path: Path) -> Iterator[Market]:
    yield Market(spark, kafka, tmp_path, mongo)


def test_whatever_comes_the_collections_are_those_of_a_batch_computation(market: Market) -> None:
    """In many batches; then once more from the first record, since the checkpoint is lost."""
    made = list(candles(1, market.symbols, DAY, 90, DISORDER))
    market.put_all(made)
    watched = market.apply(MAX_RECORDS_PER_BATCH="61")
    assert len(watched.batches) > 3
    assert market.wrong() == []
    assert market.broken() == sum(one.kind == "broken" for one in made) > 5
    shutil.rmtree(market.folder / "checkpoint")
    again = market.apply(MAX_RECORDS_PER_BATCH="100")
    assert market.wrong() == []
    assert (again.counts["accepted"], again.counts["corrected"], again.reasons.total()) == (0, 0, 0)


def test_a_symbol_is_added_without_a_new_checkpoint(market: Market) -> None:
    both = market.reading
    made = list(candles(2, market.symbols, DAY, 40))
    market.put_all([one for one in made if one.topic == both[0]])
    market.reading = both[:1]
    market.apply()
    market.reading = both
    market.put_all([one for one in made if one.topic == both[1]])
    watched = market.apply()
    assert watched.counts["accepted"] == 40
    assert market.wrong() == []


def test_partitions_transactions_headers_and_compression_change_nothing(market: Market) -> None:
    topic = market.reading[0]
    made = [one for one in candles(3, market.symbols, DAY, 42, Disorder(shuffled=0)) if one.topic == topic]
    market.reading = (topic,)
    query, _ = market.query(market.started().apply, reads=market.reading, until_caught_up=False)
    topics.produce(market.kafka, topic, [topics.Sent(one.value, None, headers=[("h", b"1")]) for one in made[:20]])
    _in_transaction(market, topic, [one.value for one in made[30:35]], commit=False)
    _in_transaction(market, topic, [one.value for one in made[20:30]], commit=True)
    rows = database(market.store.uri, market.store.name)[topic]
    grown = False

    def enough() -> bool:
        nonlocal grown
        if not grown and rows.count_documents({}) == 30:
            grown = True
            client = admin(market.kafka)
            client.create_partitions([NewPartitions(topic, 3)])[topic].result()
            values = [topics.Sent(one.value, partition=number % 3) for number, one in enumerate(made[30:])]
            topics.produce(market.kafka, topic, values, compression_type="gzip")
        return rows.count_documents({}) == 42

    look(query, enough)
    wanted = histories([((topic, 0, number), one.value) for number, one in enumerate(made)], set())[topic].documents()
    assert differences(list(rows.find()), wanted) == []
    assert topics.read(market.kafka, letters_of(topic)) == []


def test_a_database_that_is_away_or_full_is_waited_for(spark: SparkSession, kafka: str, tmp_path: Path) -> None:
    with mongo_server.database(tmp_path / "mongo", durable=True) as private:
        market = Market(spark, kafka, tmp_path, private.uri)
        made = list(candles(4, market.symbols, DAY, 50, DISORDER))
        market.put_all(made[:60])
        market.apply()
        market.put_all(made[60:])
        private.refuse_writes()
        query, watched = market.query(market.started().apply, reads=market.reading)
        told = watched.errors
        mended: list[str] = []

        def enough() -> bool:
            if not mended and any("OutOfDiskSpace" in error for error in told):
                mended.append("full")
                private.stop()
                private.take_writes()
            elif len(mended) == 1 and any(error.startswith("Transient: MongoDB") for error in told):
                mended.append("away")
                private.start()
            return query.done

        look(query, enough)
        assert mended == ["full", "away"]
        assert market.wrong() == []


def _in_transaction(market: Market, topic: str, values: Sequence[bytes | None], *, commit: bool) -> None:
    producer = Producer({"bootstrap.servers": market.kafka, "transactional.id": f"{topic}-{os.getpid()}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)
