"""Where an audit ended and the next one goes on, as the table `audits` keeps it.

A row of `audits` is an audit that ended, or how far one had come (audit_progress.py): marks of its own beside the
verdict and the time of the row before, so that whoever asks for the last verdict is told of no other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from pipeline.messages.records import EPOCH, START, Position
from pipeline.mysql.database import Transaction
from pipeline.mysql.table_growth import first_id, now_of
from pipeline.operations.audit.log_mark import LogMark, mark_before
from pipeline.operations.workbench import Workbench

SETTLED_AFTER: Final = timedelta(minutes=10)
"""A transaction takes far less: ids that were drawn before are in the table by now, or never will be."""

_LAST: Final = "SELECT id, marks FROM audits WHERE marks IS NOT NULL ORDER BY id DESC LIMIT 1"
_NOTE: Final = (
    "INSERT INTO audits (began_at, ended_at, who, accepted, findings, counts, marks) "
    "VALUES (%s, UTC_TIMESTAMP(6), %s, %s, %s, %s, %s)"
)
_NOTE_PROGRESS: Final = (
    "INSERT INTO audits (began_at, ended_at, who, accepted, findings, counts, marks) "
    "SELECT %s, ended_at, %s, 0, findings, %s, %s FROM audits WHERE id = (SELECT MAX(id) FROM audits) "
    "AND NOT EXISTS (SELECT 1 FROM audits WHERE id > %s AND marks IS NOT NULL)"
)
"""The verdict, and when it was reached, stay those of the last audit that ended: this one has none yet."""


class Marks(msgspec.Struct, frozen=True):
    """`at_ms`: when they were taken, in milliseconds since the epoch. `shards`: the durable positions then.

    `rows`: the highest id of each table. `settled`: an id of each table up to which no transaction is open any more.
    `log`: of the log of operations; None in marks of before. `proved`: an id of each table with proofs up to which
    all of them held, or were accepted.
    """

    at_ms: int
    shards: dict[str, tuple[str, int]]
    rows: dict[str, int]
    settled: dict[str, int]
    log: LogMark | None = None
    proved: dict[str, int] = {}

    @property
    def at(self) -> datetime:
        """When they were taken; naive, UTC."""
        return (EPOCH + timedelta(milliseconds=self.at_ms)).replace(tzinfo=None)

    def position(self, shard: str) -> Position:
        """`START` also where the shard had no lease yet."""
        sequence, sub_sequence = self.shards.get(shard, (START.sequence, START.sub_sequence))
        return Position(int(sequence), sub_sequence)


class Result(msgspec.Struct, frozen=True):
    """What an audit has to note. `marks` None: the next one begins where this one did."""

    began: datetime
    who: str
    accepted: bool
    findings: int
    counts: Mapping[str, int]
    marks: Marks | None


def take(bench: Workbench) -> Marks:
    """The marks as they are now. Positions first: a row of what lies before them is in its table by then."""
    shards = {lease.shard: (str(lease.checkpoint.sequence), lease.checkpoint.sub_sequence) for lease in bench.leases()}
    found = {table: bench.work(partial(_ids, table)) for table in bench.bank.tables}
    proving = {proof.table for proof in bench.bank.proofs}
    rows, settled = ({table: ids[which] for table, ids in found.items()} for which in (0, 1))
    proved = {table: settled[table] if table in settled else bench.work(partial(_ids, table))[1] for table in proving}
    return Marks(int(time.time() * 1000), shards, rows, settled, None, proved)


def log_of(bench: Workbench, last: Marks | None) -> LogMark:
    """How far the last audit has accounted for the log of operations."""
    if last is not None and last.log is not None:
        return last.log
    return mark_before(bench, datetime.now(UTC).replace(tzinfo=None) if last is None else last.at)


def last(bench: Workbench) -> tuple[int, Marks | None]:
    """Those of the last audit that held, or was accepted, or got so far; None before the first. And their row's id."""
    found = bench.query(_LAST)
    return (int(found[0][0]), msgspec.json.decode(found[0][1], type=Marks)) if found else (0, None)


def note(transaction: Transaction, result: Result) -> None:
    """Write the audit's row; the caller commits."""
    marks = None if result.marks is None else _text(result.marks)
    counts = json.dumps(dict(result.counts))
    transaction.execute(_NOTE, (result.began, result.who, int(result.accepted), result.findings, counts, marks))


def note_progress(transaction: Transaction, began: datetime, who: str, marks: Marks, after: int) -> int | None:
    """Write how far an audit came that goes on; the row's id. The caller commits.

    None where another audit has noted marks since the row `after`: they stay the last ones.
    """
    values = (began, who, json.dumps({"under_way": 1}), _text(marks), after)
    if not transaction.execute(_NOTE_PROGRESS, values):
        return None
    ((row,),) = transaction.query("SELECT LAST_INSERT_ID()")
    return int(row)


def _text(marks: Marks) -> str:
    return msgspec.json.encode(marks).decode()


def _ids(table: str, transaction: Transaction) -> tuple[int, int]:
    ((highest,),) = transaction.query(f"SELECT COALESCE(MAX(id), 0) FROM `{table}`")
    since = now_of(transaction) - SETTLED_AFTER
    return int(highest), first_id(transaction, table, since, int(highest) + 1) - 1
