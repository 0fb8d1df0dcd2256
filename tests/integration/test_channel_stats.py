"""The service `channel-stats` and its commands as processes: killed, stored from, with a schema that grows."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import fastavro
import pytest

from channel_stats.registry import Registry
from channel_stats.schemas import newest
from producers.harvests import TOPIC, Mishaps, harvests
from tests import topics
from tests.channels import tables
from tests.channels.stage import STORE, STORES, TABLES, Stage
from tests.kafka import admin, broker
from tests.processes import Process
from tests.registry import registry
from tests.schema import Schema

pytestmark = pytest.mark.timeout(900)
BEGIN = 1_501_545_600
MISHAPS = Mishaps(late=0.2, rounds=6, repeated=0.2, equal=0.1, unusual=0.1, broken=0.05, keyless=0.5)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A broker of the module's own, since the topics have fixed names; and a registry."""
    with broker(tmp_path_factory.mktemp("kafka")) as kafka, registry(tmp_path_factory.mktemp("registry")) as schemas:
        yield kafka.bootstrap, schemas.url


@pytest.fixture
def stage(servers: tuple[str, str], database_server: Schema, tmp_path: Path) -> Iterator[Stage]:
    bootstrap, url = servers
    ours = {f"{name}{end}" for name in (*TABLES, TOPIC) for end in ("", ".letters")}
    if there := ours & admin(bootstrap).list_topics(timeout=10).topics.keys():
        topics.delete(bootstrap, there)
    topics.create(bootstrap, {TOPIC: 3})
    schema = tables.empty(database_server)
    made = Stage(tmp_path, bootstrap, url, schema)
    yield made
    made.close()
    schema.drop()


def test_a_kill_stores_and_a_schema_that_grows_end_in_what_was_harvested(stage: Stage) -> None:
    made = harvests(5, 12, BEGIN, 40, 2, MISHAPS)
    driver = stage.driver()
    stage.send(islice(made, 200))
    stage.until(lambda: "run `python -m channel_stats register`" in driver.log.read_text())
    stage.ended([sys.executable, "-m", "channel_stats", "register"])
    stage.until(lambda: stage.written() > 0 and stage.written("yt_monthly") > 0)
    stage.send(islice(made, 200))
    time.sleep(0.3)
    driver.kill9()
    somebody_else_writes(stage)
    running = [stage.store((*arguments, "--follow")) for arguments in STORES]
    stage.send(made)
    stage.finish()
    stage.ended([sys.executable, "-m", "pipeline", "channel-stats", "check"])
    stage.until(lambda: not stage.differences())
    for store in running:
        store.stop()
        assert stage.has_ended(store)
    for arguments in STORES:
        stage.ended([*STORE, *arguments], code=int(arguments != ("yt_monthly",)))
    assert stage.differences() == []
    letters = topics.read(stage.bootstrap, "yt_daily.letters")
    assert sorted((letter.headers["reason"] or b"").decode() for letter in letters) == sorted(OTHERS.values())
    assert {letter.value for letter in letters} == OTHERS.keys()
    read_by_command(stage)
    topics.delete(stage.bootstrap, ["yt_daily.letters"])
    stage.registry = stage.registry.replace("/apis/ccompat/v7", "/apis/ccompat/v6/nothing")
    stage.ended([*STORE, "yt_daily"], code=1)
    assert stage.written("yt_daily.letters") == 0, "a wrong registry makes no letters of everything"


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(20))
def test_a_random_schedule_of_services_stores_and_kills_ends_in_what_was_harvested(stage: Stage, seed: int) -> None:
    """Two checkpoints, two drivers at a time, stores of all kinds, each killed whenever it happens."""
    random = Random(seed)
    stage.ended([sys.executable, "-m", "channel_stats", "register"])
    made = harvests(seed, 15, BEGIN, 60, 2, MISHAPS)
    drivers: list[Process] = []
    stores: list[Process] = []
    for _ in range(5):
        drivers = [driver for driver in drivers if not stage.has_ended(driver)]
        if len(drivers) < 2:
            most = random.choice(("40", "400"))
            drivers.append(stage.driver(random.choice(("one", "two")), MAX_RECORDS_PER_BATCH=most))
        before, driver = stage.written(), drivers[-1]
        stage.send(islice(made, 300))
        stage.until(lambda b=before, d=driver: stage.written() > b or stage.has_ended(d))  # type: ignore[misc]
        stage.send(islice(made, 100))
        stores.append(stage.store(random.choice(STORES)))
        time.sleep(random.random() * 3)
        for process in random.sample(drivers, random.randint(0, len(drivers))):
            process.kill9()
            drivers.remove(process)
        if random.random() < 0.5:
            stores.pop(random.randrange(len(stores))).kill9()
    stage.send(made)
    for process in (*drivers, *stores):
        process.stop()
    stage.finish(random.choice(("one", "two", "three")))
    assert stage.differences() == []


OTHERS = {b"": "no_header", b"{}": "no_header", b"\0\x7f\xff\xff\xff": "unknown_schema"}
"""What is in `yt_daily` and cannot be read, and why."""


def somebody_else_writes(stage: Stage) -> None:
    """Avro of the next version, which has a field more, of a channel that nobody harvests; and what is no Avro."""
    more = {"name": "views", "type": "long", "default": -1}
    grown = {**newest("yt_daily"), "fields": [*newest("yt_daily")["fields"], more]}
    stream = io.BytesIO()
    said = {"yt_channel_id": "new", "harvest_ts": "2017-08-02T02:00:00", "date": "2017-08-02", "subs": 7, "views": 1}
    fastavro.schemaless_writer(stream, grown, said)
    schema_id = Registry(stage.registry).add("yt_daily", grown)
    value = b"\0" + schema_id.to_bytes(4, "big") + stream.getvalue()
    stage.foreign = [value, *OTHERS]
    stage.stored = [json.dumps(said).encode()]
    topics.produce(stage.bootstrap, "yt_daily", [topics.Sent(value, b"new"), *OTHERS])


def read_by_command(stage: Stage) -> None:
    """All that is told of the months; of the days, what cannot be read is named, and the exit code says so."""
    command = [sys.executable, "-m", "channel_stats", "read"]
    lines = [json.loads(line) for line in stage.ended([*command, "yt_monthly"]).splitlines()]
    assert [(one["yt_channel_id"], one["month"], one["harvest_ts"], one["subs"]) for one in lines] == stage.told(
        "yt_monthly"
    )
    days = stage.ended([*command, "yt_daily"], code=1).splitlines()
    assert len(days) == len(stage.told("yt_daily")) + 1
