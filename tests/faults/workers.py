"""The service without Spark: its batches in worker processes, its ticks from a thread. Starts within a second.

What runs a batch is what Spark runs: the two stages of pipeline/dstream/tasks.py, each in a process of its own
that is forked, pickled to, and may be killed. What Spark adds (scheduling, shuffle files, the JVM) is not there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pipeline.dstream.driver import Driver
from pipeline.dstream.source import Reader
from pipeline.dstream.tasks import Applying, Deferred, Preparation, ReadAndApply, Reading, Unread, assigned, is_spread
from pipeline.messages.records import Block, Extent, Range, Report
from pipeline.runtime.errors import Fatal, TaskDied
from pipeline.runtime.stopping import StopSignal

LOOK = 0.05
"""Seconds between two looks at whether it still lives."""

Shuffled = tuple[int, Block | Unread | Deferred | None]


class WorkerBatch:
    """In place of `SparkBatch`. `prepare`: called once in each worker."""

    def __init__(
        self,
        context: object,
        reader: Reader,
        split: Callable[[Extent, int], list[tuple[int, Block]]],
        apply: Callable[[Iterable[Block]], Report],
        partitions: int,
        preparation: Preparation | None,
        *,
        prepare: Callable[[], object],
    ) -> None:
        self._reading = Reading(reader, split, partitions, preparation)
        self._applying = Applying(apply, preparation)
        self._read_and_apply = ReadAndApply(reader, split, apply, preparation)
        self._partitions, self._prepare = partitions, prepare
        self._processes = multiprocessing.get_context("forkserver")
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, ranges: Sequence[Range]) -> list[Report]:
        """Read and apply these ranges; the report of each partition. Raises `TaskDied`."""
        self._pool = self._pool or ProcessPoolExecutor(
            self._partitions, self._processes, initializer=_begin, initargs=(self._prepare,)
        )
        try:
            run = self._spread if is_spread(ranges, self._partitions) else self._each_its_own
            return run(self._pool, ranges)
        except BrokenProcessPool:
            self._pool = None
            raise TaskDied("a worker has died") from None

    def _spread(self, pool: ProcessPoolExecutor, ranges: Sequence[Range]) -> list[Report]:
        read = pool.map(_all, [self._reading] * len(ranges), ([wanted] for wanted in ranges))
        shuffled = defaultdict[int, list[Shuffled]](list)
        for pair in (pair for pairs in read for pair in pairs):
            shuffled[pair[0]].append(pair)
        return self._reports(pool, self._applying, [shuffled[partition] for partition in range(self._partitions)])

    def _each_its_own(self, pool: ProcessPoolExecutor, ranges: Sequence[Range]) -> list[Report]:
        return self._reports(pool, self._read_and_apply, [[share] for share in assigned(ranges, self._partitions)])

    def _reports(
        self, pool: ProcessPoolExecutor, stage: Callable[[Any], Iterator[Report]], shares: Sequence[Any]
    ) -> list[Report]:
        return [report for reports in pool.map(_all, [stage] * len(shares), shares) for report in reports]

    def warm_up(self) -> None:
        """A batch of nothing."""
        self([])


def run(context: object, driver: Driver, batch_length: float, stop: StopSignal) -> None:
    """In place of `pipeline.dstream.stream.run`. Raises `Fatal`."""
    stop.listen()
    over = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        leading = threads.submit(driver.lead)
        ticking = threads.submit(_tick, driver, batch_length, over)
        try:
            while not leading.done() and not stop.wait(LOOK):
                if ticking.done():
                    raise Fatal(f"the stream has died of an unforeseen error ({type(ticking.exception()).__name__})")
        finally:
            driver.stop()
            over.set()
    leading.result()


def _tick(driver: Driver, batch_length: float, over: threading.Event) -> None:
    while not over.is_set():
        began = time.monotonic()
        driver.tick(time.time())
        over.wait(batch_length - (time.monotonic() - began))


def _begin(prepare: Callable[[], object]) -> None:
    threading.Thread(target=_end_with_driver, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare()


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)


def _all(stage: Callable[[Any], Iterator[Any]], given: Any) -> list[Any]:
    return list(stage(given))
