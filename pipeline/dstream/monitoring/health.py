"""What a stream's driver does, as it tells from moment to moment, and how others see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry

from pipeline.dstream.monitoring.metrics import Metrics
from pipeline.dstream.monitoring.page import page
from pipeline.dstream.monitoring.status import ShardAges, Status
from pipeline.messages.batch import Batch
from pipeline.observability.history import History
from pipeline.observability.instruments import counted
from pipeline.observability.liveness import STANDING_BY, STOPPING, Liveness
from pipeline.runtime.waiting import iso

LEADING: Final = "leading"


class Health(Liveness):
    """`service`: its name, which its page and its metrics bear. `batch_length`: seconds of an interval.

    `clock`: seconds since the epoch. Methods may be called by any thread.
    """

    def __init__(self, service: str, batch_length: float, clock: Callable[[], float] = time.time) -> None:
        super().__init__(batch_length, LEADING, clock)
        self.metrics = Metrics(service, self.waits, clock)
        self._service = service
        self._history = History(clock)

    def stands_by(self) -> None:
        """It waits for the leases."""
        self.becomes(STANDING_BY)
        self._leads_no_more()

    def leads(self) -> None:
        """It has the leases."""
        self.becomes(LEADING)
        self.metrics.leading.set(1)

    def stops(self) -> None:
        """It has given the leases back and ends."""
        self.becomes(STOPPING)
        self._leads_no_more()

    def went_through(self, batch: Batch, seconds: Mapping[str, float]) -> None:
        """A batch was applied and committed. One without records is progress where all shards are at their tips."""
        self.metrics.batch.tell_batch(batch, seconds)
        self._history.add(batch.outcomes)
        if batch.moved or (batch.progress and all(reached.at_tip for reached in batch.progress.values())):
            self.progressed()

    def tells(self, batch: Mapping[str, object]) -> None:
        """What the log says of a batch."""
        self._history.tell({"ended": self.now(), **batch})

    @property
    def registry(self) -> CollectorRegistry:
        """All metrics."""
        return self.metrics.registry

    def status(self) -> Status:
        """Everything at a glance, for people and scripts."""
        now, metrics, polled = self._clock(), self.metrics, self.metrics.polled
        return Status(
            state=self._state,
            since=iso(self._since),
            healthy=self.alive(),
            ready=self.ready(),
            waiting=self.waiting(),
            stopped=dict(metrics.stopped()),
            shards={
                shard: ShardAges(_age(now, moments.applied), _age(now, moments.durable))
                for shard, moments in sorted(metrics.shards().items())
            },
            retention_seconds=metrics.retention(),
            per_minute=self._history.per_minute(),
            outcomes=self._history.outcomes(),
            letters=counted(polled.letters),
            oldest_letter_seconds=_age(now, None if polled.oldest_letter is None else polled.oldest_letter * 1000),
            mails=counted(polled.mails),
            audit_findings=None if polled.audit is None else polled.audit.findings,
            batches=self._history.batches(),
        )

    def page(self) -> bytes:
        """The status as a page, in UTF-8."""
        return page(self._service, self.status(), self.now())

    def _leads_no_more(self) -> None:
        self.metrics.leading.set(0)
        self.metrics.forget()


def _age(now: float, moment_ms: float | None) -> float | None:
    return None if moment_ms is None else round(max(0.0, now - moment_ms / 1000), 1)
