"""(b) The bare ceiling: the same rows and balances, decided beforehand, written by plain processes.

What is left out: the stream, Spark, decoding, rules, reading anything, locking anything but what the updates lock.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier, Event
from random import random
from typing import NamedTuple

import msgspec

from benchmarks.decided import Chunk, Decided, decide
from benchmarks.machine import Use, Watch
from benchmarks.workload import Workload
from pipeline.mysql.database import Connections, Database, Lane, RowRefused
from pipeline.mysql.literals import literals
from pipeline.runtime.errors import Transient
from tests.schema import Schema

ADD_TO_ACCOUNTS = (
    "UPDATE JSON_TABLE(%s, '$[*]' COLUMNS (id INT UNSIGNED PATH '$[0]', gain VARCHAR(16) PATH '$[1]', "
    "active INT PATH '$[2]')) AS changed STRAIGHT_JOIN accounts AS a ON a.id = changed.id "
    "SET a.balance = a.balance + CAST(changed.gain AS DECIMAL(12,2)), a.active = IF(changed.active, a.active, 0)"
)
ADD_TO_LOANS = (
    "UPDATE JSON_TABLE(%s, '$[*]' COLUMNS (id INT UNSIGNED PATH '$[0]', gain VARCHAR(16) PATH '$[1]')) AS changed "
    "STRAIGHT_JOIN loans AS l ON l.id = changed.id SET l.balance = l.balance + CAST(changed.gain AS DECIMAL(12,2))"
)
BALANCES = "SELECT (SELECT SUM(balance) FROM accounts) + (SELECT SUM(balance) FROM loans)"

_json = msgspec.json.Encoder()


class Share(NamedTuple):
    """What one writer did. `start`, `end`: monotonic seconds of its first statement and after its last commit.

    `again`: chunks tried again.
    """

    start: float
    end: float
    again: int


class Written(NamedTuple):
    """What all writers did, first statement to last commit."""

    seconds: float
    again: int
    use: Use


def run(schema: Schema, workload: Workload, writers: int, watch: Watch) -> Written:
    """Write everything. The balances are compared with what was decided: a wrong ceiling raises `RuntimeError`."""
    decided = decide(workload, writers)
    ((before,),) = schema.query(BALANCES)
    database = Database(schema.host, schema.port, schema.user, schema.password, schema.name)
    written = _all(database, decided, watch)
    ((after,),) = schema.query(BALANCES)
    if after - before != decided.total:
        raise RuntimeError(f"the balances gained {after - before}, decided were {decided.total}")
    return written


def _all(database: Database, decided: Decided, watch: Watch) -> Written:
    fork = multiprocessing.get_context("fork")
    start, over = fork.Barrier(len(decided.shares)), fork.Event()
    results = []
    for chunks in decided.shares:
        receiver, sender = fork.Pipe(duplex=False)
        fork.Process(target=_writer, args=(database, chunks, start, over, sender), daemon=True).start()
        sender.close()
        results.append(receiver)
    shares: list[Share] = [result.recv() for result in results]
    began, ended = min(share.start for share in shares), max(share.end for share in shares)
    use = watch.use(began, ended)
    over.set()
    return Written(ended - began, sum(share.again for share in shares), use)


def _writer(database: Database, chunks: Sequence[Chunk], begin: Barrier, over: Event, result: Connection) -> None:
    """Connect, wait for the others, write, and stay until its use of the processor was looked at."""
    lane = Connections(database, 1).lane()
    with lane.transaction() as transaction:
        transaction.query("SELECT 1")
    begin.wait()
    start = time.monotonic()
    again = sum(_patiently(lane, chunk) for chunk in chunks)
    result.send(Share(start, time.monotonic(), again))
    over.wait()


def _patiently(lane: Lane, chunk: Chunk) -> int:
    """Write until it is written: a chunk may wait for another writer's, even for money that it brings."""
    again = 0
    while True:
        try:
            _write(lane, chunk)
            return again
        except (Transient, RowRefused):
            again += 1
            time.sleep(random() * 0.02)


def _write(lane: Lane, chunk: Chunk) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    accounts = [(key, str(gain), int(key not in chunk.ended)) for key, gain in sorted(chunk.accounts.items())]
    loans = [(key, str(gain)) for key, gain in sorted(chunk.loans.items())]
    with lane.transaction() as transaction:
        for table, rows in chunk.rows.items():
            columns = (*table.columns, "event_id", *table.decided, "applied_at")
            transaction.insert(table.name, columns, [literals((*row, now)) for row in rows])
        transaction.execute(ADD_TO_ACCOUNTS, (_json.encode(accounts).decode(),))
        transaction.execute(ADD_TO_LOANS, (_json.encode(loans).decode(),))
        transaction.commit()
