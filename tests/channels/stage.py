"""The service, its stores and its readers as processes, on a broker, a registry and a schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from channel_stats.registry import Registry
from producers.harvests import TOPIC
from producers.made import Made
from tests import topics
from tests.channels import told_again
from tests.kafka import admin
from tests.processes import Process
from tests.schema import Schema
from tests.servers import ROOT

WITHIN: Final = 240.0
TABLES: Final = ("yt_daily", "yt_monthly")
SERVICE: Final = (sys.executable, "stream_analytics.py", "channel-stats")
COMMANDS: Final = (sys.executable, "-m", "channel_stats")
STORES: Final = (("yt_daily",), ("yt_monthly",), ("yt_monthly", "--from", "yt_daily"))


@dataclass
class Stage:
    """`registry`: its URL. `processes`: all that were started here, to be ended with the test.

    `project`: where the programs are, which a deployment changes. `foreign`: values of `yt_daily` that others have
    written. `stored`: harvests that those amount to.
    """

    folder: Path
    bootstrap: str
    registry: str
    schema: Schema
    project: Path = ROOT
    processes: list[Process] = field(default_factory=list)
    sent: list[Made] = field(default_factory=list)
    foreign: list[bytes] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)

    def environment(self, checkpoint: str = "checkpoint", **more: str) -> dict[str, str]:
        return {
            **os.environ,
            **self.schema.environment,
            "KAFKA_BROKERS": self.bootstrap,
            "SCHEMA_REGISTRY_URL": self.registry,
            "CHECKPOINT_DIR": str(self.folder / checkpoint),
            "DAILY_LENGTH": "0.2",
            "MONTHLY_LENGTH": "0.5",
            "METRICS_PORT": "0",
            "SPARK_MASTER": "local[2]",
            "DRIVER_MEMORY": "512m",
            **more,
        }

    def driver(self, checkpoint: str = "checkpoint", **more: str) -> Process:
        return self._started("driver", SERVICE, self.environment(checkpoint, **more))

    def command(self, *arguments: str) -> Process:
        """`python -m channel_stats`, which goes on until it is stopped."""
        return self._started("command", [*COMMANDS, *arguments], self.environment())

    def store(self, arguments: Sequence[str]) -> Process:
        return self.command("store", *arguments)

    def _started(self, name: str, command: Sequence[str], environment: dict[str, str]) -> Process:
        log = self.folder / f"{name}{len(self.processes)}.log"
        made = Process(name, command, log, log.exists, environment, self.project)
        self.processes.append(made)
        made.start()
        return made

    def finish(self, checkpoint: str = "checkpoint") -> None:
        """Let a driver catch up."""
        self.ended([*SERVICE, "--until-caught-up"], self.environment(checkpoint))

    def ended(self, command: Sequence[str], environment: dict[str, str] | None = None, code: int = 0) -> str:
        """Run to the end; what it printed."""
        done = subprocess.run(
            command,
            cwd=self.project,
            env=environment or self.environment(),
            capture_output=True,
            timeout=WITHIN,
            text=True,
        )
        assert done.returncode == code, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    def send(self, made: Iterable[Made]) -> None:
        some = list(made)
        topics.produce(self.bootstrap, TOPIC, [topics.Sent(one.value, one.key) for one in some])
        self.sent += some

    def until(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        while not enough():
            assert time.monotonic() < deadline, self.processes[-1].log.read_text()[-3000:]
            time.sleep(0.1)

    def written(self, topic: str = TABLES[0]) -> int:
        """Records of a topic, which need not be there yet."""
        client = admin(self.bootstrap)
        return len(topics.read(self.bootstrap, topic)) if topic in client.list_topics(timeout=10).topics else 0

    def says(self, process: Process, text: str) -> bool:
        """Whether its log has the text."""
        return text in process.log.read_text(errors="replace")

    def events(self, driver: Process) -> list[dict[str, object]]:
        lines = driver.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and '"event"' in line]

    def has_ended(self, driver: Process) -> bool:
        """Whether it says so: by itself, since another one has taken over, say."""
        return any(event["event"] == "ended" for event in self.events(driver))

    def good(self) -> list[bytes]:
        return [one.value or b"" for one in self.sent if one.kind != "broken"]

    def told(self, topic: str) -> list[told_again.Told]:
        schemas = Registry(self.registry).schema
        records = [record for record in topics.read(self.bootstrap, topic) if record.value not in self.foreign]
        return told_again.told(records, topic, lambda schema_id: schemas(schema_id) or {})

    def differences(self) -> list[str]:
        """Topics and tables against all that was sent, and letters against what was broken."""
        lines: list[str] = []
        for name in TABLES:
            right, told = told_again.latest(self.good(), name), self.told(name)
            lines += told_again.unchanged(told)
            lines += told_again.differences(told_again.of_topic(told), right, f"topic {name}")
            right |= told_again.latest(self.stored, name)
            lines += told_again.differences(told_again.of_table(self.schema, name), right, f"table {name}")
        broken = Counter(one.value for one in self.sent if one.kind == "broken")
        letters = topics.read(self.bootstrap, f"{TOPIC}.letters")
        if (found := Counter(letter.value for letter in letters)) != broken:
            lines.append(f"letters: {found - broken} too many, {broken - found} too few")
        return lines

    def told_by(self, reader: Process) -> list[dict[str, object]]:
        """The records that `read` has told."""
        lines = reader.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"yt_channel_id"')]

    def close(self) -> None:
        for process in self.processes:
            process.kill9()
