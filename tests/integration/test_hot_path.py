"""What applying a chunk asks of the database, as it was asked: its plans, its locks, and what a long history costs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from pipeline.messages.records import Record
from pipeline.mysql.database import Transaction
from producers.bank import BankShape, fill
from producers.traffic import Traffic
from tests.integration.messages import NOW, loan_payment, payment, quote, record, transfer
from tests.integration.recorded import explained, recorded, shape
from tests.integration.small_bank import SmallBank
from tests.schema import Schema

SHAPE = BankShape(2000)
BEFORE, CHUNK = 2000, 300
DEPLOYED_CHUNK = 1000
WRITTEN = ("transactions", "card_transactions", "loan_payments", "stocks", "fraud_alerts")
BY_KEY = {"const", "eq_ref", "ref", "range"}
"""The ways in which a plan may look into a table: through an index, for what is named."""
ACCOUNT_FIELDS = ("origin_accounts_id", "destination_accounts_id", "merchant_account_id", "account_id")


@pytest.fixture(scope="module")
def bank(migrated: Schema, moto: str) -> Iterator[SmallBank]:
    """Tables with some thousands of rows, and the server's statistics of them up to date."""
    schema = migrated.copy(f"{migrated.name}_hot_path")
    with closing(schema.connect()) as connection:
        fill(connection, SHAPE, 1)
    bank = SmallBank(schema, moto)
    bank.apply(*traffic(1, BEFORE))
    for table in (*WRITTEN, "accounts", "cards", "loans", "users"):
        schema.query(f"ANALYZE TABLE {table}")
    yield bank
    schema.drop()


def traffic(seed: int, messages: int) -> list[Record]:
    """Of every type, odd ones, repeats, and many payments that are looked at closely."""
    found = islice(Traffic(seed, SHAPE, bank_seed=1, odd=0.2, ids=0.5, now=NOW.replace(tzinfo=None)), messages)
    return [record(data) for _, data in found]


def test_every_statement_finds_its_rows_by_an_index(bank: SmallBank) -> None:
    again = traffic(1, BEFORE)
    with recorded(bank.schema) as statements:
        reports = bank.try_to_apply([*again, *traffic(2, CHUNK)], chunk_size=DEPLOYED_CHUNK)
    assert [report.failure for report in reports] == [None]
    asked = longest(text for text in statements if re.match(r"(SELECT|INSERT|UPDATE|DELETE)\b", text))
    scans, looked_into = [], set()
    with closing(bank.schema.connect()) as connection:
        for form, text in asked.items():
            for step in explained(connection, text):
                if not is_a_table(step):
                    continue
                looked_into |= {table for table in tables_of(form) if step["key"]}
                if step["type"] not in BY_KEY or not step["key"]:
                    scans.append(f"{step['table']}: {step['type']}, key {step['key']}: {form[:300]}")
    assert not scans
    assert looked_into >= {"accounts", "cards", "loans", *WRITTEN} - {"fraud_alerts"}, "a run that asks too little"
    inserted = {match[1] for form in asked if (match := re.match(r"INSERT INTO `(\w+)`", form))}
    assert inserted == set(WRITTEN)


def longest(statements: Iterable[str]) -> dict[str, str]:
    """Of each shape the one that names most: a server that goes by an index for ten ids may scan for hundreds."""
    return {shape(text): text for text in sorted(statements, key=len)}


def is_a_table(step: Mapping[str, Any]) -> bool:
    """Not a constant, a derived table, a table function, or the target of a plain INSERT, which reads nothing."""
    name, extra = str(step["table"] or ""), str(step["Extra"] or "")
    derived = not name or name.startswith("<") or "Table function" in extra
    return not derived and not (step["select_type"] == "INSERT" and step["rows"] is None)


def tables_of(form: str) -> set[str]:
    return {table for table in ("accounts", "cards", "loans", *WRITTEN) if re.search(rf"\b{table}\b", form)}


def test_a_chunk_locks_the_rows_that_its_messages_name_and_no_other(
    bank: SmallBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [*traffic(3, CHUNK), record(transfer(1, SHAPE.accounts + 500)), record(loan_payment(10**9, 1))]
    seen: list[dict[str, set[int]]] = []
    before = balances(bank.schema)
    commit = Transaction.commit

    def looked_at(transaction: Transaction) -> None:
        seen.append({table: locked(bank.schema, table, key) for table, key in KEYS.items()})
        insert_between(bank.schema)
        commit(transaction)

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "commit", looked_at)
        bank.apply(*sent)
    assert len(seen) == 1, "a chunk is one transaction"
    named = named_by(bank.schema, sent)
    for table, rows in seen[0].items():
        assert rows, f"no row of {table} was locked: nothing was looked at"
        assert rows <= named[table], f"{len(rows - named[table])} rows of {table} are locked that nobody named"
    changed = {account for account, balance in balances(bank.schema).items() if balance != before[account]}
    assert changed <= seen[0]["accounts"]


