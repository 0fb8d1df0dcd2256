"""`python -m benchmarks analytics loan-scoring`: the stages alone, a backlog into the table, latency, a day's table."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from confluent_kafka import Producer

from benchmarks.analytics import backlog, runs
from benchmarks.job import Line
from benchmarks.machine import Watch
from benchmarks.results import Goal, Result
from demo.ground import Ground, ground
from loan_scoring.model.made import made
from loan_scoring.model.training import train
from loan_scoring.names import PREDICTIONS
from loan_scoring.registry import Registry
from pipeline.kafka.letters import letters_of
from pipeline.lake.lake import Lake
from producers.loans import TOPIC, Mishaps, applications

SERVICE = (*runs.SERVICE, "loan-scoring")
SCORING = (sys.executable, "-m", "benchmarks.analytics.scoring")
RATE = 50
"""Applications a second, where the time to the row is clocked."""
BATCH_LENGTH = 10


@dataclass
class Loans:
    """`messages`: of the backlog. `seconds`: of latency. `batches`: of the day."""

    watch: Watch
    messages: int
    seconds: int
    batches: int
    goals: list[Goal]

    def all(self) -> list[Result]:
        """One after another, each with a lakehouse of its own."""
        return [self.stages(), self.backlog(), self.latency(), self.day()]

    def stages(self) -> Result:
        """Reading, both models, the table's columns: without topics, without a table."""
        with self._scene() as (_, environment):
            line = _ended([*SCORING, "stages", str(min(self.messages, 400_000))], environment)
        seconds, number = line.fields["seconds"], line.fields["rows"]
        rate = number / seconds
        self.goals.append(Goal("stages of loan scoring at least 40,000/s", f"{rate:,.0f}/s", rate >= 40_000))
        use = self.watch.use(line.at - seconds, line.at)
        return Result("stages", "read, both models, columns", f"{rate:,.0f}/s", use, number, rate)

    def backlog(self) -> Result:
        """From the topic into the table."""
        with self._scene() as (here, environment):
            values = [one.value for one in applications(1, 20_000, Mishaps(ids=0.0, broken=0.0)) if one.value]
            backlog.fill(here.kafka.bootstrap, TOPIC, islice(cycle(values), self.messages))
            begun, ended = runs.caught_up(SERVICE, environment)
            rows = _rows(environment)
        if rows != self.messages:
            raise RuntimeError(f"{rows} rows, not {self.messages}")
        rate = self.messages / (ended - begun)
        self.goals.append(Goal("a backlog of loans at least 10,000/s", f"{rate:,.0f}/s", rate >= 10_000))
        use = self.watch.use(begun, ended)
        return Result("backlog", "Kafka → table, once", f"{rate:,.0f}/s", use, self.messages, rate)

    def latency(self) -> Result:
        """From an application's arrival in its topic until its batch's rows are in the table."""
        with self._scene() as (here, environment):
            with runs.running(SERVICE, {**environment, "BATCH_LENGTH": str(BATCH_LENGTH)}) as job:
                job.wait_for("running")
                begun = time.monotonic()
                _send(here.kafka.bootstrap, self.seconds)
                while (
                    sum(line.fields["counts"].get("success", 0) for line in job.batches()) < RATE * self.seconds * 0.95
                ):
                    time.sleep(0.5)
                ended = time.monotonic()
            delays = _delays(environment)
        p50, p95 = statistics.median(delays), statistics.quantiles(delays, n=20)[-1]
        self.goals.append(Goal(f"p95 to the row at most 15 s, batches of {BATCH_LENGTH} s", f"{p95:.1f} s", p95 <= 15))
        use = self.watch.use(begun, ended)
        return Result("latency", f"{RATE} applications/s", f"p50 {p50:.1f} s, p95 {p95:.1f} s", use, len(delays))

    def day(self) -> Result:
        """The table after a day's batches, fewer than a day has, with as much maintenance in proportion."""
        with self._scene() as (_, environment):
            begun = time.monotonic()
            told = _ended([*SCORING, "day", str(self.batches)], environment).fields
            use = self.watch.use(begun, time.monotonic())
        ratio = told["metadata_bytes"] / told["data_bytes"]
        self.goals += [
            Goal("files of a day at most 20", f"{told['files']}", told["files"] <= 20),
            Goal("metadata at most 2 × data", f"{ratio:.2f}", ratio <= 2),
            Goal("query of a day at most 1 s", f"{told['query']:.2f} s", told["query"] <= 1),
        ]
        figure = f"a batch {told['first']:.2f} s first, {told['last']:.2f} s last; {told['files']} files"
        facts: dict[str, object] = dict(told)
        return Result("a day", f"{self.batches} batches", figure, use, told["rows"], None, facts)

    @contextmanager
    def _scene(self) -> Iterator[tuple[Ground, dict[str, str]]]:
        with ground() as here:
            backlog.make(here.kafka.bootstrap, [TOPIC, letters_of(TOPIC)], 4)
            folder = here.folder
            lake = {"LAKE_URI": f"{folder}/warehouse", "LAKE_CATALOG": f"jdbc:sqlite:{folder}/catalog.db"}
            environment = {**here.environment, **lake, "MODELS": f"{folder}/models", "SPARK_MASTER": "local[2]"}
            trained = train(made(20_000, 1), "made up", 1, lambda _: None)
            registry = Registry(environment["MODELS"])
            registry.promote(registry.add(trained.scorecard, trained.challenger, ""))
            yield here, environment


def _ended(command: list[str], environment: Mapping[str, str]) -> Line:
    with runs.running(command, environment) as job:
        return job.wait_for("ended")


def _table(environment: Mapping[str, str]) -> Any:
    return Lake(environment["LAKE_URI"], environment["LAKE_CATALOG"]).catalog().load_table(PREDICTIONS)


def _rows(environment: Mapping[str, str]) -> int:
    found: int = _table(environment).scan().count()
    return found


def _delays(environment: Mapping[str, str]) -> list[float]:
    """Until the commit of the snapshot that came after a row was scored."""
    table = _table(environment)
    rows = table.scan(selected_fields=("applied_at", "scored_at")).to_arrow().to_pylist()
    commits = sorted(one.timestamp_ms / 1000 for one in table.snapshots())
    return [
        next(commit for commit in commits if commit >= row["scored_at"].timestamp()) - row["applied_at"].timestamp()
        for row in rows
    ]


def _send(bootstrap: str, seconds: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    values = [one.value for one in applications(2, RATE * seconds, Mishaps(ids=0.0, broken=0.0)) if one.value]
    begun = time.monotonic()
    for number, value in enumerate(values):
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        producer.produce(TOPIC, value)
        producer.poll(0)
    producer.flush(60)
