"""The parts of a run, each on a fresh schema: what it does, and what it comes to."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from bank_stream.settings import Settings
from benchmarks import applying, ceiling, latency, many_shards, old_way, stages, whole_path
from benchmarks.machine import Watch
from benchmarks.older_rows import Tell, older_bank
from benchmarks.results import Result
from benchmarks.scenarios import SCENARIOS
from benchmarks.workload import Workload, bank
from tests import servers
from tests.schema import Schema
from tests.servers import Endpoint

TUNED = {"BATCH_LENGTH": "1", "PARTITIONS": str(os.cpu_count()), "MAX_THREADS": "1"}
"""A partition and a connection for each core, as the ceiling has a writer: where the database is no network away, more
only wait for each other."""
DEPLOYED_FILE = servers.ROOT / "k8s" / "base" / "settings.env"
PROMPT = {**TUNED, "BATCH_LENGTH": "0.5"}
"""The same where latency counts."""
OLD_MESSAGES = 2_000
EMULATED = 20_000
"""Most messages for an emulator: it takes some 1,300 a second."""
CHUNK_SIZE: int = Settings.model_fields["chunk_size"].default


def deployed() -> dict[str, str]:
    """Partitions and threads as they are deployed: the settings that decide how a message comes to its lane."""
    lines = [line.partition("=") for line in DEPLOYED_FILE.read_text().splitlines()]
    return {name: value for name, _, value in lines if name in ("PARTITIONS", "MAX_THREADS")}


VARIATIONS: dict[str, dict[str, Any]] = {
    **{name: {"scenario": name} for name in SCENARIOS},
    **{f"{number} shards": {"shards": number} for number in (1, 2, 8)},
    "aggregated": {"aggregate": 50},
    "deployed": {"settings": deployed()},
    "deployed, 2 shards": {"settings": deployed(), "shards": 2},
}
"""What `compare` holds against each other; the usual traffic comes in 4 shards, not aggregated.

