"""The service `page-views` as it runs, killed in mid-batch while views come by topic and files come by folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from page_views.names import TABLES
from pipeline.lake.lake import Lake
from tests import topics
from tests.kafka import broker
from tests.page_views import tables, told_again
from tests.processes import Process
from tests.servers import ROOT

WITHIN = 240.0
READS, VIEWS, AGGREGATES, SESSIONS = "page_views_raw", "page_views", "aggregate_page_views", "page_view_sessions"
SECRET = "a secret of the tests"
COMMAND = [sys.executable, str(ROOT / "stream_analytics.py"), "page-views"]
FIRST = 1_534_849_200
BATCH = 7
BAD = b"nobody knows what this is"


@dataclass
class Stage:
    """A broker, a drop folder, views that are sent bit by bit, and drivers."""

    folder: Path
    bootstrap: str
    drivers: list[Process] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    files: int = 0
    rng: Random = field(default_factory=lambda: Random(1))

    def __post_init__(self) -> None:
        (self.folder / "dropped").mkdir()
        topics.create(self.bootstrap, {READS: 2, VIEWS: 4, AGGREGATES: 4, SESSIONS: 4, f"{READS}.letters": 1})

    def driver(self) -> Process:
        log = self.folder / f"driver{len(self.drivers)}.log"
        made = Process("page-views", COMMAND, log, lambda: True, self._environment())
        self.drivers.append(made)
        made.start()
        return made

    def finish(self) -> None:
        """Let a driver catch up."""
        command = [*COMMAND, "--until-caught-up"]
        ended = subprocess.run(command, env=self._environment(), capture_output=True, timeout=WITHIN)
        assert ended.returncode == 0, ended.stderr[-2000:]

    def asked(self, *command: str) -> Any:
        """What an operator's command answers."""
        whole = [sys.executable, "-m", "pipeline", "page-views", *command, "--json"]
        answered = subprocess.run(whole, env=self._environment(), capture_output=True, timeout=WITHIN, cwd=ROOT)
        assert answered.returncode == 0, answered.stderr[-2000:]
        return json.loads(answered.stdout)

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "KAFKA_BROKERS": self.bootstrap,
            "CHECKPOINT_DIR": str(self.folder / "checkpoint"),
            "PAGE_VIEWS_DIR": str(self.folder / "dropped"),
            "BATCHES_DIR": str(self.folder / "batches"),
            "BATCH_EVENTS": str(BATCH),
            "LAKE_URI": str(self.folder / "warehouse"),
            "LAKE_CATALOG": f"jdbc:sqlite:{self.folder}/catalog.db",
            "USERS_SECRET": SECRET,
            "TABLES_INTERVAL": "1",
            "BATCH_LENGTH": "0.1",
            "METRICS_PORT": "0",
            "SPARK_MASTER": "local[2]",
            "DRIVER_MEMORY": "512m",
        }

    def send(self) -> None:
        """Some views to the topic, some in a file, and a letter by each way; a few of them out of order."""
        at = len(self.sent) * 10
        made = [self._line(at + 20 * number + self.rng.randrange(200)) for number in range(20)]
        self.sent += made
        topics.produce(self.bootstrap, READS, [*made[:10], BAD])
        new = self.folder / "dropped" / ".new"
        new.write_bytes(b"\n".join([*made[10:], BAD]))
        new.replace(self.folder / "dropped" / f"{self.files}.csv")
        self.files += 1

    def _line(self, at: int) -> bytes:
        page = self.rng.choice(("/", "/a/", "/b?utm_source=News", "/b?utm_source=x&utm_medium=y"))
        return f"u{self.rng.randrange(9)},https://example.org{page},{FIRST + at},Chrome,Linux,1x1".encode()

    def written(self) -> int:
        """Views that are out."""
        return len(topics.read(self.bootstrap, VIEWS))

    def until(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        while not enough():
            assert time.monotonic() < deadline, self.drivers[-1].log.read_text()[-2000:]
            time.sleep(0.2)

    def check(self) -> None:
        """Everything that is out against all that was sent."""
        views = topics.read(self.bootstrap, VIEWS)
        assert Counter(map(_told, views)) == Counter(map(_sent, self.sent))
        letters = topics.read(self.bootstrap, f"{READS}.letters")
        assert [letter.headers["reason"] for letter in letters] == [b"wrong_columns"] * 2 * self.files
        raw = topics.read(self.bootstrap, READS)
        assert len(raw) == len(self.sent) + 2 * self.files
        expected = told_again.windows(self.sent[:-1], 1200)
        found = [json.loads(record.value or b"") for record in topics.read(self.bootstrap, AGGREGATES)]
        assert told_again.differences(found, expected) == []
        told = Counter(
            told_again.session(json.loads(record.value or b"")) for record in topics.read(self.bootstrap, SESSIONS)
        )
        assert told == told_again.sessions(self.sent[:-1], 1200)
        lake = Lake((self.folder / "warehouse").as_uri(), f"jdbc:sqlite:{self.folder}/catalog.db")
        assert tables.differences(lake, self.sent[:-1], 1200, SECRET, self.sent[-1:]) == []
        batches = {path.name: json.loads(path.read_bytes()) for path in (self.folder / "batches").glob("[0-9]*.json")}
        assert batches.keys() == {f"{number}.json" for number in range(1, len(self.sent) // BATCH + 1)}
        assert all(1 <= one["unique users"] <= BATCH for one in batches.values())


CLOSING = f"end,https://example.org/,{FIRST + 90 * 86_400},Chrome,Linux,1x1".encode()


def _told(record: topics.Found) -> tuple[str, str, str]:
    said: dict[str, Any] = json.loads(record.value or b"")
    return said["anonymousUserId"], said["url"], said["time"]


def _sent(line: bytes) -> tuple[str, str, str]:
    user, url, at, *_ = line.decode().split(",")
    return user, url, time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(int(at)))


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
    rng = Random(2)
    driver = stage.driver()
    for _ in range(kills):
        before = stage.written()
        stage.send()
        stage.until(lambda before=before: stage.written() > before)  # type: ignore[misc]
        stage.send()
        time.sleep(rng.random())
        driver.kill9()
        driver = stage.driver()
    driver.stop(60)
    stage.sent.append(CLOSING)
    topics.produce(stage.bootstrap, READS, [CLOSING])
    stage.finish()
    stage.check()
    before, done = stage.asked("tables"), stage.asked("maintain-tables")
    assert [one["table"] for one in done] == [one["name"] for one in before] == list(TABLES)
    after = stage.asked("tables")
    assert [one["rows"] for one in after] == [one["rows"] for one in before]
    assert [one["files"] for one in after] == [
        one["files"] - merged["compacted"] + merged["into"] for one, merged in zip(before, done, strict=True)
    ]
    stage.check()
    users = stage.asked("users", "--from", "2018-08-21", "--to", "2018-08-22")
    assert users["users"] == len({told_again.view(line).user for line in stage.sent[:-1]})
    assert users["views"] == len(stage.sent) - 1


@pytest.mark.timeout(900)
def test_a_kill_in_mid_batch_changes_nothing(stage: Stage) -> None:
    play(stage, 1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_kills_in_mid_batch_change_nothing(stage: Stage) -> None:
    play(stage, 10)
