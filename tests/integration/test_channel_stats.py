"""The service `channel-stats` and its commands as processes: killed, stored from, with a schema that grows."""

from __future__ import annotations

import io
import json
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import fastavro
import pytest

from channel_stats.harvest import read
from channel_stats.registry import Registry
from channel_stats.schemas import newest
from pipeline.runtime.errors import Rejected
from producers.harvests import TOPIC, Mishaps, harvests
from tests import topics
from tests.channels import tables
from tests.channels.link import Link
from tests.channels.next_version import FIELD, GROWN, deployed
from tests.channels.stage import COMMANDS, STORES, TABLES, Stage
from tests.kafka import admin, broker
from tests.processes import Process, free_port
from tests.registry import Registry as PrivateRegistry
from tests.registry import registry
from tests.schema import Schema
from tests.servers import HERE

pytestmark = pytest.mark.timeout(900)
BEGIN = 1_501_545_600
MISHAPS = Mishaps(late=0.2, rounds=6, repeated=0.2, equal=0.1, unusual=0.1, broken=0.05, keyless=0.5)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, PrivateRegistry]]:
    """A broker of the module's own, since the topics have fixed names; and a registry."""
    with broker(tmp_path_factory.mktemp("kafka")) as kafka, registry(tmp_path_factory.mktemp("registry")) as schemas:
        yield kafka.bootstrap, schemas


@pytest.fixture
def stage(servers: tuple[str, PrivateRegistry], database_server: Schema, tmp_path: Path) -> Iterator[Stage]:
    bootstrap, schemas = servers
    ours = {f"{name}{end}" for name in (*TABLES, TOPIC) for end in ("", ".letters")}
    if there := ours & admin(bootstrap).list_topics(timeout=10).topics.keys():
        topics.delete(bootstrap, there)
    topics.create(bootstrap, {TOPIC: 3})
    schema = tables.empty(database_server)
    made = Stage(tmp_path, bootstrap, schemas.url, schema)
    yield made
    made.close()
    schema.drop()


def test_a_kill_stores_and_a_schema_that_grows_while_all_runs_end_in_what_was_harvested(stage: Stage) -> None:
    made, link, port = harvests(5, 12, BEGIN, 40, 2, MISHAPS), Link(urlsplit(stage.registry).port or 0), free_port()
    stage.registry = link.url
    driver = stage.driver(METRICS_PORT=str(port))
    stage.send(islice(made, 200))
    stage.until(lambda: stage.says(driver, "the schema registry does not answer"))
    assert waited_for(port) == {"the schema registry"}
    link.mend()
    stage.until(lambda: stage.says(driver, "run `python -m channel_stats register`"))
    assert "the registration of a schema" in waited_for(port)
    stage.ended([*COMMANDS, "register"])
    running = [stage.store((*arguments, "--follow")) for arguments in STORES]
    reader = stage.command("read", "yt_daily", "--follow")
    stage.until(lambda: stage.written() > 0 and stage.written("yt_monthly") > 0)
    stage.until(lambda: waited_for(port) == set())
    link.cut()
    before = stage.written()
    stage.send(islice(made, 200))
    stage.until(lambda: stage.written() > before)
    link.mend()
    project, stage.project = stage.project, deployed(stage.folder / "next")
    stage.ended([*COMMANDS, "register"])
    others = somebody_else_writes(stage)
    stage.send(islice(made, 200))
    time.sleep(0.3)
    driver.kill9()
    stage.send(made)
    stage.finish()
    read_by_command(stage)
    stage.project = project
    stage.ended([sys.executable, "-m", "pipeline", "channel-stats", "check"])
    stage.until(lambda: not stage.differences() and len(stage.told_by(reader)) > len(stage.told("yt_daily")))
    assert not any(FIELD in told for told in stage.told_by(reader)), "who knows the version before reads the next one"
    for process in (*running, reader):
        assert not stage.has_ended(process), process.log.read_text()[-3000:]
        process.stop()
        assert stage.has_ended(process)
    for arguments in STORES:
        stage.ended([*COMMANDS, "store", *arguments], code=int(arguments != ("yt_monthly",)))
    assert stage.differences() == []
    letters = topics.read(stage.bootstrap, "yt_daily.letters")
    assert {letter.value: reason_of(letter) for letter in letters} == others
    assert len(letters) == len(others)
    for letter in topics.read(stage.bootstrap, f"{TOPIC}.letters"):
        with pytest.raises(Rejected, match=reason_of(letter)):
            read(letter.value)
    topics.delete(stage.bootstrap, ["yt_daily.letters"])
    stage.registry = stage.registry.replace("/apis/ccompat/v7", "/apis/ccompat/v6/nothing")
    stage.ended([*COMMANDS, "store", "yt_daily"], code=1)
    assert stage.written("yt_daily.letters") == 0, "a wrong registry makes no letters of everything"


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(20))
def test_a_random_schedule_of_services_stores_and_kills_ends_in_what_was_harvested(stage: Stage, seed: int) -> None:
    """Two checkpoints, two drivers at a time, stores of all kinds, each killed whenever it happens."""
    random = Random(seed)
    stage.ended([*COMMANDS, "register"])
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


