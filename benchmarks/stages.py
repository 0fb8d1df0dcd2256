"""Where the processor time of a worker goes: its stages one after the other, in this thread, on the same messages.

What is clocked is this thread's processor time, so waiting for the stream or the database costs nothing, and what they
take of the processor is not in it. Within a whole path it is more, since caches are shared with the database.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bank.tables import BankStore
from benchmarks.applying import LOCKED, WHOLE, Spans, TimedLane
from benchmarks.stand_in import stand_in
from benchmarks.workload import STREAM, Workload, router, shard_id
from pipeline.applying.partition import in_order
from pipeline.applying.routing import Router
from pipeline.applying.unit_of_work import UnitOfWork
from pipeline.aws import Aws
from pipeline.kinesis.aggregation import EVERY_HASH
from pipeline.kinesis.reader import KinesisReader
from pipeline.messages.identity import identity
from pipeline.messages.records import START, Event, Extent, Range, Record, unblock
from pipeline.mysql.database import Database, Lane, connections
from pipeline.mysql.literals import binary
from pipeline.runtime.garbage import freeze_heap
from pipeline.spark.tidying import SELDOM
from tests.schema import Schema

READ = "1 read: GetRecords, its answer, records"
PACKED = "2 blocks, in order of arrival"
KEYED = "3 ordering key, where records are spread"
IDENTIFIED = "4 identity"
UNDERSTOOD = "5 message: decoded, its fields read"
QUOTED = "6 row as SQL"
DECIDED = "7 needs, rules, ledger, rows put together"
SENT = "8 database client"


def run(schema: Schema, workload: Workload, chunk_size: int) -> dict[str, float]:
    """Stage → seconds. Raises `RuntimeError` where a message has got lost on the way."""
    with _as_in_a_worker():
        return _run(schema, workload, chunk_size)


def _run(schema: Schema, workload: Workload, chunk_size: int) -> dict[str, float]:
    spent = Spans(float)
    with stand_in(workload) as stream:
        aws = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL_KINESIS", stream.url),))
        read = [
            _read(KinesisReader(aws, STREAM), shard_id(number), workload, spent) for number in range(workload.shards)
        ]
    routes = router()
    with _clocked(spent, PACKED):
        records = in_order([unblock(routes.split(extent, 1)[0][1]) for extent in read])
    if len(records) != workload.count:
        raise RuntimeError(f"{len(records)} of {workload.count} messages were read")
    database = Database(schema.host, schema.port, schema.user, schema.password, schema.name)
    lane = connections(database, 1).lane()
    worker = _Worker(routes, lane, spent)
    for start in range(0, len(records), chunk_size):
        worker.work(records[start : start + chunk_size])
    lane.close()
    return dict(sorted(spent.items()))


def _read(reader: KinesisReader, shard: str, workload: Workload, spent: Spans) -> Extent:
    reader.aws.client("kinesis", attempts=1)
    with _clocked(spent, READ):
        return reader.read(Range(shard, START, None, EVERY_HASH, workload.count, 10**10))


class _Worker:
    """One lane, chunk by chunk, as in the service: what a chunk has made is gone before the next one."""

    def __init__(self, routes: Router, lane: Lane, spent: Spans) -> None:
        self._routes, self._lane, self._spent = routes, lane, spent
        self._statements = Spans(float)
        timed = TimedLane(lane, self._statements, time.thread_time)
        self._unit_of_work = UnitOfWork(timed, routes.routes, BankStore(), routes.letter)

    def work(self, records: Sequence[Record]) -> None:
        """All stages after reading. Those that lie within another are done once more, alone."""
        whole = Spans(float)
        with _clocked(whole, KEYED):
            for record in records:
                self._routes.key_of(record)
        with _clocked(whole, IDENTIFIED):
            for record in records:
                identity(STREAM, record, None, None)
        with _clocked(whole, UNDERSTOOD):
            understood = [self._routes.interpret(record) for record in records]
        events = [event for event in understood if isinstance(event, Event)]
        with _clocked(whole, QUOTED):
            for event in events:
                domain = self._routes.routes[event.type]
                f"{domain.said(event.message, domain.expected_status)},{binary(event.identity)}".encode()
        self._statements.clear()
        with _clocked(whole, DECIDED):
            self._unit_of_work.apply(events)
        whole[SENT] = sum(seconds for name, seconds in self._statements.items() if name not in (LOCKED, WHOLE))
        whole[UNDERSTOOD] -= whole[IDENTIFIED]
        whole[DECIDED] -= whole[QUOTED] + whole[SENT]
        for stage, seconds in whole.items():
            self._spent[stage] += seconds


@contextmanager
def _as_in_a_worker() -> Iterator[None]:
    """Garbage is searched for as seldom."""
    before = gc.get_threshold()
    freeze_heap()
    gc.set_threshold(SELDOM)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@contextmanager
def _clocked(spent: Spans, stage: str) -> Iterator[None]:
    began = time.thread_time()
    yield
    spent[stage] += time.thread_time() - began
