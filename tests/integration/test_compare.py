"""A rehearsal of changed rules beside the service: `python -m pipeline compare` shows every message that differs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bank.tables import BankStore
from card_transactions.consumer import CardTransactions
from card_transactions.fraud import FraudWeights
from loans.consumer import Loans
from pipeline.__main__ import app
from pipeline.applying.domain import Domain
from pipeline.applying.partition import Partition
from pipeline.applying.routing import Router
from pipeline.dead_letters.table import DeadLetters
from pipeline.mysql.database import Database
from pipeline.operations.compare import PAGE, Outcome, compare, outcomes
from producers.bank import BankShape, fill
from producers.kinesis import put
from producers.traffic import Traffic
from stocks.consumer import Stocks
from stocks.tables import STOCKS
from tests.contract.streams import TestStream
from tests.schema import Schema
from transactions.consumer import Transactions

MESSAGES = 600
COPIED = {
    "transactions": "origin_account, destination_account, memo, transfer_value, time_stamp",
    "card_transactions": "card_num, merchant_account_id, memo, transfer_value, location, time_stamp",
    "loan_payments": "loan_id, account_id, amount, time_stamp",
}
"""Table → the columns that the old service wrote as well, without the status."""
ROWS = (
    "SELECT 'transactions', event_id, status FROM {0}.transactions UNION ALL SELECT 'card_transactions', event_id, "
    "status FROM {0}.card_transactions UNION ALL SELECT 'loan_payments', event_id, status FROM {0}.loan_payments "
    "UNION ALL SELECT 'stocks', event_id, status FROM {0}.stocks"
)


class Side:
    """A bank in a schema, with letters of its own, to which a build with these weights applies the stream."""

    def __init__(self, schema: Schema, stream: TestStream, name: str, weights: FraudWeights) -> None:
        self.schema = schema
        domains: tuple[Domain, ...] = (Transactions(), CardTransactions(weights), Loans(), Stocks())
        self.letters = DeadLetters(stream.aws, f"{name}-{stream.name}", stream.name)
        self.letters.ensure()
        router = Router(stream.name, {domain.type: domain for domain in domains})
        with closing(schema.connect()) as connection:
            fill(connection, BankShape(100), 1)
        database = Database(schema.host, schema.port, schema.user, schema.password, schema.name)
        partition = Partition(router, BankStore(), database, self.letters, 1, 1, 500)
        blocks = [block for _, block in router.split(stream.read(), 1)]
        assert partition.apply(blocks).failure is None


class Rehearsal:
    """The service on `live`, and the same messages on `scratch` with another threshold of fraud."""

    def __init__(self, moto: str, live: Schema, scratch: Schema) -> None:
        self.stream = TestStream(moto)
        put(self.stream.client, self.stream.name, islice(Traffic(5, BankShape(100), odd=0.3, ids=0.3), MESSAGES))
        self.live = Side(live, self.stream, "live", FraudWeights())
        self.scratch = Side(scratch, self.stream, "scratch", FraudWeights(threshold_fraud=Decimal("0.5")))
        self._moto = moto

    def command(self, *arguments: str) -> Result:
        environment = {
            **self.live.schema.environment,
            "AWS_ENDPOINT_URL": self._moto,
            "STREAM_NAME": self.stream.name,
            "FAILOVER_TABLE": self.live.letters.table,
        }
        return CliRunner().invoke(app(), ["compare", *arguments], env=environment)

    def answer(self, *arguments: str) -> dict[str, Any]:
        result = self.command(
            self.scratch.schema.name, "--other-failover-table", self.scratch.letters.table, "--json", *arguments
        )
        told: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == int(told["different"] > 0), result.output
        return told

    def differing(self) -> set[tuple[str, str]]:
        """(table, event) of every row whose status differs, by the database itself."""
        live, scratch = (f"({ROWS.format(f'`{side.schema.name}`')})" for side in (self.live, self.scratch))
        sql = f"SELECT * FROM {live} l NATURAL LEFT JOIN (SELECT *, 1 AS found FROM {scratch} s) r WHERE found IS NULL"
        return {(table, bytes(event).hex()) for table, event, *_ in self.live.schema.query(sql)}


@pytest.fixture(scope="module")
def rehearsal(moto: str, migrated: Schema) -> Iterator[Rehearsal]:
    live, scratch = migrated.copy(f"{migrated.name}_live"), migrated.copy(f"{migrated.name}_scratch")
    yield Rehearsal(moto, live, scratch)
    live.drop()
    scratch.drop()


def test_every_message_whose_status_differs_is_shown_and_no_other(rehearsal: Rehearsal) -> None:
    told = rehearsal.answer("--examples", "1000")
    expected = rehearsal.differing()
    assert expected, "the changed rule changed nothing"
    assert {example["event"] for example in told["examples"]} == {event for _, event in expected}
    assert told["different"] == len(expected) == sum(count["messages"] for count in told["counts"])
    assert ("card_transactions 1", "card_transactions -8") in {(c["here"], c["there"]) for c in told["counts"]}


def test_a_schema_compared_with_itself_does_not_differ(rehearsal: Rehearsal) -> None:
    own = rehearsal.live
    result = rehearsal.command(own.schema.name, "--other-failover-table", own.letters.table)
    assert result.exit_code == 0
    assert re.search(r"\d+ messages compared, 0 ended otherwise", result.stdout)


def test_people_see_counts_and_examples_without_card_numbers(rehearsal: Rehearsal) -> None:
    result = rehearsal.command(rehearsal.scratch.schema.name)
    assert result.exit_code == 1
    assert "ended otherwise" in result.stdout
    cards = rehearsal.live.schema.query("SELECT card_num FROM cards")
    assert not [number for (number,) in cards if str(number) in result.stdout]


def test_what_lies_outside_the_span_is_left_out_on_this_side_only(rehearsal: Rehearsal) -> None:
    live, scratch = rehearsal.live.schema, rehearsal.scratch.schema
    later = datetime(2090, 1, 1)
    insert = (
        "INSERT INTO stocks (ticker, name, price, volume, high, low, timestamp, status, event_id, applied_at) "
        "VALUES ('T', 'T', 1, 1, 1, 1, '2021-10-06', 1, %s, %s)"
    )
    before = rehearsal.answer()["different"]
    live.execute(insert, (b"\xff" * 16, later))
    scratch.execute(insert, (b"\xfe" * 16, later))
    assert rehearsal.answer()["different"] == before + 2
    told = rehearsal.answer("--until", (later - timedelta(days=1)).isoformat())
    assert (told["different"], told["outside_the_span"]) == (before + 1, 1)
    assert rehearsal.answer("--since", "2090-01-01T00:00:00Z")["different"] == before + 2
    for schema in (live, scratch):
        schema.execute("DELETE FROM stocks WHERE applied_at = %s", (later,))


@pytest.mark.parametrize("arguments", [["nowhere"], ["{scratch}", "--other-failover-table", "no-such-table"]])
def test_what_is_not_there_is_wrong_usage(rehearsal: Rehearsal, arguments: list[str]) -> None:
    result = rehearsal.command(*(text.format(scratch=rehearsal.scratch.schema.name) for text in arguments))
    assert result.exit_code == 2
    assert "there is no" in result.output


def at(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_a_row_outranks_a_letter_and_a_changed_amount_is_told(rehearsal: Rehearsal) -> None:
    letters = list(rehearsal.live.letters.scan())
    event = letters[0].letter.identity
    row = ("T", "T", 1, None, 1, 1, 1, datetime(2021, 10, 6), 1)
    pages = iter([[(event, None, *row)], []])
    told = list(outcomes(lambda sql, parameters: next(pages), [STOCKS], letters))
    assert len(told) == len(letters)
    assert next(one for one in told if one.event == event).kind == "stocks 1"
    assert [one.event for one in told] == sorted(one.event for one in told)
    here, there = (Outcome(event, "transactions 1", {"transfer_value": Decimal(v), "status": 1}, None) for v in "12")
    (different,) = compare([here], [there]).examples
    assert different.changed == "transfer_value: 1 → 2"


def test_memory_does_not_grow_with_the_tables_and_progress_is_told() -> None:
    """Both sides are consumed as they come: no more than a page of either is ever ahead."""
    ahead, worst = [0, 0], 0
    seen: list[int] = []

    def side(number: int) -> Iterator[Outcome]:
        nonlocal worst
        for event in range(3 * PAGE):
            ahead[number] += 1
            worst = max(worst, abs(ahead[0] - ahead[1]))
            yield Outcome(at(event), "stocks 1", {}, None)

    result = compare(side(0), side(1), advance=seen.append)
    assert (result.compared, result.counts.total(), sum(seen)) == (3 * PAGE, 0, 3 * PAGE)
    assert len(seen) >= 3
    assert worst <= 2


def test_the_statement_about_the_cut_shows_what_an_old_service_has_written_as_well(rehearsal: Rehearsal) -> None:
    """The SQL of docs/operations.md, as it stands there."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
    (statement,) = re.findall(r"```sql\n(-- rows around the cut.*?)```", page, re.S)
    schema = rehearsal.live.schema
    assert schema.query(statement) == []
    twice = []
    for table, columns in COPIED.items():
        ((row,),) = schema.query(f"SELECT MIN(id) FROM {table}")
        schema.execute(f"INSERT INTO {table} ({columns}, status) SELECT {columns}, 1 FROM {table} WHERE id = {row}")
        ((old,),) = schema.query(f"SELECT MAX(id) FROM {table}")
        twice.append((table, old, row))
    found = schema.query(statement)
    for table in COPIED:
        schema.execute(f"DELETE FROM {table} WHERE event_id IS NULL")
    assert {row[:3] for row in found} == set(twice)
