"""A bank filled into a real database, and the checker's way of reading it back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.messages.records import END, START, Position
from producers.__main__ import app
from producers.bank import BankShape, fill, make
from tests.contract.streams import TestStream
from tests.faults.tables import read_checkpoints, read_letters, read_tables
from tests.schema import Schema

SHAPE = BankShape(300)
ROW = (
    "INSERT INTO card_transactions (card_num, merchant_account_id, memo, transfer_value, location, time_stamp, status, "
    "event_id, applied_at) VALUES (%s, 1, '', 12.50, 'US', '2026-01-01 10:00:00', %s, %s, SYSDATE(6))"
)


def test_a_filled_bank_is_read_back_as_it_was_made(database: Schema) -> None:
    rows = fill(database.connect(), SHAPE, 1)
    bank = read_tables(database.connect()).bank
    assert rows == make(SHAPE, 1)
    assert {key: (row["balance"], row["credit_limit"], row["active"]) for key, row in bank.accounts.items()} == {
        row[0]: (row[3], row[6], row[8]) for row in rows.accounts
    }
    assert {key: (row["accounts_id"], row["pin"], row["exp_date"]) for key, row in bank.cards.items()} == {
        row[1]: (row[0], row[2], row[5]) for row in rows.cards
    }
    assert {key: row["balance"] for key, row in bank.loans.items()} == {row[0]: row[2] for row in rows.loans}
    assert {key: row["last_name"] for key, row in bank.users.items()} == {row[0]: row[4] for row in rows.users}


def test_rows_come_with_their_events_and_accepted_ones_count_as_spending(database: Schema) -> None:
    event = bytes(range(16))
    database.execute(ROW, (4, 1, event))
    database.execute(ROW, (4, -1, None))
    tables = read_tables(database.connect())
    assert [row["event_id"] for row in tables.rows["card_transactions"]] == [event, None]
    assert tables.bank.spending == {4: [(datetime(2026, 1, 1, 10), Decimal("12.50"))]}
    assert tables.alerts == ()


def test_tables_are_read_as_of_one_moment_even_on_a_connection_with_weaker_isolation(database: Schema) -> None:
    fill(database.connect(), SHAPE, 1)
    connection = database.connect()
    connection.cursor().execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    real = connection.cursor

    def cursor(**options: bool) -> Any:
        """A cursor with somebody else's commit between two of its SELECTs."""
        made = real(**options)
        execute = made.execute

        def interfering(statement: str) -> object:
            if statement.endswith("FROM loans"):
                database.execute("UPDATE accounts SET balance = balance - 1 WHERE id = 1")
                database.execute("UPDATE loans SET balance = balance + 1 WHERE id = 1")
            return execute(statement)

        made.execute = interfering
        return made

    connection.cursor = cursor
    rows = make(SHAPE, 1)
    opening = sum((row[3] for row in rows.accounts), Decimal(0)) + sum((row[2] for row in rows.loans), Decimal(0))
    assert read_tables(connection).bank.money == opening


def test_the_command_fills_the_bank_that_the_settings_name(database: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in database.environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["bank", "--accounts", "300", "--bank-seed", "5"])
    assert result.exit_code == 0, result.output
    assert database.query("SELECT card_num, pin FROM cards ORDER BY 1") == [row[1:3] for row in make(SHAPE, 5).cards]
    again = CliRunner().invoke(app, ["bank", "--accounts", "300"])
    assert again.exit_code == 1, "the tables are not empty"
    assert "Traceback" not in again.output


def test_letters_and_checkpoints_are_read_page_by_page(moto: str) -> None:
    client = TestStream(moto).aws.client("dynamodb")
    for table, key, kind in (("letters", "key", "N"), ("leases", "leaseKey", "S")):
        client.create_table(
            TableName=f"checker-{table}",
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind}],
            BillingMode="PAY_PER_REQUEST",
        )
    big = 10**38 - 1
    for number in (*range(30), big):
        item = {"key": {"N": str(number)}, "reason": {"S": "x" * 50_000}}
        client.put_item(TableName="checker-letters", Item=item)
    assert set(read_letters(client, "checker-letters")) == {*range(30), big}
    for shard, checkpoint in (("a", "49600"), ("b", "SHARD_END"), ("c", "TRIM_HORIZON")):
        numbers = {"checkpointSubSequenceNumber": {"N": "3"}}
        item = {"leaseKey": {"S": shard}, "checkpoint": {"S": checkpoint}, **numbers}
        client.put_item(TableName="checker-leases", Item=item)
    other = {"leaseKey": {"S": "worker"}, "entityType": {"S": "WORKER_METRIC_STATS"}}
    client.put_item(TableName="checker-leases", Item=other)
    assert read_checkpoints(client, "checker-leases") == {"a": Position(49600, 3), "b": END, "c": START}
