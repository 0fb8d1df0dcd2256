"""audit: holds after traffic of every kind, and tells of whatever is done behind the service's back."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from pipeline.dstream.monitoring.last_audit import last_audit
from pipeline.kinesis.reader import KinesisReader
from pipeline.messages.records import END, Event
from pipeline.operations.letters.redrive import apply_records
from pipeline.runtime.errors import Trimmed
from producers.bank import BankShape, fill
from producers.kinesis import put
from producers.traffic import Traffic
from tests.integration.messages import loan_payment, payment, quote, transfer
from tests.integration.operated import Operated
from tests.integration.test_operations_redrive import account, card, data
from tests.schema import Schema

SHAPE = BankShape(200)
EVERY = "1-4294967295"
ALL = ("--accounts", EVERY, "--loans", EVERY)
MESSAGES = 300
RICH, SHOP, NOBODY = 1, 2, 999
LOAN = (
    "INSERT INTO loans (id, users_id, balance, interest_rate, payment_due, loan_type, monthly_payment, active,"
    " approved, confirmed) VALUES (1, 1, -50000, 0, 0, 'Car', 0, 1, 1, 1)"
)


@pytest.fixture
def bank(database: Schema, moto: str) -> Operated:
    """Its first audit has noted two accounts; a row of each kind, a letter, a skipped message and a repeat follow."""
    bank = Operated(database, moto)
    bank.start()
    account(bank, RICH, "1000.00")
    account(bank, SHOP, "0.00")
    number = card(bank, RICH)
    bank.schema.execute(LOAN)
    first = bank.json("audit", *ALL)
    assert (first["counts"], first["since"]) == ({}, None)
    repeated = transfer(RICH, SHOP, 5, id="twice")
    bank.stream.put(
        *map(data, (transfer(RICH, SHOP, 10), payment(number, SHOP, 20), loan_payment(1, RICH, 3), quote(), repeated)),
        *map(data, (repeated, {**repeated, "memo": "another"}, quote(status=1), transfer(RICH, NOBODY))),
        b"not JSON",
    )
    bank.consume()
    return bank


def found(bank: Operated, *arguments: str) -> dict[str, int]:
    """What does not hold."""
    answer = bank.run("audit", *arguments, "--json")
    told: dict[str, int] = json.loads(answer.stdout)["findings"]
    assert answer.exit_code == int(bool(told)), answer.output
    return told


def test_it_holds_after_a_run_and_goes_on_from_there(bank: Operated) -> None:
    told = bank.json("audit", *ALL)
    assert told["findings"] == {}
    counts = {"messages": 10, "rows": 7, "letters": 2, "skipped": 1, "mended": 0, "balances": 3}
    assert told["counts"] == counts
    bank.stream.put(data(transfer(SHOP, RICH, 1)))
    bank.consume()
    assert bank.json("audit", *ALL)["counts"] == {**counts, "messages": 1, "rows": 1, "letters": 0, "skipped": 0}
    assert "all holds" in bank.run("audit", *ALL).stdout


def test_what_is_applied_and_not_committed_yet_is_no_finding_now_or_later(bank: Operated) -> None:
    bank.stream.put(data(transfer(RICH, SHOP, 7)), b"[]")
    apply_records(bank.bench.partition, bank.stream.read().records, Counter())
    told = bank.json("audit", *ALL)
    assert (told["findings"], told["counts"]["messages"]) == ({}, 10)
    bank.consume()
    assert bank.json("audit", *ALL)["counts"]["messages"] == 2


def test_a_shard_that_was_read_to_its_end_is_audited_once(bank: Operated) -> None:
    (lease,) = bank.bench.leases()
    bank.bench.lease_table.checkpoint(lease, END, caught_up_at=0)
    assert bank.json("audit", *ALL)["counts"]["messages"] == 10
    assert bank.json("audit", *ALL)["counts"]["messages"] == 0


TAMPERED = {
    "a deleted row": ("DELETE FROM stocks", {"no_outcome": 1}),
    "a deleted row of money": (
        "DELETE FROM transactions WHERE transfer_value = 10",
        {"no_outcome": 1, "balance_differs": 2},
    ),
    "an invented row": (
        "INSERT INTO stocks (ticker, name, price, volume, high, low, timestamp, status, event_id, applied_at)"
        " SELECT ticker, name, price, volume, high, low, timestamp, status, REPEAT('x', 16), applied_at FROM stocks",
        {"invented_row": 1},
    ),
    "a row of another writer": (
        "INSERT INTO transactions (origin_account, destination_account, memo, transfer_value, time_stamp, status)"
        " VALUES (1, 2, '', 4, NOW(), 1)",
        {"invented_row": 1, "balance_differs": 2},
    ),
    "a changed balance": ("UPDATE accounts SET balance = balance + 0.01 WHERE id = 2", {"balance_differs": 1}),
    "a changed loan": ("UPDATE loans SET balance = balance - 0.01", {"balance_differs": 1}),
    "a changed amount": ("UPDATE loan_payments SET amount = 2.99", {"row_differs": 1, "balance_differs": 2}),
    "a changed row of a producer's own id": (
        "UPDATE transactions SET memo = 'mine' WHERE transfer_value = 5",
        {"row_differs": 1},
    ),
    "a status turned round": (
        "UPDATE transactions SET status = -1 WHERE transfer_value = 10",
        {"balance_differs": 2},
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_whatever_is_done_behind_its_back_is_told(bank: Operated, what: str) -> None:
    statement, expected = TAMPERED[what]
    assert bank.schema.execute(statement) == 1
    assert found(bank, *ALL) == expected


def test_a_finding_comes_back_until_it_is_accepted(bank: Operated) -> None:
    bank.schema.execute("UPDATE accounts SET balance = balance - 1 WHERE id = 1")
    for arguments in (ALL, ALL, (*ALL, "--accept")):
        assert found(bank, *arguments) == {"balance_differs": 1}
    assert found(bank, *ALL) == {}


def test_a_missing_letter_is_told_and_replay_mends_it(bank: Operated) -> None:
    bank.bench.dead_letters.delete(bank.letters())
    told = bank.json("audit", *ALL, code=1)
    assert told["findings"] == {"no_outcome": 2}
    assert {one["where"].partition(" ")[0] for one in told["examples"]} == {"shardId-000000000000"}
    now = datetime.now(UTC)
    span = [f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in (now - timedelta(hours=1), now + timedelta(hours=1))]
    bank.run("replay", "--from", span[0], "--to", span[1], "--yes")
    assert found(bank, *ALL) == {}


def test_rows_of_older_messages_are_mended_only_as_far_as_a_redrive_noted_them(bank: Operated) -> None:
    bank.json("audit", *ALL)
    account(bank, NOBODY, "0.00")
    assert bank.json("redrive", "--reason", "no_account")["applied"] == 1
    told = bank.json("audit", *ALL)
    assert (told["findings"], told["counts"]["mended"]) == ({}, 1)
    bank.schema.execute(
        "INSERT INTO transactions (origin_account, destination_account, memo, transfer_value, time_stamp, status,"
        " event_id, applied_at) SELECT origin_account, destination_account, memo, 0, time_stamp, -4,"
        " REPEAT('x', 16), applied_at FROM transactions ORDER BY id DESC LIMIT 1"
    )
    assert found(bank, *ALL) == {"invented_row": 1}


def test_a_span_is_audited_without_marks_and_leaves_none(bank: Operated) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=5)
    span = ("--from", f"{begin:%Y-%m-%dT%H:%M:%S}", "--to", f"{begin + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}")
    assert bank.json("audit", *span)["counts"] == {"messages": 10, "rows": 7, "letters": 2, "skipped": 1}
    bank.schema.execute("DELETE FROM stocks")
    assert found(bank, *span) == {"no_outcome": 1}
    assert bank.schema.query("SELECT COUNT(*) FROM audits") == [(1,)]
    for wrong in (("--from", span[1]), (*span, "--accept"), ("--accounts", "all"), ("--loans", "1-")):
        assert bank.run("audit", *wrong).exit_code == 2


def test_balances_that_the_last_audit_did_not_note_are_noted_first(bank: Operated) -> None:
    assert bank.json("audit", "--accounts", "2")["counts"]["balances"] == 1
    bank.schema.execute("UPDATE accounts SET balance = 5 WHERE id = 1")
    bank.schema.execute("UPDATE loans SET balance = -5")
    assert bank.json("audit", *ALL)["counts"]["balances"] == 1
    bank.schema.execute("UPDATE accounts SET balance = 6 WHERE id = 1")
    assert found(bank, *ALL) == {"balance_differs": 1}
    assert found(bank) == {}, "nobody said that only this service writes accounts"


def test_the_service_may_move_money_meanwhile(database: Schema, moto: str) -> None:
    """Traffic of every kind, odd messages included; audits beside it hold, and so does the one after it."""
    bank = Operated(database, moto)
    bank.start()
    with closing(bank.schema.connect()) as connection:
        fill(connection, SHAPE, 1)
    bank.json("audit", *ALL)
    put(bank.stream.client, bank.stream.name, islice(Traffic(1, SHAPE, odd=0.3, ids=0.3), MESSAGES))
    consuming = threading.Thread(target=lambda: [bank.consume(50) for _ in range(MESSAGES // 50)])
    consuming.start()
    beside: list[Any] = []
    while consuming.is_alive() or not beside:
        beside.append(bank.json("audit", *ALL))
    consuming.join()
    last = bank.json("audit", *ALL)
    counted = [one["counts"] for one in (*beside, last)]
    assert sum(counts["messages"] for counts in counted) == MESSAGES
    assert sum(counts["rows"] + counts["letters"] + counts["skipped"] for counts in counted) == MESSAGES
    assert len(counted) > 2, "none ran beside"
    assert all(counts["balances"] == SHAPE.accounts + SHAPE.count(SHAPE.loans) for counts in counted)
    assert bank.schema.query("SELECT COUNT(*) > 0 FROM card_transactions WHERE status = -8") == [(1,)]


def test_a_transaction_that_is_open_during_an_audit_is_counted_by_the_next(bank: Operated) -> None:
    """Its row has an id below the highest one, and is not to be seen yet."""
    account(bank, 3)
    account(bank, 4)
    bank.json("audit", *ALL)
    bank.stream.put(data(transfer(RICH, SHOP, 7)), data(transfer(3, 4, 8)))
    records = bank.stream.read(bank.bench.leases()[0].checkpoint).records
    event = bank.bench.router.interpret(records[0])
    assert isinstance(event, Event)
    with closing(bank.schema.connect()) as other, closing(other.cursor()) as cursor:
        cursor.execute("UPDATE accounts SET balance = balance + IF(id = 1, -7, 7) WHERE id IN (1, 2)")
        cursor.execute(
            "INSERT INTO transactions (origin_account, destination_account, memo, transfer_value, time_stamp, status,"
            " event_id, applied_at) VALUES (1, 2, 'rent', 7, '2021-10-06 11:28:47', 1, %s, UTC_TIMESTAMP(6))",
            (event.identity,),
        )
        apply_records(bank.bench.partition, records[1:], Counter())
        assert found(bank, *ALL) == {}
        other.commit()
    bank.consume()
    assert found(bank, *ALL) == {}
    assert bank.schema.query("SELECT transfer_value FROM transactions ORDER BY id DESC LIMIT 2") == [(8,), (7,)]


def test_what_the_stream_has_trimmed_cannot_be_audited_and_is_told(bank: Operated, monkeypatch: Any) -> None:
    def trimmed(self: KinesisReader, wanted: object) -> None:
        raise Trimmed("it no longer holds 17: records behind it may be lost unread")

    with monkeypatch.context() as patched:
        patched.setattr(KinesisReader, "read", trimmed)
        assert found(bank)["trimmed"] == 1
    assert found(bank, *ALL) == {}


def test_metrics_tell_of_the_last_audit(bank: Operated) -> None:
    with closing(bank.bench.database.connect()) as connection:
        assert (last_audit(connection) or (1,))[0] == 0
    bank.schema.execute("UPDATE accounts SET balance = 5")
    found(bank, *ALL)
    with closing(bank.bench.database.connect()) as connection:
        told = last_audit(connection)
    assert told is not None and told.findings == 2
    assert abs(told.ended - datetime.now(UTC).timestamp()) < 60