@pytest.mark.soak
def test_a_registry_that_hangs_is_waited_for_whatever_dies_meanwhile(
    stage: Stage, servers: tuple[str, PrivateRegistry]
) -> None:
    made, hung = harvests(3, 12, BEGIN, 40, 2, MISHAPS), servers[1].process
    stage.ended([*COMMANDS, "register"])
    hung.signal(signal.SIGSTOP)
    for _ in range(2):
        port = free_port()
        driver = stage.driver(METRICS_PORT=str(port))
        stage.send(islice(made, 200))
        stage.until(lambda d=driver: stage.says(d, "the schema registry does not answer (ReadTimeout)"))  # type: ignore[misc]
        assert waited_for(port) == {"the schema registry"}
        driver.kill9()
    assert stage.written() == 0
    driver = stage.driver()
    stage.until(lambda: stage.says(driver, "the schema registry does not answer (ReadTimeout)"))
    hung.signal(signal.SIGCONT)
    stage.until(lambda: stage.written() > 0 and stage.written("yt_monthly") > 0)
    hung.signal(signal.SIGSTOP)
    before = stage.written()
    stage.send(islice(made, 200))
    stage.until(lambda: stage.written() > before)
    following = stage.store(("yt_daily", "--follow"))
    stage.ended([*COMMANDS, "store", "yt_monthly"], code=1)
    hung.signal(signal.SIGCONT)
    stage.send(made)
    driver.kill9()
    stage.finish()
    assert stage.differences() == []
    assert not stage.has_ended(following)
    following.stop()
    assert stage.has_ended(following)


def reason_of(letter: topics.Found) -> str:
    return (letter.headers["reason"] or b"").decode()


def waited_for(port: int) -> set[str]:
    """What the service that serves there says it waits for; it is healthy all the same."""
    with urllib.request.urlopen(f"http://{HERE}:{port}/healthz", timeout=10) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(f"http://{HERE}:{port}/status", timeout=10) as answer:
        return {wait["for"] for wait in json.load(answer)["waiting"]}


def somebody_else_writes(stage: Stage) -> dict[bytes, str]:
    """Avro of the next version, of a channel that nobody harvests; and what cannot be read, which is returned with why.

    A month is none of these days: it is written with the schema of something else.
    """
    said = {"yt_channel_id": "new", "harvest_ts": "2017-08-02T02:00:00", "date": "2017-08-02", "subs": 7, FIELD: 1}
    value, month = avro(stage, "yt_daily", GROWN, said), avro(stage, "yt_monthly", newest("yt_monthly"), said)
    others = {
        b"": "no_header",
        b"{}": "no_header",
        value[5:]: "no_header",
        b"\0\x7f\xff\xff\xff" + value[5:]: "unknown_schema",
        month: "other_schema",
        value[:-3]: "cut",
        value + b"\0": "too_long",
    }
    stage.foreign = [value, *others]
    stage.stored = [json.dumps(said).encode()]
    topics.produce(stage.bootstrap, "yt_daily", [topics.Sent(value, b"new"), *others])
    return others


def avro(stage: Stage, topic: str, schema: dict[str, object], said: dict[str, object]) -> bytes:
    """As it is written by whoever has that schema, which is registered."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, {**said, "month": "2017-08"})
    return b"\0" + Registry(stage.registry).id_of(topic, schema).to_bytes(4, "big") + stream.getvalue()


def read_by_command(stage: Stage) -> None:
    """All that is told of the months; of the days, what cannot be read is named, and the exit code says so.

    The next version reads records of both: of those before it with the default.
    """
    lines = [json.loads(line) for line in stage.ended([*COMMANDS, "read", "yt_monthly"]).splitlines()]
    assert [(one["yt_channel_id"], one["month"], one["harvest_ts"], one["subs"]) for one in lines] == stage.told(
        "yt_monthly"
    )
    days = [json.loads(line) for line in stage.ended([*COMMANDS, "read", "yt_daily"], code=1).splitlines()]
    assert len(days) == len(stage.told("yt_daily")) + 1
    assert {one[FIELD] for one in days} == {-1, 1}
    header = stage.foreign[0][:5]
    values = [record.value or b"" for record in topics.read(stage.bootstrap, "yt_daily")]
    assert 1 < sum(value.startswith(header) for value in values) < len(days), "the service has written both versions"
