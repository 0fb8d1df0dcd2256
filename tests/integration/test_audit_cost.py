"""What an audit costs: as much as came since the last one, whatever lies before that."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

import pipeline.kinesis.reader
from pipeline.kinesis.get_records import GetRecordsAnswer, get_records
from pipeline.operations import shard_pages
from pipeline.operations.audit import marks as audit_marks
from pipeline.operations.audit import messages as audit
from tests.integration.messages import loan_payment, payment, quote, transfer
from tests.integration.operated import Operated
from tests.integration.small_bank import FIRST_CARD
from tests.integration.test_audit import ALL, LOAN, RICH, SHOP
from tests.integration.test_audit_cards import STRANGE
from tests.integration.test_operations_redrive import account, card, data
from tests.schema import Schema

INTERVAL = 400
FRAUDS = 2
"""Of them, each of an account of its own."""
PAGE = 100
HISTORY = 20_000
"""Rows of each of five tables; the stream has INTERVAL messages from before."""
OWNERS = itertools.count(100)


class Cost(NamedTuple):
    """Of one audit. `rows`: what the server read of tables and indexes, by its own count."""

    messages: int
    calls: int
    records: int
    rows: int


def audited(bank: Operated, monkeypatch: pytest.MonkeyPatch) -> Cost:
    """Audit, and count."""
    answers: list[GetRecordsAnswer] = []

    def counted(*arguments: Any) -> GetRecordsAnswer:
        answers.append(get_records(*arguments))
        return answers[-1]

    before = rows_read(bank.schema)
    with monkeypatch.context() as patched:
        patched.setattr(pipeline.kinesis.reader, "get_records", counted)
        told = bank.json("audit", *ALL)
    rows = rows_read(bank.schema) - before
    return Cost(told["counts"]["messages"], len(answers), sum(len(one.records) for one in answers), rows)


def rows_read(schema: Schema) -> int:
    told = schema.query("SHOW GLOBAL STATUS LIKE 'Handler_read%'")
    return sum(int(number) for name, number in told if not name.lower().endswith("_tmp"))


def came(bank: Operated, intervals: int) -> None:
    """So many intervals of traffic, each like the other: as many messages of each type, a few frauds among them."""
    number = FIRST_CARD + RICH
    for _ in range(intervals):
        some = (transfer(RICH, SHOP, 1), quote(), payment(number, SHOP, 1), loan_payment(1, RICH, 1))
        records = [data(message) for message in some * (INTERVAL // 4)]
        for at in range(FRAUDS):
            owner = next(OWNERS)
            account(bank, owner)
            records[4 * at + 2] = data(payment(card(bank, owner), SHOP, 50, **STRANGE))
        entries = [{"Data": one, "PartitionKey": "constant"} for one in records]
        bank.stream.client.put_records(StreamName=bank.stream.name, Records=entries)
    bank.consume()


def grew(schema: Schema) -> None:
    """Years of rows, and the log of a thousand commands."""
    paid = "merchant_account_id, memo, transfer_value, time_stamp"
    for table, columns in (
        ("stocks", "ticker, name, price, volume, high, low, timestamp, status"),
        ("transactions", "origin_account, destination_account, memo, transfer_value, time_stamp, status"),
        ("card_transactions", f"card_num, {paid}, paying_account_id, status"),
        ("loan_payments", "loan_id, account_id, amount, time_stamp, status"),
        ("fraud_alerts", "accounts_id, transfer_value, memo, time_stamp"),
    ):
        schema.execute(
            f"INSERT INTO {table} ({columns}, event_id, applied_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL "
            f"SELECT i + 1 FROM n WHERE i < 1000) SELECT {columns}, UNHEX(LEFT(SHA2(CONCAT(a.i, ' ', b.i), 256), 32)), "
            f"UTC_TIMESTAMP(6) - INTERVAL 2 DAY FROM (SELECT * FROM {table} LIMIT 1) AS one, n AS a, n AS b "
            f"WHERE b.i <= {HISTORY // 1000}"
        )
    schema.execute(
        "INSERT INTO operations_log (began_at, ended_at, who, command, arguments, counts) WITH RECURSIVE n (i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT UTC_TIMESTAMP(6) - INTERVAL 2 DAY, "
        "UTC_TIMESTAMP(6) - INTERVAL 2 DAY, 'Ada', 'redrive', '{}', '{}' FROM n"
    )


def test_it_costs_what_came_since_the_last_one_however_long_the_history(
    database: Schema, moto: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "RECORDS", PAGE)
    monkeypatch.setattr(shard_pages, "PAGE_EVERY", 0.0)
    monkeypatch.setattr(audit_marks, "SETTLED_AFTER", timedelta(0))  # else ten minutes' rows come on top each time
    bank = Operated(database, moto)
    bank.start()
    account(bank, RICH, "100000.00")
    account(bank, SHOP, "0.00")
    card(bank, RICH)
    bank.schema.execute(LOAN)
    bank.json("audit", *ALL)
    came(bank, 1)
    short = audited(bank, monkeypatch)
    grew(bank.schema)
    bank.json("audit", *ALL, "--accept", code=1)
    costs = []
    for intervals in (1, 3, 1):
        came(bank, intervals)
        costs.append(audited(bank, monkeypatch))
    shown = {"1 interval": short, f"1 behind {5 * HISTORY:,} rows": costs[0], "3": costs[1], "1 again": costs[2]}
    with capsys.disabled():
        print("", *(f"{name}: {cost}" for name, cost in shown.items()), sep="\n")
    one, three, again = costs
    assert [cost.messages for cost in (short, one, three, again)] == [INTERVAL, INTERVAL, 3 * INTERVAL, INTERVAL]
    for later in (one, again):
        assert (later.calls, later.records) == (short.calls, short.records)
        assert later.rows < short.rows + INTERVAL / 4, "it looks at what lies before"
    assert three.calls <= 3 * one.calls and three.records <= 3 * one.records
    assert 2 * one.rows < three.rows < 3 * one.rows + INTERVAL / 4
