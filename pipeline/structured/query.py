"""One flow as it runs: a streaming query, begun again where it died of something that passes.

Two threads meet here. The leading one begins the query, looks at it and stops it; Spark's own calls it with each batch.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import structlog
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from pipeline.kafka.places import Place
from pipeline.kafka.topics import Topics
from pipeline.runtime.errors import Fatal, Halted, PipelineError, TaskDied, Transient
from pipeline.runtime.redacted_errors import RedactedErrors
from pipeline.runtime.retries import backoff
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.spark.context import deaths_told
from pipeline.structured.batch import RunningBatch
from pipeline.structured.beginning import at, begin, found_losses, unaccepted
from pipeline.structured.checkpoint import Checkpoint, Planned
from pipeline.structured.outputs import Outputs
from pipeline.structured.service import Flow
from pipeline.structured.source import batch_again, records

MOST_DEATHS = 10
"""Batches or queries that may die in a row, without one that went well, while all that they need answers."""
LONGEST_PAUSE = 15.0
"""Seconds between two tries of a batch or a query."""
MARKS = 60.0
"""Seconds between two looks at whether marks are to be kept."""
COMMIT = 15.0
"""Seconds that Spark has to note the end of the last batch before it is stopped."""
SHARED = "concurrently using"
"""What Spark says of two processes with one checkpoint."""

log = structlog.get_logger()


class Watcher(Protocol):
    """Who is told what becomes of a flow. Any thread may call."""

    def began(self, flow: str) -> None: ...

    def batch_began(self, flow: str) -> None: ...

    def batch_ended(self, flow: str, batch: RunningBatch) -> None: ...

    def failed(self, flow: str, error: PipelineError) -> None: ...

    def progress(self, flow: str, progress: Any) -> None: ...


class Stopped(Exception):
    """A stop was asked for: leaves a batch that has not begun, or that cannot go on now."""


class Query:
    """`writes`: topics that the service writes, letters aside. `outputs`: of this flow."""

    def __init__(
        self,
        flow: Flow,
        service: str,
        writes: Sequence[str],
        session: SparkSession,
        settings: AnalyticsSettings,
        topics: Topics,
        outputs: Outputs,
        watcher: Watcher,
        *,
        until_caught_up: bool,
    ) -> None:
        self._flow, self._service, self._writes = flow, service, writes
        self._session, self._settings, self._topics = session, settings, topics
        self._name = f"{service}-{flow.name}"
        self._outputs, self._watcher, self._until_caught_up = outputs, watcher, until_caught_up
        self.checkpoint = Checkpoint(settings.checkpoint_dir, service, flow.name)
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._query: StreamingQuery | None = None
        self._identities: dict[str, str] = {}
        self._failure: PipelineError | None = None
        self._deaths = self._attempts = 0
        self._again = 0.0
        self._ended = -1
        self._told: Any = None
        self._looked_at_marks = time.monotonic()
        self.positions: Mapping[Place, int] = {}
        """The offset of each partition's first record that is not in effect yet, as far as that is known."""
        self.done = False

    # --- the leading thread

    def look(self) -> None:
        """Begin, begin again or end, as it has to be. Raises `Fatal`, and what is not to be waited for."""
        if self.done or time.monotonic() < self._again:
            return
        if self._query is None:
            self._try_to_begin()
            return
        active = self._query.isActive
        self._tell()
        if not active:
            self._end(self._query)
        elif time.monotonic() >= self._looked_at_marks + MARKS:
            self._looked_at_marks = time.monotonic()
            self._keep_marks()

    def stop(self) -> None:
        """Let the batch in flight end, and no other begin; then end the query."""
        self._stopping.set()
        with self._turn:
            query, ended = self._query, self._ended
        if query is None or self.done:
            return
        deadline = time.monotonic() + COMMIT
        while query.isActive and _batch(query) < ended and time.monotonic() < deadline:
            time.sleep(0.05)
        with suppress(Py4JError):  # it has died meanwhile: the batch that has ended is on record
            query.stop()

    def _keep_marks(self) -> None:
        """Unless a batch is in flight, which does that itself."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._outputs.keep_marks()
        except (Transient, Halted) as error:
            log.warning("marks not kept", flow=self._flow.name, reason=str(error))
        finally:
            self._turn.release()

    def _try_to_begin(self) -> None:
        try:
            self._begin()
        except (Transient, Halted) as error:
            self._wait(error)

    def _begin(self) -> None:
        names = self._flow.topics
        self.positions = at(self.checkpoint)
        identities = begin(self.checkpoint, self._topics, names, self._settings.starting_offsets, self._service)
        outputs = self._topics.existing(self._writes)
        self._identities = {**identities, **{name: topic.identity for name, topic in outputs.items()}}
        frame = self._flow.shape(records(self._session, self._settings, names))
        writer = frame.writeStream.queryName(self._name).foreachBatch(self._batch)
        writer = writer.option("checkpointLocation", self.checkpoint.spark).outputMode("append")
        interval = f"{self._flow.length or self._settings.batch_length} seconds"
        trigger = {"availableNow": True} if self._until_caught_up else {"processingTime": interval}
        self._query = writer.trigger(**trigger).start()
        self._watcher.began(self._flow.name)

    def _wait(self, error: PipelineError) -> None:
        self._watcher.failed(self._flow.name, error)
        self._again = time.monotonic() + self._pause()

    def _pause(self) -> float:
        self._attempts += 1
        return backoff(self._attempts, 0.25, LONGEST_PAUSE)

    def _tell(self) -> None:
        progress = self._query.lastProgress if self._query else None
        if progress is not None and progress != self._told:
            self._told = progress
            self._watcher.progress(self._flow.name, progress)

    def _end(self, query: StreamingQuery) -> None:
        self._query = None
        if self._failure is not None:
            raise self._failure
        death = query.exception()
        if death is None or self._stopping.is_set():
            self.done = True
            return
        self._died(death)

    def _died(self, death: StreamingQueryException) -> None:
        """Spark has given the query up. It begins again where its checkpoint is."""
        if SHARED in str(death):
            raise Fatal(f"another process runs {self._service} with the checkpoint {self.checkpoint.spark}")
        error = TaskDied(f"the query of {self._flow.name} has died: {_causes(death)}")
        self._count_death(error)
        self._wait(error)

    def _count_death(self, error: TaskDied) -> None:
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            raise Fatal(f"{self._deaths} deaths in a row: {error}")

    # --- Spark's thread

    def _batch(self, frame: DataFrame, number: int) -> None:
        """Called by Spark. What leaves it ends the query."""
        with self._turn:
            try:
                self._until_it_goes_through(frame, number)
            except PipelineError as error:
                self._failure = error
                raise

    def _until_it_goes_through(self, frame: DataFrame, number: int) -> None:
        if self._stopping.is_set():
            raise Stopped
        while True:
            self._watcher.batch_began(self._flow.name)
            try:
                self._once(frame, number)
                return
            except (Transient, Halted) as error:
                self._watcher.failed(self._flow.name, error)
                if isinstance(error, TaskDied):
                    self._count_death(error)
            if self._stopping.wait(self._pause()):
                raise Stopped

    def _once(self, frame: DataFrame, number: int) -> None:
        planned, since = self.checkpoint.planned(number), self.checkpoint.since
        self._look_for_losses(planned)
        batch = RunningBatch(frame, planned, self._identities, self._outputs, self._reread, since, self._observed)
        with RedactedErrors(), deaths_told():
            self._flow.apply(batch)
        self._deaths = self._attempts = 0
        self._ended, self.positions = number, planned.through
        self._watcher.batch_ended(self._flow.name, batch)

    def _reread(self, planned: Planned) -> DataFrame:
        since = self.checkpoint.since(planned.number)
        return batch_again(self._session, self._settings, since, planned.through)

    def _observed(self, name: str) -> Mapping[str, int]:
        """Python has no name for it before the batch has ended."""
        running = next(query for query in self._session.streams.active if query.name == self._name)
        row = running._jsq.streamingQuery().lastExecution().observedMetrics().get(name).get()
        return {field: int(row.getAs(field)) for field in row.schema().fieldNames()}

    def _look_for_losses(self, planned: Planned) -> None:
        """A topic that was made anew would be read on from where the old one was."""
        begins = self.checkpoint.since(planned.number)
        moved = {place[0] for place, end in planned.through.items() if begins.get(place) != end}
        found = self._topics.existing(moved)
        changed = [name for name, topic in found.items() if topic.identity != self._identities[name]]
        if changed or self._deaths:
            self._raise_losses()

    def _raise_losses(self) -> None:
        if lost := found_losses(self.checkpoint, self._topics, self._flow.topics):
            raise unaccepted(lost, self._service)


def _batch(query: StreamingQuery) -> int:
    """The last batch whose end Spark has noted."""
    progress = query.lastProgress
    return int(progress["batchId"]) if progress else -1


def _causes(death: StreamingQueryException) -> str:
    """The classes of what it died of: their texts may hold values of records."""
    text = str(death)
    found = re.findall(r"(?:^|Caused by: |terminated with exception: |: )((?:[a-z]\w*\.)+[A-Z]\w*)", text, re.MULTILINE)
    return ", ".join(dict.fromkeys(found)) or death.getCondition() or type(death).__name__
