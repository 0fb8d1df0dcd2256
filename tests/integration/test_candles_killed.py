"""The service `candles` as it runs, killed in mid-batch: driver, worker, broker; and two drivers at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random

import psutil
import pytest

from market.mongo import database
from pipeline.kafka.letters import letters_of
from producers.candles import Disorder, candles, days_of
from tests import mongo as mongo_server
from tests import topics
from tests.kafka import Broker, broker
from tests.market.candle_collections import wrong
from tests.processes import Process
from tests.servers import ROOT

WITHIN = 240.0
TOPICS = ("aapl", "msft")
DISORDER = Disorder(shuffled=10, late=0.02, repeated=0.05, corrected=0.05, broken=0.05, unusual=0.1)
COMMAND = [sys.executable, str(ROOT / "stream_analytics.py"), "candles"]
DAYS = 12
"""Enough for thirty strikes."""
PIECE = 40
"""Records that are sent at a time, so that batches go on while something is killed."""


@dataclass
class Stage:
    """A broker and a database, candles that are sent bit by bit, and drivers."""

    folder: Path
    broker: Broker
    uri: str
    drivers: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sent = 0
        self._made = list(candles(7, ("AAPL", "MSFT"), days_of(date(2023, 8, 25), DAYS), 390, DISORDER))
        topics.create(self.broker.bootstrap, {name: 1 for topic in TOPICS for name in (topic, letters_of(topic))})

    def driver(self, checkpoint: str = "checkpoint") -> Process:
        """`stream_analytics.py candles`, started."""
        log = self.folder / f"driver{len(self.drivers)}.log"
        made = Process("candles", COMMAND, log, lambda: True, self._environment(checkpoint))
        self.drivers.append(made)
        made.start()
        return made

    def finish(self) -> None:
        """Let a driver catch up."""
        command = [*COMMAND, "--until-caught-up"]
        ended = subprocess.run(command, env=self._environment("checkpoint"), capture_output=True, timeout=WITHIN)
        assert ended.returncode == 0, ended.stderr[-2000:]

    def _environment(self, checkpoint: str) -> dict[str, str]:
        return os.environ | {
            "KAFKA_BROKERS": self.broker.bootstrap,
            "MONGO_URI": self.uri,
            "CHECKPOINT_DIR": str(self.folder / checkpoint),
            "SYMBOLS": "AAPL,MSFT",
            "BATCH_LENGTH": "0.1",
            "METRICS_PORT": "0",
            "SPARK_MASTER": "local[2]",
            "DRIVER_MEMORY": "512m",
        }

    def send(self) -> None:
        """The next candles."""
        some, self._made = self._made[:PIECE], self._made[PIECE:]
        self._sent += len(some)
        for topic in TOPICS:
            own = [topics.Sent(one.value, one.key) for one in some if one.topic == topic]
            topics.produce(self.broker.bootstrap, topic, own, message_max_bytes=2 << 20)

    def written(self) -> int:
        """Documents so far."""
        return sum(database(self.uri, "market")[topic].count_documents({}) for topic in TOPICS)

    def send_until(self, enough: Callable[[], bool]) -> None:
        """Send bit by bit, when what was sent before is mostly written, until it is enough."""
        deadline = time.monotonic() + WITHIN
        while not enough():
            assert time.monotonic() < deadline, self.drivers[-1].log.read_text()[-2000:]
            if self._made and self.written() > self._sent * 0.8 - 2 * PIECE:
                self.send()
            time.sleep(0.2)

    def wrong(self) -> list[str]:
        """How collections and letters differ from what is to come of all that was sent."""
        return wrong(self.broker.bootstrap, self.uri, "market", TOPICS)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("killed")
    with broker(folder / "kafka") as kafka, mongo_server.database(folder / "mongo") as mongo:
        found = Stage(folder, kafka, mongo.uri)
        try:
            yield found
        finally:
            for driver in found.drivers:
                driver.kill9()


def kill_driver(stage: Stage, driver: Process) -> Process:
    driver.kill9()
    return stage.driver()


def kill_worker(_: Stage, driver: Process) -> Process:
    """One of the Python workers, not the daemon that forks them."""
    workers = [process for process in psutil.Process(driver.pid).children(recursive=True) if _is_worker(process)]
    workers[0].kill()
    return driver


def kill_broker(stage: Stage, driver: Process) -> Process:
    stage.broker.kill9()
    stage.broker.start()
    return driver


def _is_worker(process: psutil.Process) -> bool:
    try:
        parent = process.parent()
        return "pyspark.daemon" in process.cmdline() and parent is not None and "pyspark.daemon" in parent.cmdline()
    except psutil.NoSuchProcess:
        return False


def play(stage: Stage, strikes: Sequence[Callable[[Stage, Process], Process]], rng: Random) -> None:
    """Strikes while batches run, then the rest."""
    driver = stage.driver()
    for strike in strikes:
        before = stage.written()
        stage.send_until(lambda before=before: stage.written() > before + 5)  # type: ignore[misc]
        stage.send()
        time.sleep(rng.random())
        driver = strike(stage, driver)
    driver.stop(60)
    stage.finish()
    assert stage.wrong() == []


@pytest.mark.timeout(900)
def test_kills_of_worker_broker_and_driver_in_mid_batch_change_nothing(stage: Stage) -> None:
    play(stage, [kill_worker, kill_broker, kill_driver], Random(1))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("strike", [kill_driver, kill_worker, kill_broker])
def test_ten_kills_in_mid_batch_change_nothing(stage: Stage, strike: Callable[[Stage, Process], Process]) -> None:
    play(stage, [strike] * 10, Random(2))


@pytest.mark.timeout(900)
def test_of_two_drivers_the_one_that_began_first_ends_and_nothing_is_out_of_date(stage: Stage) -> None:
    """With checkpoints of their own, so that only the database keeps them apart."""
    first = stage.driver()
    before = stage.written()
    stage.send_until(lambda: stage.written() > before)
    second = stage.driver("another")
    stage.send_until(lambda: "another process runs as candles" in first.log.read_text())
    before = stage.written()
    stage.send_until(lambda: stage.written() > before)
    second.stop(60)
    shutil.rmtree(stage.folder / "checkpoint")
    stage.finish()
    assert stage.wrong() == []
