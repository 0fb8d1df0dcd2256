"""What a task does with its ranges, Spark aside: read each, cut it into one block per partition, apply the blocks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import NamedTuple, Protocol

import msgspec

from pipeline.dstream.source import Reader
from pipeline.messages.records import Block, Extent, Range, Report
from pipeline.runtime import logs
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.redacted_errors import RedactedErrors
from pipeline.spark.tidying import tidy

READERS = 8
"""Shards that a task reads at one time: most of that is waiting for answers."""
CAPS_A_TASK = 2
"""What a task may hold at one time, in caps of one shard."""


class Preparation(Protocol):
    """What a worker process does once, before its first task; picklable, hashable, equal to its own copies."""

    def __hash__(self) -> int: ...

    def prepare(self) -> None: ...


class Unread(NamedTuple):
    """In place of a block: the range of this shard could not be read. `fate`: name of the class in errors.py."""

    shard: str
    fate: str
    why: str


class Deferred(NamedTuple):
    """In place of a block: a task with many shards had no memory left for this one. The next batch begins with it."""

    shard: str


def is_spread(ranges: Sequence[Range], partitions: int) -> bool:
    """Whether records are spread over all partitions: where there are fewer shards than those, so that all have work.

    Otherwise a partition reads shards of its own; each of them gives no more than 2 MB a second.
    """
    return len(ranges) < partitions


def assigned(ranges: Sequence[Range], partitions: int) -> list[list[Range]]:
    """The ranges of each partition, in their order: of those that come first every partition has one."""
    return [list(ranges[partition::partitions]) for partition in range(partitions)]


class ReadBudget:
    """What a task may read, shared by its threads: as much as `CAPS_A_TASK` shards at their caps, however many it has.

    Each range has a part of its caps, so that those read at one time fit. A thread that has begun goes on when the
    budget is taken, and an answer, of 10 MB at most, may go beyond a cap; so a task holds twice the budget and an
    answer for each thread at worst. The part does not depend on who is behind: a single one of many shards takes
    more batches.
    """

    def __init__(self, wanted: Sequence[Range]) -> None:
        self._records = CAPS_A_TASK * wanted[0].max_records
        self._bytes = CAPS_A_TASK * wanted[0].max_bytes
        self._part = min(CAPS_A_TASK / min(READERS, len(wanted)), 1.0)
        self._lock = threading.Lock()

    def cut(self, wanted: Range) -> Range | None:
        """The range with a part of its caps; None where the budget is taken."""
        with self._lock:
            if self._records <= 0 or self._bytes <= 0:
                return None
        records, size = (max(int(cap * self._part), 1) for cap in (wanted.max_records, wanted.max_bytes))
        return msgspec.structs.replace(wanted, max_records=records, max_bytes=size)

    def take(self, extent: Extent) -> None:
        """That much less is left."""
        with self._lock:
            self._records -= len(extent.records)
            self._bytes -= sum(len(record.data) for record in extent.records)


@dataclass(frozen=True)
class Reading:
    """The first stage: each range → a block, or what stands in its place, for every partition, under its number."""

    reader: Reader
    split: Callable[[Extent, int], list[tuple[int, Block]]]
    partitions: int
    preparation: Preparation | None

    def __call__(self, ranges: Iterable[Range]) -> Iterator[tuple[int, Block | Unread | Deferred | None]]:
        _prepare_worker(self.preparation)
        wanted = list(ranges)
        if wanted:
            budget = ReadBudget(wanted)
            with ThreadPoolExecutor(min(READERS, len(wanted)), "reader") as readers:
                yield from chain.from_iterable(readers.map(lambda one: self._blocks(one, budget), wanted))
        else:  # a warm-up, in which something has to cross the shuffle as well
            yield from ((partition, None) for partition in range(self.partitions))
        tidy(f"read {bool(wanted)}")

    def _blocks(self, wanted: Range, budget: ReadBudget) -> Sequence[tuple[int, Block | Unread | Deferred]]:
        fitting = budget.cut(wanted)
        if fitting is None:
            return [(partition, Deferred(wanted.shard)) for partition in range(self.partitions)]
        try:
            with RedactedErrors():
                extent = self.reader.read(fitting)
                budget.take(extent)
                return self.split(extent, self.partitions)
        except PipelineError as error:
            unread = Unread(wanted.shard, type(error).__name__, str(error))
            return [(partition, unread) for partition in range(self.partitions)]


@dataclass(frozen=True)
class Applying:
    """The second stage: the blocks of one partition → its report."""

    apply: Callable[[Iterable[Block]], Report]
    preparation: Preparation | None

    def __call__(self, shuffled: Iterable[tuple[int, Block | Unread | Deferred | None]]) -> Iterator[Report]:
        _prepare_worker(self.preparation)
        given = [block for _, block in shuffled]
        unread = {one.shard: (one.fate, one.why) for one in given if isinstance(one, Unread)}
        try:
            with RedactedErrors():
                report = self.apply([one for one in given if isinstance(one, Block)])
        except PipelineError as error:
            report = Report(failure=str(error), fate=type(error).__name__)
        report.unread = unread
        report.deferred = sorted({one.shard for one in given if isinstance(one, Deferred)})
        yield report
        tidy(f"apply {any(given)}")


class ReadAndApply:
    """Both stages in one: the ranges of a partition → its report."""

    def __init__(
        self,
        reader: Reader,
        split: Callable[[Extent, int], list[tuple[int, Block]]],
        apply: Callable[[Iterable[Block]], Report],
        preparation: Preparation | None,
    ) -> None:
        self._reading = Reading(reader, split, 1, preparation)
        self._applying = Applying(apply, preparation)

    def __call__(self, shares: Iterable[Sequence[Range]]) -> Iterator[Report]:
        for report in self._applying(self._reading(chain.from_iterable(shares))):
            report.alone = True
            yield report


@cache
def _prepare_worker(preparation: Preparation | None) -> None:
    logs.configure(sys.stderr)
    if preparation:
        preparation.prepare()
