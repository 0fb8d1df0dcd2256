"""One output partition of one batch: its blocks, spread over lanes, chunk by chunk, then its dead letters.

If the process dies in here nothing of the batch is committed to the stream: the range is read again, and what was
applied is dropped by its event id.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import structlog

from pipeline.applying.applied import Applied
from pipeline.applying.domain import StateStore
from pipeline.applying.reading import Reading
from pipeline.applying.routing import Router
from pipeline.applying.unit_of_work import UnitOfWork
from pipeline.dead_letters.table import DeadLetters
from pipeline.messages.records import Block, Event, Letter, Reached, Record, Report, unblock
from pipeline.mysql.database import Database, Lane, connections
from pipeline.runtime.errors import Halted, PipelineError, Transient, waiting_for
from pipeline.runtime.retries import backoff
from pipeline.runtime.slices import chunks

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 2.0

log = structlog.get_logger()


class _AnotherFailed(Transient):
    """A lane ended because another one had failed."""


@dataclass(frozen=True)
class Partition:
    """Everything a task needs to apply its blocks; picklable. `deadline`: seconds of retries before the batch stops."""

    router: Router
    store: StateStore
    database: Database
    dead_letters: DeadLetters
    partitions: int
    lanes: int
    chunk_size: int
    deadline: float = 30.0

    def apply(self, blocks: Iterable[Block]) -> Report:
        """Apply every record of the blocks; what stopped it, if anything did, stands in the report."""
        blocks = list(blocks)
        records = in_order([unblock(block) for block in blocks])
        report = Report(reads=_reads(blocks))
        started = time.perf_counter()
        try:
            with waiting_for("the database"):
                applied = self._run_lanes(records, report)
            report.seconds["apply"] = time.perf_counter() - started
            with waiting_for("the dead-letter table"):
                self._write(applied.letters)
        except (Transient, Halted) as error:
            report.failure, report.fate = str(error), "Halted" if isinstance(error, Halted) else "Transient"
            report.waits_for = error.waits_for
        report.seconds["letters"] = time.perf_counter() - started - report.seconds.get("apply", 0.0)
        return report

    def work(self, lane: Lane) -> UnitOfWork:
        """What applies chunks on this lane."""
        return UnitOfWork(lane, self.router.routes, self.store, self.router.letter)

    def _write(self, letters: Sequence[Letter]) -> None:
        if letters:
            self.dead_letters.write(letters)

    def _key(self, record: Record) -> int:
        return record.key if record.key >= 0 else self.router.key_of(record)

    def _run_lanes(self, records: Sequence[Record], report: Report) -> Applied:
        """Every record of one ordering key goes to one lane. If one lane fails the others stop before this returns.

        What the lanes had to do goes into the report, also where one failed.
        """
        count = max(1, min(self.lanes, -(-len(records) // self.chunk_size)))
        shares: list[list[Record]] = [[] for _ in range(count)]
        for record in records:
            shares[self._key(record) // self.partitions % count if count > 1 else 0].append(record)
        stop = threading.Event()
        with ThreadPoolExecutor(count, thread_name_prefix="lane") as threads:
            lanes = [_LaneRun(self, stop) for _ in shares]
            futures = [threads.submit(lane.run, share) for lane, share in zip(lanes, shares, strict=True)]
            wait(futures, return_when=FIRST_EXCEPTION)
            if any(future.done() and future.exception() for future in futures):
                stop.set()
        _tell(report, lanes)
        return _gathered(futures)


@dataclass
class _LaneRun:
    """One thread's share of a partition."""

    partition: Partition
    stop: threading.Event
    causes: Counter[str] = field(default_factory=Counter)
    chunks: Counter[int] = field(default_factory=Counter)
    connections: int = 0
    applied: Applied = field(default_factory=Applied)

    def run(self, records: Sequence[Record]) -> Applied:
        """Understand and apply the records, chunk by chunk. Raises `Transient`, `Halted`."""
        partition = self.partition
        pool = connections(partition.database, partition.lanes)
        lane = pool.lane()
        work = partition.work(lane)
        reading = Reading(partition.router, self.applied)
        try:
            for chunk in chunks(reading.events(records), partition.chunk_size):
                applied = self._retried(work, chunk)
                self.connections = max(self.connections, pool.in_use)
                self.chunks[len(chunk)] += 1
                self.applied.add(applied)
                _warn(applied.conflicts)
        finally:
            lane.close()
        reading.condemn()
        return self.applied

    def _retried(self, work: UnitOfWork, chunk: Sequence[Event[Any]]) -> Applied:
        """Full jitter between tries; after the deadline the batch stops and its range is read again."""
        until = time.monotonic() + self.partition.deadline
        attempt = 0
        while not self.stop.is_set():
            try:
                return work.apply(chunk)
            except Transient as error:
                self.causes[error.cause] += 1
                if time.monotonic() > until:
                    raise
            self.stop.wait(backoff(attempt, FIRST_PAUSE, LONGEST_PAUSE))
            attempt += 1
        raise _AnotherFailed("another lane of the batch failed")


def in_order(shards: Sequence[Sequence[Record]]) -> list[Record]:
    """Records of several shards merged by arrival; the order within a shard stays."""
    return list(heapq.merge(*shards, key=lambda record: record.arrived_ms))


def _reads(blocks: Iterable[Block]) -> dict[str, Reached]:
    """How far this partition's blocks reach, per shard; the nearer one where a shard came twice."""
    reads: dict[str, Reached] = {}
    for block in blocks:
        progress = block.progress
        if block.shard not in reads or progress.through < reads[block.shard].through:
            reads[block.shard] = progress
    return reads


def _tell(report: Report, lanes: Sequence[_LaneRun]) -> None:
    """What the lanes had to do, whether or not they all went through."""
    causes, chunks, conflicts, outcomes = Counter[str](), Counter[int](), Counter[str](), Counter[tuple[str, str]]()
    for lane in lanes:
        causes.update(lane.causes)
        chunks.update(lane.chunks)
        conflicts.update(event.type for event in lane.applied.conflicts)
        outcomes.update(lane.applied.outcomes)
    report.retries, report.causes, report.chunks = causes.total(), dict(causes), dict(chunks)
    report.conflicts = dict(conflicts)
    report.outcomes = dict(outcomes)
    report.connections = max(lane.connections for lane in lanes)


def _warn(conflicts: Sequence[Event[Any]]) -> None:
    """The producer's id came again with another content: nothing is written, so somebody has to look."""
    for event in conflicts:
        record = event.record
        place = {"shard": record.shard, "sequence": record.sequence, "sub_sequence": record.sub_sequence}
        log.warning("id conflict", type=event.type, event_id=event.identity.hex(), **place)


def _gathered(futures: Sequence[Future[Applied]]) -> Applied:
    """All that was applied. Raises what stopped the first lane: an error that nobody foresaw before one by fate."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    kinds = (PipelineError, Transient, _AnotherFailed)
    for error in sorted(errors, key=lambda e: [isinstance(e, kind) for kind in kinds]):
        raise error
    gathered = Applied()
    for future in futures:
        gathered.add(future.result())
    return gathered
