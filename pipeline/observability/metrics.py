"""What the service tells Prometheus: every name, unit and meaning, in a registry of its own.

Counters begin at 0 with the process, those that alarms look at with all their labels: Prometheus takes what it sees
first of a series for where it began, and would not see an event that its series came with. Gauges that only the driver
that leads can know are absent on a standby, and so is what could not be looked up: an alarm on such a gauge asks for
its absence too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.messages.batch import Batch
from pipeline.messages.records import Report, ShardTimes
from pipeline.runtime.background import unforeseen

PREFIX: Final = "bank_stream"
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
FATES: Final = ("Transient", "TaskDied", "Halted", "LeaseLost", "Trimmed", "Fatal")
"""Of a failure: the classes in pipeline/runtime/errors.py, and TaskDied of the driver."""
CAUSES: Final = ("deadlock", "lock_wait", "other")
MESSAGES: Final = (1, 5, 10, 50, 100, 250, 500, 1000, 2500, 5000)


class Audited(NamedTuple):
    """The last audit: what did not hold, and when it ended, in seconds since the epoch."""

    findings: int
    ended: float


class Metrics:
    """All metrics of this process.

    `shards`: the moments of every shard held now. `stopped`: the shards that are not read on → why. `retention`: how
    long the stream keeps a record, in seconds; None where not known. `waits`: what is waited for → since when, in
    seconds since the epoch. All of them are called by the thread that collects. `clock`: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self.shards: Callable[[], Mapping[str, ShardTimes]] = dict
        self.stopped: Callable[[], Mapping[str, str]] = dict
        self.retention: Callable[[], float | None] = lambda: None
        self.waits: Callable[[], Mapping[str, float]] = dict
        self.oldest_letter: float | None = None
        """When the oldest dead letter's record arrived, in seconds since the epoch."""
        self.audit: Audited | None = None
        gauge, counter, histogram = self._gauge, self._counter, self._histogram
        self.up_since = gauge("start_time_seconds", "When this process began, in seconds since the epoch")
        self.up_since.set(clock())
        self.leading = gauge("leading", "1: this process holds the leases and works; 0: it stands by")
        self.messages = counter(
            "messages",
            "Messages by what became of them: a status, skipped, duplicate (has a row), letter:<reason>. Counted "
            "when their batch goes through; what a batch that did not had committed shows as duplicate on the next try",
            "type",
            "outcome",
        )
        self.id_conflicts = counter(
            "id_conflicts",
            "Duplicates by the producer's own id whose message would make another row than the one that is there (PIN "
            "and CVCs are not kept, so not compared): the producer has used an id twice. Counted again if read again",
            "type",
        )
        self.batches = counter("batches", "Batches that went through and moved something")
        self.stage = histogram(
            "stage_seconds",
            "Seconds of a batch by stage: plan, run (read, shuffle, apply, letters, on the executors), commit; of the "
            "run, apply (transactions) and letters, each of the slowest partition",
            SECONDS,
            "stage",
        )
        self.chunk = histogram("chunk_messages", "Messages of one database transaction", MESSAGES)
        self.retries = counter(
            "retries",
            "Transactions rolled back, and tried again then or by the next batch, by cause: deadlock (error 1213), "
            "lock_wait (1205), other (connection lost, read-only, …)",
            "cause",
        )
        self.failures = counter(
            "failures",
            "Batches, and shards of a batch, that did not go through, by fate as in pipeline/runtime/errors.py",
            "fate",
        )
        self.connections = gauge(
            "connections",
            "Connections to the database: used at one time by the last batch, all partitions together, and allowed "
            "(PARTITIONS × MAX_THREADS)",
            "state",
        )
        self.letters = gauge(
            "letters",
            "Dead letters in the failover table, looked up once a minute or more rarely. One whose message became a "
            "row later is counted until an operator settles it: looking each up would be too dear",
            "reason",
        )
        self.mails = gauge("mails", "Fraud mails not sent: waiting, or parked since they cannot be sent", "state")
        self.ids_left = gauge(
            "ids_left_ratio",
            "Share of a written table's AUTO_INCREMENT ids that is left: 1 none used, 0 exhausted",
            "table",
        )
        for fate in FATES:
            self.failures.labels(fate)
        for cause in CAUSES:
            self.retries.labels(cause)
        self.registry.register(_Asked(self, clock))

    def expect(self, types: Iterable[str]) -> None:
        """Messages of these types may come."""
        for type_ in types:
            self.id_conflicts.labels(type_)

    def tell_reports(self, reports: Sequence[Report]) -> None:
        """What the partitions had to do, also where one of them failed."""
        for report in reports:
            for cause, number in report.causes.items():
                self.retries.labels(cause).inc(number)
            for type_, number in report.conflicts.items():
                self.id_conflicts.labels(type_).inc(number)
            for size, number in report.chunks.items():
                for _ in range(number):
                    self.chunk.observe(size)
        self.connections.labels("used").set(sum(report.connections for report in reports))

    def tell_batch(self, batch: Batch, seconds: Mapping[str, float]) -> None:
        """A batch that went through."""
        for type_, counts in batch.outcomes.items():
            for outcome, number in counts.items():
                self.messages.labels(type_, outcome).inc(number)
        if batch.moved:
            self.batches.inc()
            for stage, spent in seconds.items():
                self.stage.labels(stage).observe(spent)

    def forget(self) -> None:
        """Drop what only the driver that leads knows."""
        for gauge in (self.letters, self.mails, self.ids_left):
            gauge.clear()
        self.oldest_letter = self.audit = None
        self.connections.labels("used").set(0)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, labels, buckets=buckets, registry=self.registry)


