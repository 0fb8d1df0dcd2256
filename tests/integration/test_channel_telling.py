"""Drivers that die at any step, stores beside them, batches cut otherwise: the same tables and last records."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import TopicPartition

from channel_stats.latest import DAILY, MONTHLY, Period
from channel_stats.letters import Letters
from channel_stats.reading import Reader
from channel_stats.store import Store
from pipeline.kafka.lanes import Overtaken
from pipeline.kafka.topics import Topics
from pipeline.runtime.stopping import StopSignal
from producers.harvests import TOPIC, Mishaps, harvests
from tests import topics
from tests.channels import schemas, told_again
from tests.channels import tables as yt
from tests.channels.drivers import Deaths, Died, Driver, dying, forget
from tests.kafka import admin, broker
from tests.schema import Schema

PARTITIONS = 3
BEGIN = 1_501_545_600
"""2017-08-01."""
MISHAPS = Mishaps(late=0.2, rounds=6, repeated=0.2, equal=0.1, unusual=0.1, broken=0.05, keyless=0.5)


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of this module's own, since the topics have fixed names."""
    with broker(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka.bootstrap


@pytest.fixture
def schema(database_server: Schema) -> Iterator[Schema]:
    made = yt.migrated(database_server)
    yield made
    made.drop()


class Play:
    """Topics with harvests, a schema, and drivers of a period."""

    def __init__(self, bootstrap: str, schema: Schema, seed: int, days: int = 40) -> None:
        self.bootstrap, self.schema, self.random = bootstrap, schema, Random(seed)
        self.client = {"bootstrap.servers": bootstrap, "log_level": 2}
        names = [TOPIC, *(f"{one}{end}" for one in (DAILY.name, MONTHLY.name) for end in ("", ".letters"))]
        known = Topics(self.client).describe(names)
        if known:
            topics.delete(bootstrap, known)
        topics.create(bootstrap, {TOPIC: PARTITIONS, DAILY.name: 2, MONTHLY.name: 2})
        forget()
        made = list(harvests(seed, 9, BEGIN, days, 2, MISHAPS))
        sent = [topics.Sent(one.value, one.key, None if one.key else self.random.randrange(PARTITIONS)) for one in made]
        topics.produce(bootstrap, TOPIC, sent)
        self.good = [one.value or b"" for one in made if one.kind != "broken"]

    def put(self, sent: Sequence[tuple[int, int, int]]) -> None:
        """Harvests of a channel and day: partition, hour, subscribers."""
        for partition, hour, subs in sent:
            said = {"harvest_ts": f"2017-08-01T{hour}:00:00", "subs": subs, "yt_channel_id": "a"}
            self.good.append(json.dumps(said).encode())
            topics.produce(self.bootstrap, TOPIC, [topics.Sent(self.good[-1], None, partition)])

    def driver(self, period: Period, since: dict[tuple[str, int], int]) -> Driver:
        return Driver(self.client, yt.tables(self.schema, period), TOPIC, dict(since), self.random)

    def store(self, table: Period, source: Period, unread: int = 0) -> None:
        """As `python -m channel_stats store` does, in a process of its own: with a consumer that nobody else has."""
        client = {**self.client, "client.id": uuid.uuid4().hex}
        kafka = Topics(client)
        reader = Reader(client, kafka, schemas.of(source.name), source)  # type: ignore[arg-type]
        letters = Letters(client, kafka, source.name)
        stored = Store(reader, letters, yt.tables(self.schema, table)).run(StopSignal(), lambda _: None)
        assert (stored.unread, stored.lost) == (unread, 0)

    def told(self, period: Period) -> list[told_again.Told]:
        known = schemas.of(period.name).schema
        return told_again.told(topics.read(self.bootstrap, period.name), period.name, known)

    def check(self, period: Period) -> None:
        right, found = told_again.latest(self.good, period.name), self.told(period)
        assert told_again.unchanged(found) == []
        assert told_again.differences(told_again.of_topic(found), right, "topic") == []
        assert told_again.differences(told_again.of_table(self.schema, period.name), right, "table") == []


def played(play: Play, period: Period, rounds: int, chance: float) -> Deaths:
    """Drivers that die, one after the other and two at a time, with checkpoints of their own or lost ones."""
    deaths, random = Deaths(play.random, chance), play.random
    kept: list[dict[tuple[str, int], int]] = [{}, {}]
    living: list[Driver | None] = [None, None]
    with dying(deaths):
        for _ in range(rounds):
            which = random.randrange(2)
            driver = living[which] or play.driver(period, random.choice([kept[which], kept[which], {}]))
            living[which] = driver
            try:
                driver.batch(random.choice([3, 20, 60]))
                kept[which] = driver.since
            except Died:
                living[which] = None
                forget()
            except Overtaken:
                living[which] = None
            if random.random() < 0.1:
                deaths.chance, before = 0, deaths.chance
                play.store(MONTHLY, random.choice([DAILY, MONTHLY]))
                play.store(DAILY, DAILY)
                deaths.chance = before
    forget()
    last = play.driver(period, random.choice(kept))
    last.batch()
    return deaths


def test_whatever_dies_and_wherever_days_end_the_same(bootstrap: str, schema: Schema) -> None:
    play = Play(bootstrap, schema, 1)
    deaths = played(play, DAILY, 12, 0.1)
    assert deaths.died_at
    play.check(DAILY)


def test_months_that_a_store_has_had_from_days_are_told_of_all_the_same(bootstrap: str, schema: Schema) -> None:
    play = Play(bootstrap, schema, 7)
    play.driver(DAILY, {}).batch()
    play.store(MONTHLY, DAILY)
    right = told_again.latest(play.good, MONTHLY.name)
    assert told_again.differences(told_again.of_table(schema, MONTHLY.name), right, "table from days") == []
    play.driver(MONTHLY, {}).batch(100)
    play.driver(MONTHLY, {}).batch()
    play.check(MONTHLY)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(100, 120))
