"""audit beside the log of operations: a redrive or a replay excuses the rows that it noted, and no other."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.applying.applied import Applied
from pipeline.applying.partition import Partition
from pipeline.applying.unit_of_work import UnitOfWork
from pipeline.operations import journal
from pipeline.operations.audit import marks as audit_marks
from pipeline.operations.audit.marks import Marks
from pipeline.operations.letters import redrive
from pipeline.operations.workbench import Workbench
from pipeline.runtime.errors import Halted
from tests.integration.messages import quote, transfer
from tests.integration.operated import Operated
from tests.integration.test_audit import ALL, NOBODY, RICH, SHOP, found
from tests.integration.test_operations_redrive import account, data
from tests.schema import Schema

INVENTED = (
    "INSERT INTO {table} ({columns}, status, event_id, applied_at) SELECT {columns}, {status},"
    " UNHEX(LEFT(SHA2(RAND(), 256), 32)), {at}"
    " FROM (SELECT * FROM {table} ORDER BY id DESC LIMIT 1) AS one, five LIMIT {rows}"
)
COLUMNS = {
    "transactions": "origin_account, destination_account, memo, transfer_value, time_stamp",
    "stocks": "ticker, name, price, volume, high, low, timestamp",
}


@pytest.fixture
def bank(database: Schema, moto: str) -> Operated:
    """It was audited with three letters in it, whose cause was mended since."""
    bank = Operated(database, moto)
    bank.start()
    account(bank, RICH)
    account(bank, SHOP)
    database.execute("CREATE TABLE five SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5")
    bank.json("audit", *ALL)
    bank.stream.put(*[data(transfer(NOBODY, RICH, 0.01 * number)) for number in (1, 2, 3)], data(quote()))
    bank.stream.put(data(transfer(RICH, SHOP, 1)))
    bank.consume()
    bank.json("audit", *ALL)
    account(bank, NOBODY)
    bank.json("audit", *ALL)
    return bank


def invent(bank: Operated, rows: int, table: str = "transactions", status: int = 1, at: str = "applied_at") -> None:
    """Rows of no message, that moved no money that anybody looks at."""
    sql = INVENTED.format(table=table, columns=COLUMNS[table], status=status, at=at, rows=rows)
    assert bank.schema.execute(sql) == rows


def entries(bank: Operated) -> list[tuple[str, bool, str]]:
    """Of the log: command, whether it ended, counts."""
    return [(one["command"], one["ended_at"] is not None, one["counts"]) for one in bank.json("log")]


def test_a_command_that_an_error_ended_has_ended_and_excuses_nothing(bank: Operated) -> None:
    assert bank.run("redrive", "7").exit_code == 1
    assert [ended for _, ended, _ in entries(bank)] == [True]
    for _ in range(2):
        invent(bank, 5, at="UTC_TIMESTAMP(6)")
    assert found(bank) == {"invented_row": 10}


@pytest.mark.parametrize(("table", "status"), [("transactions", 1), ("transactions", -4), ("stocks", 1)])
def test_rows_are_excused_as_far_as_they_were_noted_and_no_further(bank: Operated, table: str, status: int) -> None:
    assert bank.json("redrive")["applied"] == 3
    ((moment,),) = bank.schema.query("SELECT MAX(applied_at) FROM transactions")
    invent(bank, 2, table, status, f"'{moment}'")
    told = bank.json("audit", code=1)
    assert (told["findings"], told["counts"]["mended"]) == ({"invented_row": 2}, 3)


def test_rows_that_were_excused_once_are_not_excused_again(bank: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a command that ends while the audit begins: both this audit and the next have to look at it."""
    take = audit_marks.take
    late = iter([True])

    def taking(bench: Workbench) -> Marks:
        if next(late, False):
            bank.json("redrive")
        return take(bench)

    monkeypatch.setattr(audit_marks, "take", taking)
    assert bank.json("audit", *ALL)["counts"]["mended"] == 3
    invent(bank, 1)
    assert found(bank) == {"invented_row": 1}


