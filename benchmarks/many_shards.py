"""The driver's own work in a batch of a stream of many shards: plan, put the reports together, commit.

Leases and checkpoints are moto's, the list of shards is the stand-in's; nothing is read or applied.
"""

from __future__ import annotations

import gc
import threading
import time
import uuid
from typing import NamedTuple

from benchmarks.machine import Use, Watch
from benchmarks.stand_in import stand_in
from benchmarks.workload import FIRST_SEQUENCE, STREAM, Workload
from pipeline.aws import Aws
from pipeline.dstream.tasks import assigned
from pipeline.kinesis.reader import KinesisReader
from pipeline.kinesis.source import KinesisSource
from pipeline.leases.keeper import LeaseKeeper
from pipeline.leases.table import LeaseTable
from pipeline.messages.batch import gathered
from pipeline.messages.records import START, Position, Reached, Report
from pipeline.runtime.garbage import freeze_heap
from tests.servers import Endpoint

PARTITIONS = 4
PAUSE = 0.5
"""Seconds between two batches, in which the keeper writes checkpoints and renews leases."""


class Batches(NamedTuple):
    """`seconds`: of each batch. `acquired`: until all leases were made and taken."""

    seconds: list[float]
    acquired: float
    use: Use


def run(aws: Endpoint, workload: Workload, moving: int, batches: int, watch: Watch) -> Batches:
    """Batches of a stream of `workload.shards` shards, `moving` of which go on each time."""
    with stand_in(workload) as stream:
        endpoints = (("AWS_ENDPOINT_URL", aws.url), ("AWS_ENDPOINT_URL_KINESIS", stream.url))
        client = Aws("us-east-1", "test", "test", endpoints)
        keeper = LeaseKeeper(LeaseTable(client, f"leases-{uuid.uuid4().hex}"), uuid.uuid4().hex)
        source = KinesisSource(KinesisReader(client, STREAM), keeper, "TRIM_HORIZON", 1000)
        began = time.monotonic()
        source.acquire(threading.Event())
        source.plan()
        acquired = time.monotonic() - began
        freeze_heap()
        start = time.monotonic()
        seconds = []
        try:
            for number in range(batches):
                seconds.append(_batch(source, moving, number))
                time.sleep(PAUSE)
        finally:
            gc.unfreeze()
        use = watch.use(start, time.monotonic())
        source.release()
    return Batches(seconds, acquired, use)


def _batch(source: KinesisSource, moving: int, number: int) -> float:
    began = time.perf_counter()
    ranges = source.plan()
    planned = time.perf_counter()
    first = number * moving % len(ranges)
    moved = {wanted.shard for wanted in ranges[first : first + moving]}
    reached = {True: Reached(Position(FIRST_SEQUENCE + number), True, 0), False: Reached(START, True, 0)}
    reports = [
        Report(reads={wanted.shard: reached[wanted.shard in moved] for wanted in share}, alone=True)
        for share in assigned(ranges, PARTITIONS)
    ]
    reported = time.perf_counter()
    source.commit(gathered(ranges, reports, PARTITIONS).progress)
    return planned - began + time.perf_counter() - reported
