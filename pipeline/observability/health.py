"""What the driver does, as it tells from moment to moment, and what an orchestrator should make of that.

| asked      | 200                                                          | 503                               |
|------------|--------------------------------------------------------------|-----------------------------------|
| `/healthz` | the loop turns, also while it waits or stands by             | it stands: start the process anew |
| `/readyz`  | it applied something, or was caught up, lately; it stands by | it starts, or waits for something |

A standby is ready: nobody sends it requests, and a deployment that waited for it to lead would wait for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pipeline.messages.batch import Batch
from pipeline.observability.history import History
from pipeline.observability.metrics import FATES, Metrics, counted
from pipeline.observability.status import Probe, ShardAges, Status, Waiting
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.waiting import Waits, iso

INTERVALS: Final = 10
"""Intervals of the stream without a turn, or without progress, after which the answer changes."""
LEAST_TURN: Final = 120.0
"""Seconds that a turn may take however short the intervals are: calls to AWS are tried again for 30."""
LEAST_PROGRESS: Final = 30.0
LONGEST_BATCH: Final = 900.0
"""Seconds that a batch in flight may last: one at its caps (MAX_RECORDS_PER_SHARD) on a slow database takes minutes."""
LONGEST_START: Final = 300.0
"""Seconds until it leads or stands by, and from the end of the last batch to the end of the process."""


class Verdict(NamedTuple):
    """An answer to a probe, with the reason for it in one line."""

    ok: bool
    why: str


class Health:
    """`batch_length`: seconds of an interval. `clock`: seconds since the epoch. Methods may be called by any thread."""

    def __init__(
        self, batch_length: float, metrics: Metrics | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.metrics = metrics or Metrics(clock)
        self.complaints = Waits(clock)
        self.metrics.waits = lambda: {what: wait.since for what, wait in self.complaints.waits().items()}
        self._clock = clock
        self._batch_length = batch_length
        self._longest_turn = max(INTERVALS * batch_length, LEAST_TURN)
        self._longest_rest = max(INTERVALS * batch_length, LEAST_PROGRESS)
        self._state = "starting"
        self._since = self._turned = self._progressed = clock()
        self._batch_began: float | None = None
        self._history = History(clock)

    # --- what the driver tells

    def stands_by(self) -> None:
        """It waits for the leases."""
        self._become("standing by")
        self.metrics.leading.set(0)
        self.metrics.forget()

    def leads(self) -> None:
        """It has the leases. Progress is owed from now on."""
        self._become("leading")
        self.metrics.leading.set(1)

    def stops(self) -> None:
        """It has given the leases back and ends."""
        self._become("stopping")
        self.metrics.leading.set(0)
        self.metrics.forget()

    def turned(self) -> None:
        """The loop has come round: a tick, or a standby's look at the leases."""
        self._turned = self._clock()

    def batch_begins(self) -> None:
        self._batch_began = self._clock()

    def batch_ends(self) -> None:
        self._batch_began = None
        self.turned()

    def went_through(self, batch: Batch, seconds: Mapping[str, float]) -> None:
        """A batch was applied and committed. One without records is progress where all shards are at their tips."""
        self.metrics.tell_batch(batch, seconds)
        self._history.add(batch.outcomes)
        if batch.moved or (batch.progress and all(reached.at_tip for reached in batch.progress.values())):
            self._progressed = self._clock()

    def tells(self, batch: Mapping[str, object]) -> None:
        """What the log says of a batch."""
        self._history.tell({"ended": iso(self._clock()), **batch})

    def failed(self, error: PipelineError) -> None:
        """A batch, a shard of one, or a look at the leases did not go through."""
        fate = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in (*FATES, "PipelineError"))
        self.metrics.failures.labels(fate).inc()

    # --- what others ask

    def alive(self) -> Verdict:
        """Whether the loop turns."""
        now = self._clock()
        if self._state in ("starting", "stopping"):
            return self._within(now - self._since, LONGEST_START, self._state)
        if (began := self._batch_began) is not None:
            longest = LONGEST_BATCH + self._batch_length  # batches follow each other for so long, and the last one ends
            return self._within(now - began, longest, f"{self._state}, a batch is in flight")
        return self._within(now - self._turned, self._longest_turn, f"{self._state}, since the last turn")

    def ready(self) -> Verdict:
        """Whether it does what it is there for."""
        if self._state == "standing by":
            return Verdict(True, "standing by")
        if self._state != "leading":
            return Verdict(False, self._state)
        idle = self._clock() - self._progressed
        verdict = self._within(idle, self._longest_rest, "leading, since the last progress")
        return verdict if verdict.ok else Verdict(False, f"{verdict.why}; {self._waiting()}")

    def now(self) -> str:
        """ISO 8601, UTC."""
        return iso(self._clock())

    def status(self) -> Status:
        """Everything at a glance, for people and scripts."""
        now, metrics = self._clock(), self.metrics
        waits = self.complaints.waits().items()
        return Status(
            state=self._state,
            since=iso(self._since),
            healthy=Probe(*self.alive()),
            ready=Probe(*self.ready()),
            waiting=[Waiting(what, iso(wait.since), wait.reason) for what, wait in waits],
            stopped=dict(metrics.stopped()),
            shards={
                shard: ShardAges(_age(now, moments.applied), _age(now, moments.durable))
                for shard, moments in sorted(metrics.shards().items())
            },
            retention_seconds=metrics.retention(),
            per_minute=self._history.per_minute(),
            outcomes=self._history.outcomes(),
            letters=counted(metrics.letters),
            oldest_letter_seconds=_age(now, None if metrics.oldest_letter is None else metrics.oldest_letter * 1000),
            mails=counted(metrics.mails),
            audit_findings=None if metrics.audit is None else metrics.audit.findings,
            batches=self._history.batches(),
        )

    def _become(self, state: str) -> None:
        if self._state != state:
            self._state, self._since = state, self._clock()
        self._turned = self._progressed = self._clock()

    def _within(self, age: float, limit: float, what: str) -> Verdict:
        return Verdict(age <= limit, f"{what}: {age:.0f} s, at most {limit:.0f}")

    def _waiting(self) -> str:
        waits = self.complaints.waits().items()
        said = [f"waiting for {what} since {iso(wait.since)}: {wait.reason}" for what, wait in waits]
        return "; ".join(said) or "waiting for nothing that it knows of"


def _age(now: float, moment_ms: float | None) -> float | None:
    return None if moment_ms is None else round(max(0.0, now - moment_ms / 1000), 1)
