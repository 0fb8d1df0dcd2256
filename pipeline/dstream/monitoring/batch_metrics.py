"""What batches came to, as counters and histograms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pipeline.applying.applied import LETTER
from pipeline.applying.culprits import UNFORESEEN
from pipeline.applying.reading import UNFORESEEN_READING
from pipeline.messages.batch import Batch
from pipeline.messages.records import Report
from pipeline.observability.instruments import Instruments
from pipeline.runtime.errors import PipelineError

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
MESSAGES: Final = (1, 5, 10, 50, 100, 250, 500, 1000, 2500, 5000)
FATES: Final = ("Transient", "TaskDied", "Halted", "LeaseLost", "Trimmed", "Fatal")
"""Of a failure: the classes in pipeline/runtime/errors.py, and TaskDied of the driver."""
CAUSES: Final = ("deadlock", "lock_wait", "other")


class BatchMetrics:
    """Begins at 0 with the process, also on a standby."""

    def __init__(self, make: Instruments) -> None:
        self.messages = make.counter(
            "messages",
            "Messages by what became of them: a status, skipped, duplicate (has a row), letter:<reason>. Counted "
            "when their batch goes through; what a batch that did not had committed shows as duplicate on the next try",
            "type",
            "outcome",
        )
        self.id_conflicts = make.counter(
            "id_conflicts",
            "Duplicates by the producer's own id whose message would make another row than the one that is there (PIN "
            "and CVCs are not kept, so not compared): the producer has used an id twice. Counted again if read again",
            "type",
        )
        self.batches = make.counter("batches", "Batches that went through and moved something")
        self.stage = make.histogram(
            "stage_seconds",
            "Seconds of a batch by stage: plan, run (read, shuffle, apply, letters, on the executors), commit; of the "
            "run, apply (transactions) and letters, each of the slowest partition",
            SECONDS,
            "stage",
        )
        self.chunk = make.histogram("chunk_messages", "Messages of one database transaction", MESSAGES)
        self.retries = make.counter(
            "retries",
            "Transactions rolled back, and tried again then or by the next batch, by cause: deadlock (error 1213), "
            "lock_wait (1205), other (connection lost, read-only, …)",
            "cause",
        )
        self.failures = make.counter(
            "failures",
            "Batches, and shards of a batch, that did not go through, by fate as in pipeline/runtime/errors.py",
            "fate",
        )
        self.connections = make.gauge(
            "connections",
            "Connections to the database: used at one time by the last batch, all partitions together, and allowed "
            "(PARTITIONS × MAX_THREADS)",
            "state",
        )
        for fate in FATES:
            self.failures.labels(fate)
        for cause in CAUSES:
            self.retries.labels(cause)

    def expect(self, types: Iterable[str]) -> None:
        """Messages of these types may come. What an alarm watches begins at 0: a first time would not be a rise."""
        for type_ in types:
            self.id_conflicts.labels(type_)
            for reason in (UNFORESEEN, UNFORESEEN_READING):
                self.messages.labels(type_, f"{LETTER}{reason}")

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

    def failed(self, error: PipelineError) -> None:
        """A batch, a shard of one, or a look at the leases did not go through."""
        fate = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in (*FATES, "PipelineError"))
        self.failures.labels(fate).inc()
