"""The service `loan-scoring` as it runs, killed between the table's commit and Spark's, with all snapshots expired."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.table import Table

from loan_scoring.names import PREDICTIONS, READS
from loan_scoring.registry import Registry
from pipeline.kafka.client import client_options
from pipeline.kafka.letters import letters_of
from pipeline.kafka.topics import Topics
from pipeline.lake.lake import Lake
from pipeline.settings.kafka import BrokerSettings
from tests import topics
from tests.kafka import broker
from tests.loans import told_again
from tests.loans.models import promoted, scorecard
from tests.market import letters
from tests.processes import Process
from tests.servers import ROOT
from tests.unit.test_loan_application import GOOD

WITHIN = 240.0
COMMAND = [sys.executable, str(ROOT / "stream_analytics.py"), "loan-scoring"]
BAD = b'{"member_id": true}'


@dataclass
class Stage:
    """A broker, a lakehouse, a champion, applications that are sent bit by bit, and drivers."""

    folder: Path
    bootstrap: str
    drivers: list[Process] = field(default_factory=list)
    sent: int = 0
    rng: Random = field(default_factory=lambda: Random(1))
    between: int = 0

    def __post_init__(self) -> None:
        topics.create(self.bootstrap, {READS: 2, letters_of(READS): 1})
        self.lake = Lake(f"{self.folder}/warehouse", f"jdbc:sqlite:{self.folder}/catalog.db")
        self.version = promoted(Registry(str(self.folder / "models")))

    def driver(self) -> Process:
        log = self.folder / f"driver{len(self.drivers)}.log"
        made = Process("loan-scoring", COMMAND, log, lambda: True, self._environment())
        self.drivers.append(made)
        made.start()
        return made

    def finish(self) -> None:
        """Let a driver catch up."""
        command = [*COMMAND, "--until-caught-up"]
        ended = subprocess.run(command, env=self._environment(), capture_output=True, timeout=WITHIN)
        assert ended.returncode == 0, ended.stderr[-2000:]

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "KAFKA_BROKERS": self.bootstrap,
            "CHECKPOINT_DIR": str(self.folder / "checkpoint"),
            "LAKE_URI": f"{self.folder}/warehouse",
            "LAKE_CATALOG": f"jdbc:sqlite:{self.folder}/catalog.db",
            "MODELS": str(self.folder / "models"),
            "BATCH_LENGTH": "0.1",
            "METRICS_PORT": "0",
            "SPARK_MASTER": "local[2]",
            "DRIVER_MEMORY": "768m",
        }

    def send(self) -> None:
        """Some applications, with ids of their own and without, of which some come again; and a letter."""
        made = [self._application() for _ in range(20)]
        topics.produce(self.bootstrap, READS, [*made, BAD])
        self.sent += len(made)

    def _application(self) -> bytes:
        own = {"application_id": f"A-{self.rng.randrange(self.sent + 20)}"} if self.rng.random() < 0.5 else {}
        dti = 10 if own and self.rng.random() < 0.8 else self.rng.randrange(40)
        return json.dumps({**GOOD, **own, "dti": dti}).encode()

    def table(self) -> Table | None:
        try:
            return self.lake.catalog().load_table(PREDICTIONS)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None

    def snapshot(self) -> int | None:
        table = self.table()
        found = table.current_snapshot() if table else None
        return found.snapshot_id if found else None

    def until(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        while not enough():
            assert time.monotonic() < deadline, self.drivers[-1].log.read_text()[-2000:]
            time.sleep(0.02)

    def kill_behind_the_commit(self, driver: Process) -> None:
        """As soon as the table has changed; then let nobody remember what was there before."""
        before = self.snapshot()
        self.send()
        self.until(lambda: self.snapshot() != before)
        driver.kill9()
        planned, ended = (self._newest(name) for name in ("offsets", "commits"))
        self.between += planned > ended
        table = self.table()
        assert table is not None
        old = [one.snapshot_id for one in table.snapshots()[:-1]]
        if old:
            table.maintenance.expire_snapshots().by_ids(old).commit()

    def _newest(self, name: str) -> int:
        folder = self.folder / "checkpoint" / "loan-scoring" / "predictions" / "spark" / name
        return max((int(path.name) for path in folder.glob("*") if path.name.isdecimal()), default=-1)

    def check(self) -> None:
        """Everything that is there against all that was sent, in the order in which batches may have read it."""
        records = topics.read(self.bootstrap, READS)
        found = Topics(client_options(self._settings())).existing([READS])[READS].identity
        table = self.table()
        assert table is not None
        rows = table.scan().to_arrow().to_pylist()
        told = told_again.expected(records, frozenset([BAD]), found)
        told = told_again.as_counted(told, records, rows, found)
        assert told_again.differences(rows, told, {self.version: scorecard()}) == []
        assert letters.differences(topics.read(self.bootstrap, letters_of(READS)), records, told.letters) == []

    def _settings(self) -> BrokerSettings:
        return BrokerSettings.read({"KAFKA_BROKERS": self.bootstrap})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with broker(tmp_path / "kafka") as kafka:
        found = Stage(tmp_path, kafka.bootstrap)
        try:
            yield found
        finally:
            for driver in found.drivers:
                driver.kill9()


def play(stage: Stage, kills: int) -> None:
    driver = stage.driver()
    for _ in range(kills):
        stage.kill_behind_the_commit(driver)
        driver = stage.driver()
    stage.send()
    driver.stop(60)
    stage.finish()
    stage.check()
    assert stage.between >= (kills + 1) // 2, f"{stage.between} of {kills} kills fell between the commits"


@pytest.mark.timeout(600)
def test_a_kill_between_the_commits_leaves_one_row_each(stage: Stage) -> None:
    play(stage, 1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_kills_between_the_commits_leave_one_row_each(stage: Stage) -> None:
    play(stage, 10)