def test_a_command_that_noted_no_end_is_told_until_it_has_one_or_is_accepted(bank: Operated) -> None:
    began = "UTC_TIMESTAMP(6) - INTERVAL 1 HOUR"
    for command in ("redrive", "replay", "purge"):
        bank.schema.execute(
            f"INSERT INTO operations_log (began_at, who, command, arguments) VALUES ({began}, 'Ada', '{command}', '')"
        )
    invent(bank, 2, at="UTC_TIMESTAMP(6)")
    told = bank.json("audit", code=1)
    assert told["findings"] == {"unended_command": 2, "invented_row": 2}
    where = {one["where"]: one["told"] for one in told["examples"]}
    assert any(name.startswith("redrive ") and name.endswith(" of Ada") for name in where)
    bank.schema.execute("UPDATE operations_log SET ended_at = UTC_TIMESTAMP(6) WHERE command = 'replay'")
    assert found(bank, "--accept") == {"unended_command": 1, "invented_row": 2}
    assert found(bank) == {}
    invent(bank, 1, at="UTC_TIMESTAMP(6)")
    assert found(bank) == {"invented_row": 1}


def test_a_command_that_was_under_way_during_the_first_audit_is_told_by_the_second(database: Schema, moto: str) -> None:
    bank = Operated(database, moto)
    bank.start()
    database.execute(
        "INSERT INTO operations_log (began_at, who, command, arguments) VALUES (UTC_TIMESTAMP(6), 'Ada', 'replay', '')"
    )
    bank.json("audit")
    assert found(bank) == {"unended_command": 1}


def test_the_log_is_read_from_where_the_last_audit_left_it(bank: Operated) -> None:
    bank.json("redrive")
    bank.json("audit")
    ((entry,),) = bank.schema.query("SELECT MAX(id) FROM operations_log")
    _, last = audit_marks.last(bank.bench)
    assert last is not None and last.log is not None
    assert (last.log.through, last.log.open) == (entry, {})


def test_marks_of_an_older_version_look_a_day_back(bank: Operated) -> None:
    bank.schema.execute("UPDATE audits SET marks = JSON_REMOVE(marks, '$.log', '$.proved')")
    bank.json("redrive")
    assert bank.json("audit")["counts"]["mended"] == 3


def test_what_was_applied_before_an_error_is_noted(bank: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second chunk of a slab fails: the first is committed."""
    apply, called = UnitOfWork.apply, Counter[str]()

    def failing(self: UnitOfWork, chunk: Sequence[Any]) -> Applied:
        called["apply"] += 1
        if called["apply"] > 1:
            raise Halted("no more")
        return apply(self, chunk)

    with monkeypatch.context() as patched:
        patched.setattr(UnitOfWork, "apply", failing)
        result = bank.run("redrive", settings={"CHUNK_SIZE": "1"})
    assert (result.exit_code, result.stderr) == (1, "redrive: no more\n")
    assert [(ended, "transaction 1" in counts) for _, ended, counts in entries(bank)] == [(True, True)]
    told = bank.json("audit")
    assert (told["findings"], told["counts"]["mended"]) == ({}, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_command_after_the_step_under_way_and_all_that_it_did_is_noted(
    bank: Operated, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = Partition.apply

    def signalled(self: Partition, blocks: Any) -> Any:
        os.kill(os.getpid(), number)
        time.sleep(0.01)  # Python takes it between two instructions
        return apply(self, blocks)

    before = signal.getsignal(number)
    with monkeypatch.context() as patched:
        patched.setattr(redrive, "SLAB", 2)
        patched.setattr(Partition, "apply", signalled)
        result = bank.run("redrive")
    assert signal.getsignal(number) == before
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(f"redrive: stopped by {number.name}, ")
    assert len(bank.letters()) == 1
    assert bank.json("audit")["counts"]["mended"] == 2
    assert bank.json("redrive")["applied"] == 1
    assert bank.json("audit")["counts"]["mended"] == 1


def test_a_command_that_is_killed_has_noted_what_it_did_before(bank: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it died: nothing is noted at its end."""
    apply, called = Partition.apply, Counter[str]()

    def killed(self: Partition, blocks: Any) -> Any:
        called["apply"] += 1
        if called["apply"] > 2:
            raise SystemExit(137)
        return apply(self, blocks)

    with monkeypatch.context() as patched:
        patched.setattr(redrive, "SLAB", 1)
        patched.setattr(journal, "NOTE_EVERY", 0.0)
        patched.setattr(journal.Operation, "end", lambda operation: None)
        patched.setattr(Partition, "apply", killed)
        assert bank.run("redrive").exit_code == 137
    ((command, ended, counts),) = entries(bank)
    assert (command, ended) == ("redrive", False) and '"transaction 1": 2' in counts
    told = bank.json("audit", code=1)
    assert (told["findings"], told["counts"]["mended"]) == ({"unended_command": 1}, 2)