def counted(gauge: Gauge) -> dict[str, int]:
    """A gauge with one label: its label's values → numbers."""
    samples = [sample for family in gauge.collect() for sample in family.samples]
    return {next(iter(sample.labels.values())): int(sample.value) for sample in samples}


class _Asked(Collector):
    """Computed when asked for: ages, which grow while nothing happens, and what others keep."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics, self._clock = metrics, clock

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        now, shards = self._clock(), self._metrics.shards()
        applied = {shard: moments.applied / 1000 for shard, moments in shards.items() if moments.applied is not None}
        durable = {shard: moments.durable / 1000 for shard, moments in shards.items() if moments.durable is not None}
        oldest = self._metrics.oldest_letter
        yield _ages(
            "lag_seconds",
            "Everything that arrived in the shard so long ago is applied; grows while nothing is read. Absent until "
            "the first batch of a shard that no driver had read, and for shards read to their end",
            "shard",
            now,
            applied,
        )
        yield _ages(
            "checkpoint_age_seconds",
            "As lag_seconds, but applied and in the lease table: so much is read again if the process dies now",
            "shard",
            now,
            durable,
        )
        yield _ages(
            "waiting_seconds",
            "Seconds for which the driver has waited for this (the database, the stream, …); absent if it does not",
            "for",
            now,
            self._metrics.waits(),
        )
        yield _ages(
            "oldest_letter_age_seconds",
            "Seconds since the record of the oldest dead letter arrived, looked up with letters; past the stream's "
            "retention it can no longer be read again",
            None,
            now,
            {} if oldest is None else {"": oldest},
        )
        audit = self._metrics.audit
        yield _ages(
            "audit_age_seconds",
            "Seconds since the last `python -m pipeline audit` ended, looked up with letters; absent before the first",
            None,
            now,
            {} if audit is None else {"": audit.ended},
        )
        yield _plain(
            "audit_findings",
            "What did not hold in the last audit: messages without their outcome, rows, balances. 0: all holds",
            {} if audit is None else {"": audit.findings},
        )
        yield _plain(
            "shard_stopped",
            "1: this shard is not read on, since records of it were trimmed unread; an operator decides (accept-loss)",
            dict.fromkeys(self._metrics.stopped(), 1),
            "shard",
        )
        background = CounterMetricFamily(
            f"{PREFIX}_background_failures",
            "Errors that nobody foresaw in work that goes on beside the batches, and has gone on since, by that work",
            labels=["work"],
        )
        for work, number in unforeseen().items():
            background.add_metric([work], number)
        yield background
        retention = self._metrics.retention()
        yield _plain(
            "retention_seconds",
            "How long the stream keeps a record: a lag beyond it is a loss",
            {} if retention is None else {"": retention},
        )


def _ages(name: str, text: str, label: str | None, now: float, since: Mapping[str, float]) -> GaugeMetricFamily:
    return _plain(name, text, {value: max(0.0, now - moment) for value, moment in since.items()}, label)


def _plain(name: str, text: str, values: Mapping[str, float], label: str | None = None) -> GaugeMetricFamily:
    """`values`: of the label, or one of "" where there is none."""
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=[label] if label else [])
    for value, number in values.items():
        family.add_metric([value] if label else [], number)
    return family
