"""A service of the analytics as a process: how it waits, is killed, goes on and ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.kafka.letters import letters_of
from tests import topics
from tests.faults.job import Job, until
from tests.integration.streaming import bad, good, numbers
from tests.kafka import Broker, broker
from tests.servers import ROOT

PATIENCE = 240.0
RECORDS = 1200

pytestmark = pytest.mark.timeout(900)


class Copying:
    """Runs of `tests.analytics_job` on topics and a checkpoint of their own."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self._kafka, self._folder = kafka, folder
        self.reads = f"driver-{os.getpid()}-{folder.name.replace('_', '-')}"
        self.writes = f"{self.reads}-out"
        self.runs = 0

    def start(self, *arguments: str) -> Job:
        """The next run."""
        environment = {
            "KAFKA_BROKERS": self._kafka,
            "CHECKPOINT_DIR": str(self._folder / "checkpoint"),
            "METRICS_PORT": "0",
            "BATCH_LENGTH": "0.2",
            "MAX_RECORDS_PER_BATCH": "200",
            "SPARK_MASTER": "local[2]",
            "READS": self.reads,
            "WRITES": self.writes,
        }
        self.runs += 1
        log = self._folder / f"run{self.runs}.log"
        job = Job(log, environment, *arguments, program=("-m", "tests.analytics_job"))
        job.start()
        return job

    def make(self) -> None:
        topics.create(self._kafka, {self.reads: 2})

    def put(self, first: int, end: int) -> None:
        topics.produce(self._kafka, self.reads, numbers(first, end))

    def hold(self, end: int) -> None:
        """AssertionError where not everything below `end` came out, once, and nothing else."""
        out = Counter(record.value for record in topics.read(self._kafka, self.writes))
        assert out == Counter(good(0, end))
        letters = Counter(letter.headers["offset"] for letter in topics.read(self._kafka, letters_of(self.reads)))
        assert letters.total() == bad(0, end)


def ended(job: Job) -> int:
    """The exit code of a run that comes to its end."""
    assert job._child is not None
    code = job._child.wait(PATIENCE)
    job.stop()
    return code


def killed_again_and_again(kafka: str, folder: Path, rounds: int, strike: Callable[[Job], None]) -> Copying:
    """Runs that are struck in mid-batch, `rounds` times, and one to the end."""
    copying = Copying(kafka, folder)
    copying.make()
    copying.put(0, RECORDS)
    for number in range(rounds):
        job = copying.start()
        job.wait_for("batch", seconds=PATIENCE)
        copying.put(RECORDS + 500 * number, RECORDS + 500 * (number + 1))
        time.sleep(random.uniform(0, 1.5))
        strike(job)
    assert ended(copying.start("--until-caught-up")) == 0
    copying.hold(RECORDS + 500 * rounds)
    return copying


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_a_killed_driver_goes_on_where_it_was_and_repeats_nothing(kafka: str, tmp_path: Path, rounds: int) -> None:
    killed_again_and_again(kafka, tmp_path, rounds, Job.kill9)


@pytest.mark.soak
def test_workers_killed_in_mid_batch_change_nothing(kafka: str, tmp_path: Path) -> None:
    def strike(job: Job) -> None:
        for _ in range(10):
            for worker in _workers(job):
                os.kill(worker, signal.SIGKILL)
            time.sleep(random.uniform(0.5, 2))
        job.terminate()
        assert ended(job) == 0

    killed_again_and_again(kafka, tmp_path, 1, strike)


def _workers(job: Job) -> list[int]:
    """Spark's Python workers of this run, their parent aside."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,sess,args"], capture_output=True, text=True, check=True).stdout
    daemons = [line.split() for line in listed.splitlines() if "pyspark.daemon" in line]
    of_this = [(int(pid), int(parent)) for pid, parent, session, *_ in daemons if int(session) == job.pid]
    own = {pid for pid, _ in of_this}
    return [pid for pid, parent in of_this if parent in own]


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_it_waits_for_its_topic_outlives_the_brokers_death_and_drains_when_told(tmp_path: Path, rounds: int) -> None:
    with broker(tmp_path / "kafka") as own:
        copying = Copying(own.bootstrap, tmp_path)
        job = copying.start()
        job.wait_for("waiting", seconds=PATIENCE)
        copying.make()
        copying.put(0, 1000)
        job.wait_for("batch", 2, PATIENCE)
        for number in range(rounds):
            _die(own)
            copying.put(1000 + 500 * number, 1500 + 500 * number)
        wanted = len(good(0, 1000 + 500 * rounds))
        until(lambda: len(topics.read(own.bootstrap, copying.writes)) >= wanted, "all of it", PATIENCE)
        job.terminate()
        assert ended(job) == 0
        assert [line["level"] for line in job.lines("ended")] == ["info"]
        copying.hold(1000 + 500 * rounds)


def _die(kafka: Broker) -> None:
    kafka.kill9()
    time.sleep(random.uniform(1, 6))
    kafka.start()


def test_wrong_settings_end_it_with_2_before_spark_is_loaded() -> None:
    environment = {"PATH": os.environ["PATH"], "KAFKA_BROKERS": "nowhere", "BATCH_LENGTH": "0"}
    command = [sys.executable, "-X", "importtime", "stream_analytics.py", "trades"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    lines = [line.strip() for line in said.stderr.splitlines() if not line.startswith("import time:")]
    assert said.returncode == 2
    assert lines[0] == "the settings are wrong:"
    assert [line.partition(" ")[0].rstrip(":") for line in lines[1:]] == [
        "KAFKA_BROKERS",
        "CHECKPOINT_DIR",
        "BATCH_LENGTH",
    ]
    assert "pyspark" not in said.stderr
    assert "confluent_kafka" not in said.stderr


def test_an_unknown_service_is_wrong_usage() -> None:
    said = subprocess.run([sys.executable, "stream_analytics.py", "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 2
    assert "candles" in said.stderr