def test_twenty_random_schedules_of_deaths_end_the_same(bootstrap: str, schema: Schema, seed: int) -> None:
    play = Play(bootstrap, schema, seed)
    deaths = played(play, DAILY, 30, 0.08).died_at + played(play, MONTHLY, 30, 0.08).died_at
    assert len(deaths) >= 3
    play.check(DAILY)
    play.check(MONTHLY)


STEPS = [f"{when} {step}" for step in ("_end", "_took", "_go_on", "told") for when in ("before", "after")]


def test_a_death_at_each_step_and_batches_cut_otherwise_afterwards_change_nothing(
    bootstrap: str, schema: Schema
) -> None:
    """The next driver has lost its checkpoint, and its batches end before what is out already."""
    play = Play(bootstrap, schema, 3)

    most = 20
    with dying(Deaths(play.random, 0)) as deaths:
        for deaths.die_at in STEPS:
            with pytest.raises(Died):
                play.driver(DAILY, {}).batch(most)
            forget()
            play.driver(DAILY, {}).batch(most // 2)
            forget()
            most += 30
    play.driver(DAILY, {}).batch()
    play.check(DAILY)


def test_a_batch_cut_otherwise_than_the_one_that_died_tells_nothing_older_than_what_is_out(
    bootstrap: str, schema: Schema
) -> None:
    """It ends before the newest harvest, which is out and not noted, and has one that was not in the other."""
    play = Play(bootstrap, schema, 3, days=0)
    play.put([(0, 10, 1), (0, 12, 2), (1, 11, 5), (1, 13, 9)])
    first, second, third = ((TOPIC, partition) for partition in range(PARTITIONS))
    with dying(Deaths(Random(0), 0)) as deaths, pytest.raises(Died):
        deaths.die_at = "after _end"
        dead = play.driver(DAILY, {})
        dead.settles = 0
        dead.batch_through({first: 1, second: 2, third: 0})
    forget()
    assert [one.subs for one in play.told(DAILY)] == [9]
    play.driver(DAILY, {}).batch_through({first: 2, second: 1, third: 0})
    assert [one.subs for one in play.told(DAILY)] == [9]
    play.driver(DAILY, {}).batch()
    play.check(DAILY)


def test_a_harvest_that_comes_again_and_a_batch_that_does_tell_nothing(bootstrap: str, schema: Schema) -> None:
    play = Play(bootstrap, schema, 4)
    driver = play.driver(DAILY, {})
    driver.batch()
    before = len(play.told(DAILY))
    assert before == len(told_again.latest(play.good, DAILY.name))
    topics.produce(bootstrap, TOPIC, play.good[:200])
    driver.batch()
    again = play.driver(DAILY, {})
    again.batch()
    assert len(play.told(DAILY)) == before
    play.check(DAILY)


def test_a_database_made_anew_is_filled_from_what_the_topic_still_holds_and_nothing_is_told_twice(
    bootstrap: str, schema: Schema, database_server: Schema, tmp_path: Path
) -> None:
    play = Play(bootstrap, schema, 5)
    driver = play.driver(DAILY, {})
    driver.batch()
    play.schema = yt.migrated(database_server)
    forget()
    client, begin = admin(bootstrap), TopicPartition(TOPIC, 0, 3)
    client.delete_records([begin])[begin].result(30)
    topics.produce(
        bootstrap,
        TOPIC,
        [b'{"harvest_ts": "2017-10-01T00:00:00", "subs": 1, "yt_channel_id": "%d"}' % n for n in range(40)],
    )
    after = play.driver(DAILY, driver.since)
    after.batch()
    assert told_again.unchanged(play.told(DAILY)) == []
    found, right = told_again.of_table(play.schema, DAILY.name), told_again.latest(play.good, DAILY.name)
    assert len(right) - 3 <= sum(found.get(key) == count for key, count in right.items()) <= len(right)
    play.schema.drop()


def test_what_stores_cannot_read_is_a_letter_once_however_many_they_are(bootstrap: str, schema: Schema) -> None:
    play = Play(bootstrap, schema, 6)
    play.driver(DAILY, {}).batch()
    good = topics.read(bootstrap, DAILY.name)[0].value or b""
    bad = {
        good[:-1]: "cut",
        good + b"\0": "too_long",
        good[5:]: "no_header",
        b"\0\0\0\0\7" + good[5:]: "unknown_schema",
    }
    topics.produce(bootstrap, DAILY.name, [topics.Sent(value, b"key", 1) for value in bad])
    for _ in range(2):
        with ThreadPoolExecutor(3) as together:
            list(together.map(lambda table: play.store(table, DAILY, len(bad)), (DAILY, MONTHLY, DAILY)))
    letters = topics.read(bootstrap, f"{DAILY.name}.letters")
    assert {letter.value: (letter.headers["reason"] or b"").decode() for letter in letters} == bad
    records = {(one.partition, one.offset): one for one in topics.read(bootstrap, DAILY.name)}
    for letter in letters:
        said = {name: (value or b"").decode() for name, value in letter.headers.items()}
        record = records[int(said["partition"]), int(said["offset"])]
        assert (letter.key, letter.value, said["topic"]) == (record.key, record.value, DAILY.name)
        assert int(said["timestamp"]) == record.timestamp
    assert len(letters) == len(bad)
