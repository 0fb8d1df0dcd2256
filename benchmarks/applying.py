"""The second stage alone: records that lie in memory, understood, decided and written as a task does it.

No stream and no Spark, so what is left is the engine, the rules and the database, and how lanes wait for each other.
Whoever has locked accounts keeps them until its commit, and two chunks always share some: whatever the number of lanes
and cores, one chunk at a time is in that span, which gives the limit that is printed.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier, Event
from typing import Any, NamedTuple

from bank.tables import LOCK_ACCOUNTS, LOCK_CARDS, LOCK_LOANS, BankStore
from benchmarks.machine import Use, Watch
from benchmarks.workload import STREAM, Workload, router
from pipeline.applying.partition import Partition
from pipeline.applying.unit_of_work import UnitOfWork
from pipeline.aws import Aws
from pipeline.dead_letters.table import DeadLetters
from pipeline.messages.records import Block, Extent, Letter, Position, Record, block
from pipeline.mysql.database import Database, Lane, Transaction, connections
from tests.schema import Schema

A_TASK = 20_000
"""Messages of one task."""
LOCKS = {LOCK_CARDS: "lock cards", LOCK_ACCOUNTS: "lock accounts", LOCK_LOANS: "lock loans"}
Spans = defaultdict[str, float]
"""What lanes did → seconds."""
LOCKED, WHOLE = "accounts locked, all in all", "transaction, all in all"


class Applied(NamedTuple):
    """`seconds`: first statement to last commit. `spans`: what lanes did → seconds, of all lanes together."""

    seconds: float
    messages: int
    spans: dict[str, float]
    use: Use


def run(schema: Schema, workload: Workload, lanes: int, chunk_size: int, watch: Watch) -> Applied:
    """Apply everything, each lane in a process of its own. Raises `RuntimeError` where a message has no outcome."""
    database = Database(schema.host, schema.port, schema.user, schema.password, schema.name)
    fork = multiprocessing.get_context("fork")
    begin, over = fork.Barrier(lanes), fork.Event()
    results = []
    for blocks in _tasks(workload, lanes):
        receiver, sender = fork.Pipe(duplex=False)
        partition = TimedPartition(router(), BankStore(), database, NoLetters(Aws(""), "", STREAM), 1, 1, chunk_size)
        fork.Process(target=_lane, args=(partition, blocks, begin, over, sender), daemon=True).start()
        sender.close()
        results.append(receiver)
    shares: list[tuple[float, float, int, dict[str, float]]] = [result.recv() for result in results]
    began, ended = min(share[0] for share in shares), max(share[1] for share in shares)
    use = watch.use(began, ended)
    over.set()
    messages = sum(share[2] for share in shares)
    if messages != workload.count:
        raise RuntimeError(f"{messages} of {workload.count} messages have an outcome")
    names = {name for share in shares for name in share[3]}
    spans = {name: sum(share[3].get(name, 0.0) for share in shares) for name in names}
    return Applied(ended - began, messages, spans, use)


def _tasks(workload: Workload, lanes: int) -> list[list[Block]]:
    """The blocks of each lane, task by task; messages of one ordering key are one lane's, as in the service."""
    routes = router()
    shares: list[list[Record]] = [[] for _ in range(lanes)]
    for record in workload.records():
        shares[routes.key_of(record) % lanes].append(record)
    whole = Extent("", [], Position(0), 0, at_tip=False)
    return [[block(whole, share[start : start + A_TASK]) for start in range(0, len(share), A_TASK)] for share in shares]


def _lane(partition: TimedPartition, tasks: Sequence[Block], begin: Barrier, over: Event, result: Connection) -> None:
    """Connect, wait for the others, apply, and stay until its use of the processor was looked at."""
    connected = connections(partition.database, 1).lane()
    with connected.transaction() as transaction:
        transaction.query("SELECT 1")
    connected.close()
    begin.wait()
    start, messages = time.monotonic(), 0
    for task in tasks:
        report = partition.apply([task])
        if report.failure is not None:
            raise RuntimeError(report.failure)
        messages += sum(report.outcomes.values())
    result.send((start, time.monotonic(), messages, dict(partition.spans)))
    over.wait()


class NoLetters(DeadLetters):
    """Letters cost nothing here."""

    def write(self, letters: Sequence[Letter]) -> None:
        """Forget them."""


@dataclass(frozen=True)
class TimedPartition(Partition):
    """A partition whose transactions are clocked."""

    spans: Spans = field(default_factory=lambda: defaultdict(float))

    def work(self, lane: Lane) -> UnitOfWork:
        return UnitOfWork(TimedLane(lane, self.spans), self.router.routes, self.store, self.router.letter)


class TimedLane(Lane):
    """Another lane, its transactions clocked. `clock`: seconds."""

    def __init__(self, lane: Lane, spans: Spans, clock: Callable[[], float] = time.perf_counter) -> None:
        self._lane, self._spans, self._clock = lane, spans, clock

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        began = self._clock()
        with self._lane.transaction() as transaction:
            timed = TimedTransaction(transaction, self._spans, self._clock)
            yield timed
        ended = self._clock()
        self._spans[WHOLE] += ended - began
        if timed.locked_at is not None:
            self._spans[LOCKED] += ended - timed.locked_at


class TimedTransaction(Transaction):
    """Another transaction, clocked. `locked_at`: when it had its accounts."""

    def __init__(self, within: Transaction, spans: Spans, clock: Callable[[], float]) -> None:
        self._within, self._spans, self._clock = within, spans, clock
        self.changes = within.changes
        self.locked_at: float | None = None

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        name = LOCKS.get(sql, "clock" if "SYSDATE" in sql else "look up")
        with self._clocked(name):
            rows = self._within.query(sql, parameters)
        if sql == LOCK_ACCOUNTS:
            self.locked_at = self._clock()
        return rows

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        with self._clocked("update balances"):
            return self._within.execute(sql, parameters)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
        with self._clocked(f"insert {table}"):
            self._within.insert(table, columns, rows)

    def commit(self) -> None:
        with self._clocked("commit"):
            self._within.commit()

    @contextmanager
    def _clocked(self, name: str) -> Iterator[None]:
        began = self._clock()
        yield
        self._spans[name] += self._clock() - began
