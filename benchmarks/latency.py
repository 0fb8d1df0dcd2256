"""(d) Latency from put to commit at a steady rate, the job running.

A row's event id begins with its message's arrival in the stream, and `applied_at` is the database's clock when the last
lock of its chunk was taken. The commit follows within the chunk's write: a probe measures how much later rows are seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.job import PATIENCE, Job, job
from benchmarks.machine import Use, Watch
from benchmarks.workload import STREAM, Workload
from pipeline.aws import Aws
from producers.kinesis import put
from producers.traffic import Message
from tests.schema import Schema
from tests.servers import Endpoint, moto

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

SLICE = 0.1
"""Seconds between two puts."""
WARM_UP = 10
"""Seconds of the same traffic before, which do not count."""
LOOK = 0.01
TABLES = ("transactions", "card_transactions", "loan_payments", "stocks")
LAST_APPLIED = "SELECT applied_at, SYSDATE(6) FROM transactions ORDER BY id DESC LIMIT 1"


class Latency(NamedTuple):
    """`taken`: seconds from arrival to the locks, of each message. `seen`: seconds from the locks until a chunk's rows
    are seen by others (within `LOOK`)."""

    taken: list[float]
    seen: list[float]
    use: Use


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


def run(
    schema: Schema, aws: Endpoint, workload: Workload, rate: int, settings: Mapping[str, str], watch: Watch
) -> Latency:
    """Put the workload's messages, `rate` a second, and wait until the last of them has its outcome."""
    before = rate * WARM_UP
    traffic = workload.traffic()
    probe = Probe(schema)
    with moto() as kinesis:
        client = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", kinesis.url),)).client("kinesis")
        client.create_stream(StreamName=STREAM, ShardCount=workload.shards)
        with job(schema, kinesis, aws, settings) as running:
            running.wait_for("leading")
            _put(client, islice(traffic, before), rate)
            _wait_for(running, before)
            probe.start()
            start = time.time()
            _put(client, islice(traffic, workload.count), rate)
            end = time.time()
            _wait_for(running, before + workload.count)
            probe.over.set()
            probe.join()
    to_monotonic = time.monotonic() - time.time()
    return Latency(_taken(schema, start, end), probe.seen, watch.use(start + to_monotonic, end + to_monotonic))


def _put(client: KinesisClient, messages: Iterator[Message], rate: int) -> None:
    started, sent = time.monotonic(), 0
    while part := list(islice(messages, max(1, int((time.monotonic() - started) * rate) - sent))):
        put(client, STREAM, part)
        sent += len(part)
        time.sleep(max(0.0, started + sent / rate + SLICE - time.monotonic()))


def _wait_for(running: Job, messages: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while sum(batch.fields["records"] for batch in running.batches()) < messages:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {messages} messages have an outcome after {PATIENCE:.0f} s")
        time.sleep(LOOK * 10)


def _taken(schema: Schema, start: float, end: float) -> list[float]:
    """Of the messages that arrived between `start` and `end` (seconds since the epoch)."""
    taken = []
    for table in TABLES:
        for event_id, applied_at in schema.query(f"SELECT event_id, applied_at FROM {table}"):
            arrived = int.from_bytes(bytes(event_id)[:6], "big") / 1000
            if start <= arrived < end:
                taken.append(applied_at.replace(tzinfo=UTC).timestamp() - arrived)
    return taken
