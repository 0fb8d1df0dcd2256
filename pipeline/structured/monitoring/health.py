"""What the flows of a service do, as they tell from moment to moment, and how others see it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry

from pipeline.observability.history import History
from pipeline.observability.instruments import Instruments
from pipeline.observability.liveness import STOPPING, Liveness
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.waiting import iso
from pipeline.structured.batch import RunningBatch
from pipeline.structured.monitoring.metrics import FATES, Metrics
from pipeline.structured.monitoring.page import page
from pipeline.structured.monitoring.status import Lag, Status

RUNNING: Final = "running"

log = structlog.get_logger()


class Health(Liveness):
    """A `Watcher` of queries. The loop turns while batches begin and end, are waited with, or nothing is there to read.

    `service`: its name, which its page and its metrics bear. `batch_length`: seconds of an interval. `clock`: seconds
    since the epoch. Methods may be called by any thread.
    """

    def __init__(
        self, service: str, flows: Iterable[str], batch_length: float, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(batch_length, RUNNING, clock)
        self.metrics = Metrics(service, self.waits, clock)
        self.metrics.expect(flows)
        self._service = service
        self._history = History(clock)
        self._begun: dict[str, float] = {}
        self._lag: list[Lag] = []
        self._letters: Counter[str] = Counter()
        self._late: Counter[str] = Counter()
        self._state_rows: dict[str, int] = {}
        self._alarms: dict[str, str] = {}

    # --- what queries tell

    def began(self, flow: str) -> None:
        """Its query runs."""
        self.becomes(RUNNING)
        log.info("running", flow=flow)

    def batch_began(self, flow: str) -> None:
        """A batch, or another try of one, is in flight."""
        self._begun[flow] = self._clock()
        self.batch_begins()

    def batch_ended(self, flow: str, batch: RunningBatch) -> None:
        """All that comes of a batch is in effect."""
        seconds = self._ended(flow)
        self.progressed()
        self.waits.settle()
        self.metrics.tell_batch(flow, batch, seconds)
        if batch.kept is not None:
            self._state_rows[flow] = batch.kept
        self._letters.update(batch.reasons)
        letters = {f"letter:{reason}": number for reason, number in batch.reasons.items()}
        self._history.add({flow: {**batch.counts, **letters}})
        told = {"flow": flow, "number": batch.number, "seconds": round(seconds, 3), "counts": dict(batch.counts)}
        told |= {"letters": dict(batch.reasons), "repeated": batch.repeated}
        if batch.counts or batch.reasons or batch.repeated:
            self._history.tell({"ended": self.now(), **told})
            log.info("batch", **told)

    def failed(self, flow: str, error: PipelineError) -> None:
        """A batch, or its query, did not go through, and is tried again."""
        self._ended(flow)
        fate = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in FATES), "Transient")
        self.metrics.failures.labels(flow, fate).inc()
        self.waits.say(str(error), error.waits_for or type(error).__name__, flow=flow)

    def progress(self, flow: str, progress: Mapping[str, Any]) -> None:
        """What Spark says of the batch that has ended."""
        operators = progress["stateOperators"]
        self._late[flow] += self.metrics.tell_state(flow, operators)
        if operators:
            self._state_rows[flow] = sum(int(operator["numRowsTotal"]) for operator in operators)

    def lags(self, lag: Iterable[Lag]) -> None:
        """How far the flows are behind, as looked up now, the worst first."""
        self._lag = list(lag)
        self.metrics.tell_lag(self._lag)
        if self._state == RUNNING and not any(one.records for one in self._lag):
            self.turned()
            self.progressed()

    # --- what the service tells itself (`Service.watch`)

    @property
    def instruments(self) -> Instruments:
        """Makes metrics of the service's own."""
        return self.metrics.instruments

    def alarm(self, alarms: Mapping[str, str]) -> None:
        """What somebody has to look at, and why: all of it."""
        for what, why in alarms.items():
            if self._alarms.get(what) != why:
                log.warning("look at this", what=what, why=why)
        self._alarms = dict(alarms)

    def stops(self) -> None:
        """It ends."""
        self.becomes(STOPPING)

    # --- what others ask

    @property
    def registry(self) -> CollectorRegistry:
        """All metrics."""
        return self.metrics.registry

    def status(self) -> Status:
        """Everything at a glance, for people and scripts."""
        return Status(
            state=self._state,
            since=iso(self._since),
            healthy=self.alive(),
            ready=self.ready(),
            waiting=self.waiting(),
            lag=self._lag,
            per_minute=self._history.per_minute(),
            outcomes=self._history.outcomes(),
            letters=dict(self._letters.most_common()),
            late=dict(self._late),
            state_rows=dict(self._state_rows),
            alarms=dict(self._alarms),
            batches=self._history.batches(),
        )

    def page(self) -> bytes:
        """The status as a page, in UTF-8."""
        return page(self._service, self.status(), self.now())

    def _ended(self, flow: str) -> float:
        """How long the batch in flight was, in seconds."""
        began = self._begun.pop(flow, self._clock())
        self.batch_ends()
        return self._clock() - began