As deployed, a partition has several lanes; and where there are fewer shards than partitions, records are spread."""


@dataclass(frozen=True)
class Bench:
    """What the parts need. `messages`: of the ceiling and of the whole path. `settings`: of the job, where they are to
    be others than `TUNED` (and `PROMPT`). `rows`: older ones of (b), (c) and `apply`. `tell`: hears of progress."""

    server: Schema
    aws: Endpoint
    watch: Watch
    messages: int
    shards: int
    odd: float
    settings: dict[str, str]
    accounts: int = 20_000
    scenario: str = "mixed"
    aggregate: int = 0
    limits: bool = False
    rows: int = 0
    tell: Tell = str

    def compare(self, kinds: Iterable[str]) -> list[Result]:
        """(b) and (c) of these variations, one after the other."""
        results = []
        for name in kinds:
            varied = replace(self, **VARIATIONS[name])
            varied = replace(varied, settings={**varied.settings, **self.settings})
            for result in (varied.ceiling(), varied.path("(c)")):
                results.append(replace(result, name=f"{name} {result.name}"))
        return results

    def cluster(self) -> Result:
        """(c) on a Master and two Workers of one core each."""
        with servers.spark_cluster(workers=2, cores=1) as cluster:
            keys = {"ACCESS_KEY": "test", "SECRET_KEY": "test"}  # the standard variables stay in the driver
            spark = {"SPARK_MASTER": cluster.url, "SPARK_ALLOW_PLAINTEXT": "true", "NUM_CORES": "1"}
            return replace(self, settings={**self.settings, **keys, **spark}).path("cluster")

    def many_shards(self, shards: int = 1_000, moving: int = 200, batches: int = 40) -> Result:
        """The driver's own part of a batch."""
        workload = replace(self._workload(shards), shards=shards)
        found = many_shards.run(self.aws, workload, moving, batches, self.watch)
        ms = [1000 * seconds for seconds in found.seconds]
        each = {**percentiles(ms), "worst": max(ms)}
        figure = f"p50 {each['p50']:.0f} ms, p95 {each['p95']:.0f} ms, worst {each['worst']:.0f} ms a batch"
        facts: dict[str, object] = {"ms a batch": each, "seconds until leases are taken": found.acquired}
        what = f"the driver's own work, {shards:,} shards, {moving} moving"
        return Result("driver", what, figure, found.use, batches, facts=facts)

    def _workload(self, count: int) -> Workload:
        began = int(time.time() * 1000) - count
        return Workload(
            count,
            began,
            self.shards,
            self.accounts,
            odd=self.odd,
            scenario=self.scenario,
            aggregate=self.aggregate,
            limits=self.limits,
        )

    def _bank(self, workload: Workload, name: str) -> AbstractContextManager[Schema]:
        if self.rows:
            return older_bank(self.server, workload, self.rows, self.tell)
        return bank(self.server, workload, name)

    def old(self) -> Result:
        """(a)"""
        workload = self._workload(min(OLD_MESSAGES, self.messages))
        with bank(self.server, workload, "old") as schema:
            start = time.monotonic()
            rate = old_way.run(schema, workload)
            use = self.watch.use(start, time.monotonic())
        what = "the old way: connection, statements, commit per message"
        return Result("(a)", what, f"{rate:,.0f}/s", use, workload.count, rate)

    def ceiling(self) -> Result:
        """(b)"""
        tries = [self._ceiling(writers) for writers in (2, 4)]
        best = max(tries, key=lambda result: result.rate or 0)
        rates = {str(result.facts["writers"]): result.rate for result in tries}
        return replace(best, facts={**best.facts, "rates by writers": rates})

    def _ceiling(self, writers: int) -> Result:
        workload = self._workload(self.messages)
        with self._bank(workload, f"ceiling{writers}") as schema:
            written = ceiling.run(schema, workload, writers, self.watch)
        rate = workload.count / written.seconds
        what = f"the bare ceiling: {writers} plain writers"
        facts: dict[str, object] = {"writers": writers, "chunks tried again": written.again}
        return Result("(b)", what, f"{rate:,.0f}/s", written.use, workload.count, rate, facts)

    def applying(self) -> list[Result]:
        """The second stage of (c) alone, by one lane and by as many as the job has."""
        lanes = int({**TUNED, **self.settings}["PARTITIONS"])
        return [self._applying(number) for number in sorted({1, lanes})]

    def _applying(self, lanes: int) -> Result:
        workload = self._workload(self.messages)
        with self._bank(workload, f"applying{lanes}") as schema:
            chunk_size = int(self.settings.get("CHUNK_SIZE", CHUNK_SIZE))
            applied = applying.run(schema, workload, lanes, chunk_size, self.watch)
        rate = applied.messages / applied.seconds
        spans = {name: round(spent / applied.messages * 1e6, 2) for name, spent in sorted(applied.spans.items())}
        limit = applied.messages / applied.spans[applying.LOCKED]
        facts: dict[str, object] = {"µs a message": spans, "limit by locks": limit}
        what = f"applying alone, {lanes} lane{'s' * (lanes > 1)}; locks allow {limit:,.0f}/s"
        return Result(f"apply {lanes}", what, f"{rate:,.0f}/s", applied.use, workload.count, rate, facts)

    def stages(self) -> list[Result]:
        """Processor time of a worker by stage, with mixed messages and with quotes alone."""
        return [replace(self, scenario=scenario)._stages() for scenario in ("mixed", "stock")]

    def _stages(self) -> Result:
        workload = self._workload(self.messages)
        start = time.monotonic()
        with self._bank(workload, "stages") as schema:
            spent = stages.run(schema, workload, int(self.settings.get("CHUNK_SIZE", CHUNK_SIZE)))
            use = self.watch.use(start, time.monotonic())
        each = {stage: seconds / workload.count * 1e6 for stage, seconds in spent.items()}
        what = f"a worker's stages one after the other, {self.scenario} messages"
        figure = f"{sum(each.values()):.1f} µs a message"
        return Result(f"stages {self.scenario}", what, figure, use, workload.count, facts={"stages": each})

    def path(self, name: str, factor: int = 1) -> Result:
        """(c), over `factor` times as many messages."""
        workload = self._workload(self.messages * factor)
        with self._bank(workload, f"path{factor}") as schema:
            passed = whole_path.run(schema, self.aws, workload, {**TUNED, **self.settings}, self.watch)
        return _passed(name, f"the whole path, {workload.count:,} messages", passed)

    def emulator(self) -> Result:
        """(c) on an emulator, which takes what it gives from the same processors: its share is in the figures."""
        workload = self._workload(min(EMULATED, self.messages))
        with bank(self.server, workload, "emulator") as schema:
            passed = whole_path.run_on_emulator(schema, self.aws, workload, {**TUNED, **self.settings}, self.watch)
        share = passed.use.used.get("emulator", 0.0) / sum(passed.use.used.values())
        what = f"the whole path on kinesis-local, {workload.count:,} messages; it takes {share:.0%} of the CPU"
        return _passed("emulator", what, passed, {"share of the emulator": share})

    def latency(self, rate: int, seconds: int) -> Result:
        """(d)"""
        settings = {**PROMPT, **self.settings}
        workload = replace(self._workload(rate * (latency.WARM_UP + seconds)), rate=rate)
        with bank(self.server, workload, "latency") as schema:
            found = latency.run(schema, self.aws, workload, settings, self.watch)
        facts: dict[str, object] = {
            "rate": rate,
            "batch length": float(settings["BATCH_LENGTH"]),
            "until the locks": percentiles(found.taken),
            "until seen": percentiles(found.seen),
            "calls of the stream": found.calls,
        }
        p50, p95, p99 = percentiles(found.taken).values()
        figure = f"p50 {p50:.2f} s, p95 {p95:.2f} s, p99 {p99:.2f} s; seen {percentiles(found.seen)['p99']:.2f} s later"
        what = f"latency at {rate:,} messages/s, BATCH_LENGTH={settings['BATCH_LENGTH']}"
        return Result(f"(d) {rate:,}/s", what, figure, found.use, rate * seconds, facts=facts)


def _passed(name: str, what: str, passed: whole_path.Passed, more: Mapping[str, object] = {}) -> Result:
    rate = passed.messages / passed.seconds
    facts = {
        "seconds": passed.seconds,
        "seconds from start to first commit": passed.first_commit,
        "seconds from start to the end of the first batch": passed.first_batch,
        "batches": passed.batches,
        "outcomes": dict(passed.outcomes),
        "seconds by stage": dict(passed.stages),
        "peak MiB": {kind: max(sizes) for kind, sizes in passed.resident.items()},
        "growth MiB": {kind: growth(sizes) for kind, sizes in passed.resident.items()},
        "calls of the stream": passed.calls,
        **more,
    }
    return Result(name, what, f"{rate:,.0f}/s", passed.use, passed.messages, rate, facts)


def growth(sizes: list[float]) -> float:
    """How much larger the last third is than the second, by their medians."""
    third = len(sizes) // 3
    return statistics.median(sizes[-third:]) - statistics.median(sizes[third:-third]) if third else 0.0


def percentiles(seconds: list[float]) -> dict[str, float]:
    """The 50th, 95th and 99th."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}