def test_on_mysql_every_lock_is_of_one_row_by_its_primary_key(bank: SmallBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the server lists them: no gap, no end of an index, no entry of a secondary index, no whole table."""
    if bank.schema.is_mariadb:
        pytest.skip("MariaDB lists no locks but those waited for; what is inserted between the rows shows it there")
    seen: list[tuple[Any, ...]] = []
    commit = Transaction.commit

    def looked_at(transaction: Transaction) -> None:
        seen.extend(bank.schema.query(LOCKS, (bank.schema.name,)))
        commit(transaction)

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "commit", looked_at)
        bank.apply(*traffic(4, CHUNK))
    assert {lock for lock in seen if lock[1] == "TABLE"} == {(table, "TABLE", None, "IX") for table in ALL_TABLES}
    rows = {lock for lock in seen if lock[1] != "TABLE"}
    assert rows == {(table, "RECORD", "PRIMARY", "X,REC_NOT_GAP") for table in KEYS}


def test_what_needs_no_account_is_written_before_anything_is_locked(
    database: Schema, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, done = SmallBank(database, moto), list[str]()
    query, insert = Transaction.query, Transaction.insert

    def noted_query(transaction: Transaction, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        done.append("lock" if sql.endswith("FOR UPDATE") else "read")
        return query(transaction, sql, parameters)

    def noted_insert(transaction: Transaction, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
        done.append(table)
        insert(transaction, table, columns, rows)

    owner, shop = bank.account("100.00"), bank.account()
    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "query", noted_query)
        patched.setattr(Transaction, "insert", noted_insert)
        bank.apply(*(record(message) for message in (transfer(owner, shop), quote(), quote(price=-1))))
        assert [step for step in done if step != "read"] == ["stocks", "lock", "transactions"]
        done.clear()
        bank.apply(record(quote()))
        assert done == ["read", "stocks"]


LOCKS = (
    "SELECT object_name, lock_type, index_name, lock_mode FROM performance_schema.data_locks WHERE object_schema = %s"
)

KEYS = {"accounts": "id", "cards": "card_num", "loans": "id"}
ALL_TABLES = {*KEYS, *WRITTEN}


def locked(schema: Schema, table: str, key: str) -> set[int]:
    """The rows that another transaction would have to wait for."""
    everything = {int(row) for (row,) in schema.query(f"SELECT {key} FROM {table}")}
    free = {int(row) for (row,) in schema.query(f"SELECT {key} FROM {table} FOR UPDATE SKIP LOCKED")}
    return everything - free


def insert_between(schema: Schema) -> None:
    """Rows of other services, beside, below and above those of the chunk: error 1205 where a gap is locked."""
    with closing(schema.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
        for number in (0, SHAPE.accounts + 1, 4_000_000_000):
            cursor.execute(
                "INSERT INTO accounts (id, users_id, account_type, balance, payment_due, debt_interest, active,"
                " approved, confirmed) VALUES (%s, 1, 'Checking', 0, 0, 0, 1, 1, 1)",
                (number,),
            )
        for event in (b"\0" * 16, b"\x01" * 16, b"\x80" * 16, b"\xff" * 16):
            for table in ("transactions", "card_transactions", "loan_payments"):
                columns = COLUMNS[table]
                values = ", ".join(["1"] * (columns.count(",") + 1))
                cursor.execute(
                    f"INSERT INTO {table} ({columns}, time_stamp, status, event_id) VALUES ({values}, NOW(), 1, %s)",
                    (event,),
                )
        connection.rollback()


COLUMNS = {
    "transactions": "origin_account, destination_account, memo, transfer_value",
    "card_transactions": "card_num, merchant_account_id, memo, transfer_value",
    "loan_payments": "loan_id, account_id, amount",
}


def named_by(schema: Schema, sent: list[Record]) -> dict[str, set[int]]:
    """The rows that the messages name, read from their bytes."""
    messages = [json.loads(one.data) for one in sent if one.data[:1] == b"{" and one.data[-1:] == b"}"]
    cards = numbers(messages, "card_num")
    owners = {
        int(owner) for number, owner in schema.query("SELECT card_num, accounts_id FROM cards") if number in cards
    }
    accounts = owners.union(*(numbers(messages, field) for field in ACCOUNT_FIELDS))
    return {"accounts": accounts, "cards": cards, "loans": numbers(messages, "loan_id")}


def numbers(messages: list[dict[str, Any]], field: str) -> set[int]:
    return {int(message[field]) for message in messages if isinstance(message.get(field), int | float)}


def balances(schema: Schema) -> dict[int, object]:
    return dict(schema.query("SELECT id, balance FROM accounts"))


def test_a_payment_costs_the_same_however_long_its_cards_history_is(database: Schema, moto: str) -> None:
    """Counted in rows that the server read, not in time."""
    bank = SmallBank(database, moto)
    owner, shop = bank.account("1000.00"), bank.account()
    card, loan = bank.card(owner), bank.loan()
    for ago in (1, 2, 10, 20):
        bank.spent(card, "20.00" if ago < 3 else "400.00", timedelta(days=ago))

    def reads() -> int:
        before = handler_reads(database)
        looked_at = payment(card, shop, 0.01, location="FR")
        report = bank.apply(
            *(record(one) for one in (looked_at, transfer(owner, shop), loan_payment(loan, owner), quote()))
        )
        assert report.outcomes["card_transaction", "1"] == 1
        return handler_reads(database) - before

    reads()
    short = reads()
    old = [(card, "20.00", (NOW - timedelta(days=40, minutes=minute)).replace(tzinfo=None)) for minute in range(3000)]
    with closing(database.connect(autocommit=True)) as connection, closing(connection.cursor()) as cursor:
        cursor.executemany(
            "INSERT INTO card_transactions (card_num, merchant_account_id, memo, transfer_value, time_stamp, status)"
            " VALUES (%s, 1, '', %s, %s, 1)",
            old,
        )
        cursor.execute("ANALYZE TABLE card_transactions")
        cursor.fetchall()
    assert reads() <= short + 20, "3,000 payments of 40 days ago are read again"


def handler_reads(schema: Schema) -> int:
    """Rows that the server has read since it started, for everybody; this look is among them, the same each time."""
    return sum(int(count) for _, count in schema.query("SHOW GLOBAL STATUS LIKE 'Handler_read%'"))
