"""(d) Latency from arrival to commit at a steady rate, the job running.

A row's event id begins with its message's arrival in the stream, and `applied_at` is the database's clock when the last
lock of its chunk was taken. The commit follows within the chunk's write: a probe measures how much later rows are seen.
The stream is the stand-in: no emulator takes thousands of messages a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC
from typing import NamedTuple

from benchmarks.job import PATIENCE, Job, job
from benchmarks.machine import Use, Watch
from benchmarks.stand_in import begin, stand_in, tally
from benchmarks.workload import Workload
from tests.schema import Schema
from tests.servers import Endpoint

WARM_UP = 10
"""Seconds of the same traffic before, which do not count."""
AHEAD = 2.0
"""Seconds that the stand-in has to set the arrivals of half a million records."""
LOOK = 0.01
FAR_MS = 24 * 3600 * 1000
"""Until it is let, nothing of the workload arrives."""
TABLES = ("transactions", "card_transactions", "loan_payments", "stocks")
LAST_APPLIED = "SELECT applied_at, SYSDATE(6) FROM transactions ORDER BY id DESC LIMIT 1"


class Latency(NamedTuple):
    """`taken`: seconds from arrival to the locks, of each message. `seen`: seconds from the locks until a chunk's rows
    are seen by others (within `LOOK`). `calls`: of the stream, let through and refused by its limits."""

    taken: list[float]
    seen: list[float]
    use: Use
    calls: dict[str, int]


class Probe(threading.Thread):
    """Notes how long after its locks the newest chunk is seen."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(daemon=True)
        self.seen: list[float] = []
        self.over = threading.Event()
        self._schema = schema

    def run(self) -> None:
        known = None
        with closing(self._schema.connect(autocommit=True)) as connection, closing(connection.cursor()) as cursor:
            while not self.over.wait(LOOK):
                cursor.execute(LAST_APPLIED)
                for applied_at, now in cursor.fetchall():
                    if applied_at != known:
                        known = applied_at
                        self.seen.append((now - applied_at).total_seconds())


def run(schema: Schema, aws: Endpoint, workload: Workload, settings: Mapping[str, str], watch: Watch) -> Latency:
    """Let the workload's messages arrive at its rate, and wait until the last of them has its outcome.

    The first `WARM_UP` seconds of them do not count.
    """
    probe = Probe(schema)
    workload = replace(workload, began_ms=workload.began_ms + FAR_MS)
    with (
        stand_in(workload, aws.url) as stream,
        job(schema, stream, aws, {"AWS_ENDPOINT_URL_DYNAMODB": stream.url, **settings}) as running,
    ):
        running.wait_for("leading")
        start = time.time() + AHEAD + WARM_UP
        begin(stream, start - WARM_UP)
        _wait_for(running, workload.rate * WARM_UP)
        probe.start()
        _wait_for(running, workload.count)
        probe.over.set()
        probe.join()
        end = start + workload.count / workload.rate - WARM_UP
        to_monotonic = time.monotonic() - time.time()
        use = watch.use(start + to_monotonic, end + to_monotonic)
        calls = tally(stream).calls
    return Latency(_taken(schema, start), probe.seen, use, calls)


def _wait_for(running: Job, messages: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while sum(batch.fields["records"] for batch in running.batches()) < messages:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {messages} messages have an outcome after {PATIENCE:.0f} s")
        time.sleep(LOOK * 10)


def _taken(schema: Schema, start: float) -> list[float]:
    """Of the messages that arrived from `start` on (seconds since the epoch)."""
    taken = []
    for table in TABLES:
        for event_id, applied_at in schema.query(f"SELECT event_id, applied_at FROM {table}"):
            arrived = int.from_bytes(bytes(event_id)[:6], "big") / 1000
            if arrived >= start:
                taken.append(applied_at.replace(tzinfo=UTC).timestamp() - arrived)
    return taken
