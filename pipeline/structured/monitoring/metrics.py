"""What a service of the analytics tells Prometheus, beside what every service does (`observability/instruments.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pipeline.observability.instruments import Instruments
from pipeline.runtime.waiting import Waits
from pipeline.structured.batch import RunningBatch
from pipeline.structured.monitoring.status import Lag

SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
FATES: Final = ("Transient", "TaskDied", "Halted", "Fatal")


class Metrics:
    """`service`: its name, with which theirs begin. `waits`: what is waited for. `clock`: seconds since the epoch."""

    def __init__(self, service: str, waits: Waits, clock: Callable[[], float]) -> None:
        make = self.instruments = Instruments(service, waits, clock)
        self.registry = make.registry
        self.batches = make.counter("batches", "Batches that are in effect", "flow")
        self.seconds = make.histogram(
            "batch_seconds", "Seconds from a batch's begin until it is in effect", SECONDS, "flow"
        )
        self.records = make.counter(
            "records",
            "What became of records, as the flow counts it, and rows written by topic; counted when their batch is in "
            "effect",
            "flow",
            "outcome",
        )
        self.letters = make.counter("letters", "Letters written, by reason", "reason")
        self.repeated = make.counter(
            "repeated", "Rows and letters that were out already, since a batch had come before: dropped", "flow"
        )
        self.failures = make.counter(
            "failures",
            "Batches, and queries, that did not go through and were tried again, by fate as in "
            "pipeline/runtime/errors.py",
            "flow",
            "fate",
        )
        self.late = make.counter(
            "late_window_rows",
            "Rows that came too late for a window, counted once for each window that they were too late for; a row may "
            "still count in a window that is open",
            "flow",
        )
        self.state_rows = make.gauge(
            "state_rows", "Rows that are kept for later batches of a flow with a state", "flow"
        )
        self.lag_records = make.gauge(
            "lag_records", "Offsets of a partition that are not in effect yet", "topic", "partition"
        )
        self.lag_seconds = make.gauge(
            "lag_seconds",
            "Age of the oldest record of a partition that is not in effect yet; 0: all are. Absent where it could not "
            "be looked up",
            "topic",
            "partition",
        )

    def expect(self, flows: Iterable[str]) -> None:
        """Flows that there are: what alarms look at begins at 0."""
        for flow in flows:
            self.batches.labels(flow)
            self.late.labels(flow)
            for fate in FATES:
                self.failures.labels(flow, fate)

    def tell_batch(self, flow: str, batch: RunningBatch, seconds: float) -> None:
        """A batch is in effect."""
        self.batches.labels(flow).inc()
        self.seconds.labels(flow).observe(seconds)
        for outcome, number in batch.counts.items():
            self.records.labels(flow, outcome).inc(number)
        for reason, number in batch.reasons.items():
            self.letters.labels(reason).inc(number)
        self.repeated.labels(flow).inc(batch.repeated)
        if batch.kept is not None:
            self.state_rows.labels(flow).set(batch.kept)

    def tell_state(self, flow: str, operators: Sequence[Mapping[str, Any]]) -> int:
        """What Spark says of the operators that keep a state, after a batch; how many rows came too late."""
        late = sum(int(operator["numRowsDroppedByWatermark"]) for operator in operators)
        self.late.labels(flow).inc(late)
        if operators:
            self.state_rows.labels(flow).set(sum(int(operator["numRowsTotal"]) for operator in operators))
        return late

    def tell_lag(self, lag: Iterable[Lag]) -> None:
        """As it was looked up; what is not among it is forgotten."""
        self.lag_records.clear()
        self.lag_seconds.clear()
        for one in lag:
            self.lag_records.labels(one.topic, str(one.partition)).set(one.records)
            if one.seconds is not None:
                self.lag_seconds.labels(one.topic, str(one.partition)).set(one.seconds)
