"""The driver's loop, without Spark: plan, run, commit; by fate, go on, wait, stand by or end.

Two threads share one `Driver`. `lead` holds the leases, or stands by for them, which may take days. `tick` is called by
the stream once per interval and does the work while the leases are held. They take turns at the source.

| raised                | what becomes of the batch and of the driver                                      |
|-----------------------|----------------------------------------------------------------------------------|
| `Transient`, `Halted` | nothing is committed, the next tick reads the same; a line a minute              |
| `TaskDied`            | the same; `MOST_DEATHS` in a row without a batch that went well are `Fatal`      |
| `LeaseLost`           | dropped without a checkpoint; stand by                                           |
| `Fatal`               | `lead` raises it                                                                 |
| anything else         | leaves the tick, which ends the stream; then the leases are given back           |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

import structlog

from pipeline.dstream.batch_log import BatchLog
from pipeline.dstream.monitoring.health import Health
from pipeline.dstream.source import Source
from pipeline.messages.batch import Batch, error_of, gathered
from pipeline.messages.records import END, Range, Report
from pipeline.runtime.errors import Fatal, Halted, LeaseLost, PipelineError, TaskDied, Transient, Trimmed

MOST_DEATHS = 10
HEED = 0.2
"""Seconds within which the leading thread heeds a lost lease."""
STREAM, LEASES = "the stream", "the lease table"
PAUSE = 1.0
"""Seconds until the leases are asked for again where that failed."""

log = structlog.get_logger()


class Helper(Protocol):
    """Work in the background that only the holder of the leases may do."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Driver:
    """`run`: reads and applies ranges, one report per partition; raises `TaskDied`.

    `batch_length`: seconds from tick to tick, and how long a tick goes on while the stream is ahead.
    `until_caught_up`: stop by itself as soon as the source says so. `clock`: seconds since the epoch, as the ticks'.
    `health` is told everything.
    """

    def __init__(
        self,
        source: Source,
        run: Callable[[Sequence[Range]], list[Report]],
        *,
        partitions: int,
        batch_length: float,
        health: Health,
        helpers: Sequence[Helper] = (),
        until_caught_up: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source, self._run, self._partitions = source, run, partitions
        self._batch_length, self._clock = batch_length, clock
        self._helpers, self._until_caught_up = helpers, until_caught_up
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._leading = threading.Event()
        self._broken = False
        self._fatal: Fatal | None = None
        self._health = health
        self._waits = health.waits
        self._metrics = health.metrics.batch
        self._log = BatchLog(health.tells, clock)
        self._deaths = 0

    def stop(self) -> None:
        """Plan no more; the batch in flight ends as usual. Idempotent."""
        self._stopping.set()

    def lead(self) -> None:
        """Hold the leases, or stand by for them, until `stop`; after the batch in flight, give them back.

        Raises `Fatal`.
        """
        try:
            while not self._stopping.is_set():
                if self._acquired():
                    self._hold()
        finally:
            self.stop()
            self._source.release()
            self._health.stops()

    def _acquired(self) -> bool:
        self._health.stands_by()
        try:
            return self._source.acquire(self._stopping)
        except (Transient, Halted, LeaseLost) as error:
            self._metrics.failed(error)
            self._waits.say(str(error), error.waits_for or LEASES)
            self._stopping.wait(PAUSE)
            return False

    def _hold(self) -> None:
        self._waits.settle()
        self._health.leads()
        log.info("leading")
        with _running(self._helpers):
            self._leading.set()
            while self._leading.is_set() and not self._stopping.wait(HEED):
                pass
            with self._turn:
                self._leading.clear()
        if self._fatal:
            raise self._fatal

    def tick(self, batch_time: float) -> None:
        """One tick of the stream, `batch_time` in seconds since the epoch.

        One behind which the next is waiting already is dropped, so that ticks do not pile up behind a slow batch.
        """
        if self._clock() >= batch_time + self._batch_length:
            return
        with self._turn:
            if self._leading.is_set() and not self._broken:
                self._broken = True  # until the work has ended in a way that is known
                self._health.batch_begins()
                self._work(self._clock() + self._batch_length)
                self._health.batch_ends()
                self._broken = False

    def _work(self, until: float) -> None:
        """Batches, while the stream is ahead and time and leases last."""
        while not self._stopping.is_set():
            try:
                behind = self._batch()
            except (Transient, Halted) as error:
                self._metrics.failed(error)
                self._wait(error)
                return
            except LeaseLost as error:
                self._metrics.failed(error)
                log.warning("standing by", reason=str(error))
                self._leading.clear()
                return
            except Fatal as error:
                self._fail(error)
                return
            if self._until_caught_up and self._source.caught_up_since_start():
                log.info("caught up")
                self.stop()
            if not behind or self._clock() >= until:
                return

    def _batch(self) -> bool:
        """One batch, from plan to commit; whether the stream has more right now."""
        began = time.perf_counter()
        ranges = self._source.plan()
        planned = time.perf_counter()
        batch = self._ran(ranges) if ranges else Batch({}, {}, {}, {}, 0)
        ran = time.perf_counter()
        self._source.commit(batch.progress)
        seconds = {"plan": planned - began, "run": ran - planned, "commit": time.perf_counter() - ran}
        self._deaths = 0
        self._waits.settle([STREAM] if batch.unread else [])
        self._health.went_through(batch, {**batch.seconds, **seconds})
        self._log.tell(batch, {**batch.seconds, **seconds})
        self._leave_unread(batch)
        return bool(batch.deferred) or any(
            not reached.at_tip or reached.through == END for reached in batch.progress.values()
        )

    def _ran(self, ranges: Sequence[Range]) -> Batch:
        reports = self._run(ranges)
        self._metrics.tell_reports(reports)
        return gathered(ranges, reports, self._partitions)

    def _leave_unread(self, batch: Batch) -> None:
        """Shards whose range could not be read stay where they are; the others have gone on."""
        for shard, (fate, why) in batch.unread.items():
            if fate == "Trimmed":
                self._metrics.failed(Trimmed(why))
                self._source.stop_shard(shard, why)
                continue
            error = error_of(fate, why)
            if isinstance(error, Fatal | LeaseLost):
                raise error
            self._metrics.failed(error)
            self._waits.say(why, STREAM, shard=shard, shards=len(batch.unread))

    def _wait(self, error: PipelineError) -> None:
        self._waits.say(str(error), error.waits_for or type(error).__name__)
        if isinstance(error, TaskDied):
            self._deaths += 1
            if self._deaths >= MOST_DEATHS:
                self._fail(Fatal(f"{self._deaths} batches in a row have died: {error}"))

    def _fail(self, error: Fatal) -> None:
        self._metrics.failed(error)
        self._fatal = error
        self._leading.clear()


@contextmanager
def _running(helpers: Sequence[Helper]) -> Iterator[None]:
    with ExitStack() as started:
        for helper in helpers:
            helper.start()
            started.callback(helper.stop)
        yield
