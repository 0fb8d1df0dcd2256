"""Letters redriven once their cause is mended: as if it had never been there."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import pytest

from pipeline.kinesis.aggregation import OUTSIDE_HASH_RANGE, UserRecord, pack
from pipeline.operations.letters.redrive import apply_records
from producers.bank import BankShape, fill
from producers.kinesis import put
from producers.traffic import Traffic
from tests.contract.streams import TestStream
from tests.faults.tables import Tables, read_tables
from tests.integration.messages import payment, quote, transfer
from tests.integration.operated import Operated
from tests.integration.small_bank import FIRST_CARD
from tests.schema import Schema

SHAPE = BankShape(400)
VOLUMES = [2_300, pytest.param(11_500, marks=pytest.mark.soak)]
"""Messages: moto takes some ms to list a letter."""
MONEY = {"transaction": 60, "card_transaction": 30, "loan_payment": 10}


def data(message: dict[str, object]) -> bytes:
    return json.dumps(message).encode()


def tables(schema: Schema) -> Tables:
    with closing(schema.connect()) as connection:
        return read_tables(connection)


def what_counts(found: Tables) -> tuple[Any, ...]:
    """Everything but the number and the moment of a row, which no two runs share."""
    passing = ("id", "applied_at")
    rows = {
        table: sorted(
            ({name: value for name, value in row.items() if name not in passing} for row in rows),
            key=lambda row: row["event_id"],
        )
        for table, rows in found.rows.items()
    }
    return rows, found.bank.accounts, found.bank.loans, sorted(found.alerts)


@pytest.fixture
def bank(database: Schema, moto: str) -> Operated:
    """A service with an empty bank."""
    operated = Operated(database, moto)
    operated.start()
    return operated


def account(bank: Operated, number: int, balance: str = "100.00") -> None:
    bank.schema.execute(
        "INSERT INTO accounts (id, users_id, account_type, balance, payment_due, debt_interest, active, approved,"
        " confirmed) VALUES (%s, 1, 'Checking', %s, 0, 0, 1, 1, 1)",
        (number, balance),
    )


def card(bank: Operated, owner: int) -> int:
    number = FIRST_CARD + owner
    bank.schema.execute(
        "INSERT INTO cards (accounts_id, card_num, pin, cvc1, cvc2, exp_date) VALUES (%s, %s, 1234, 111, 222, %s)",
        (owner, number, "2099-12-31"),
    )
    return number


def balances(bank: Operated) -> dict[int, str]:
    return {number: str(balance) for number, balance in bank.schema.query("SELECT id, balance FROM accounts")}


@pytest.fixture
def two_banks(migrated: Schema, moto: str, messages: int) -> Iterator[tuple[Operated, Operated]]:
    """The same bank twice, reading the same stream."""
    stream = TestStream(moto)
    put(stream.client, stream.name, islice(Traffic(1, SHAPE, odd=0.05, mix=MONEY), messages))
    schemas = [migrated.copy(f"redrive_{name}") for name in ("good", "bad")]
    both = [Operated(schema, moto, stream) for schema in schemas]
    for operated in both:
        with closing(operated.schema.connect()) as connection:
            fill(connection, SHAPE, 1)
        # A balance that overflows may have room when it is tried again: such a letter does not end alike.
        operated.schema.execute("UPDATE accounts SET balance = LEAST(balance, 20000)")
        operated.start()
    yield both[0], both[1]
    for schema in schemas:
        schema.drop()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("messages", VOLUMES)
def test_thousands_of_redriven_letters_end_as_if_their_cause_had_never_been(
    two_banks: tuple[Operated, Operated], messages: int
) -> None:
    good, bad = two_banks
    good.consume()
    bad.schema.execute("CREATE TABLE kept LIKE accounts")
    bad.schema.execute("INSERT INTO kept SELECT * FROM accounts")
    bad.schema.execute("DELETE FROM accounts")
    bad.consume()
    bad.schema.execute("INSERT INTO accounts SELECT * FROM kept")
    assert count_letters(bad) - count_letters(good) > 0.85 * messages

    killed = bad.started("redrive")
    while rows(bad) < messages // 3:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    assert what_counts(tables(bad.schema)) != what_counts(tables(good.schema))

    resumed = bad.json("redrive", code=1)
    assert resumed["settled"] + resumed["applied"] + rows(bad) > 0.85 * messages
    assert what_counts(tables(bad.schema)) == what_counts(tables(good.schema))
    left = {key: stored.letter.reason for key, stored in bad.letters().items()}
    assert left == {key: stored.letter.reason for key, stored in good.letters().items()}
    again = bad.json("redrive", code=1)
    assert (again.get("applied", 0), again["left"]) == (0, len(left))
    assert what_counts(tables(bad.schema)) == what_counts(tables(good.schema))


def count_letters(bank: Operated) -> int:
    table = bank.bench.aws.client("dynamodb").describe_table(TableName=bank.bench.dead_letters.table)
    return int(table["Table"]["ItemCount"])


def rows(bank: Operated) -> int:
    counts = " + ".join(f"(SELECT COUNT(*) FROM {table})" for table in bank.bench.bank.tables)
    ((number,),) = bank.schema.query(f"SELECT {counts}")
    return int(number)


def test_letters_of_one_account_are_redriven_in_the_order_of_arrival(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2, 60.0)), data(transfer(1, 2, 50.0)), data(transfer(1, 2, 40.0)))
    bank.consume()
    account(bank, 1)
    account(bank, 2)
    assert bank.json("redrive")["applied"] == 3
    statuses = [status for (status,) in bank.schema.query("SELECT status FROM transactions ORDER BY applied_at")]
    assert (statuses, balances(bank)) == ([1, -1, 1], {1: "0.00", 2: "200.00"})


def test_what_still_fails_stays_with_one_attempt_more(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2)), data(transfer(1, 3)), b"not json")
    bank.consume()
    first = {stored.letter.reason: stored.first_seen for stored in bank.letters().values()}
    account(bank, 1)
    account(bank, 2)
    assert bank.json("redrive", code=1) == {
        "applied": 1,
        "excluded": 0,
        "left": 2,
        "other_stream": 0,
        "settled": 0,
        "transaction 1": 1,
        "transaction letter:no_account": 1,
        "unknown letter:not_json": 1,
    }
    left = {stored.letter.reason: stored for stored in bank.letters().values()}
    assert {reason: stored.attempts for reason, stored in left.items()} == {"no_account": 2, "not_json": 2}
    assert {reason: stored.first_seen for reason, stored in left.items()} == first


def test_a_reason_a_type_or_a_key_says_which_letters(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2)), data(transfer(2, 1, 2.0)), data(quote(price=None)), b"")
    bank.consume()
    account(bank, 1)
    account(bank, 2)
    key = next(str(key) for key, one in bank.letters().items() if one.letter.payload.get("origin_accounts_id") == 1)
    assert bank.json("redrive", "--type", "stock", code=1)["left"] == 1
    assert bank.json("redrive", "--type", "", code=1)["left"] == 1
    assert bank.json("redrive", key)["applied"] == 1
    assert bank.json("redrive", "--reason", "no_account")["applied"] == 1
    assert balances(bank) == {1: "101.00", 2: "99.00"}


def test_a_dry_run_changes_nothing(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2)))
    bank.consume()
    account(bank, 1)
    account(bank, 2)
    before = bank.letters()
    assert bank.json("redrive", "--dry-run")["would_be_tried"] == 1
    assert (bank.letters(), rows(bank)) == (before, 0)


def test_a_letter_whose_row_is_there_is_settled_and_moves_no_money(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2, 10.0, id="A7")))
    bank.consume()
    account(bank, 1)
    account(bank, 2)
    bank.stream.put(data(transfer(1, 2, 10.0, id="A7")))
    bank.consume()
    assert bank.json("letters")["settled"] == 1
    assert bank.json("redrive")["settled"] == 1
    assert (bank.letters(), balances(bank)) == ({}, {1: "90.00", 2: "110.00"})


def test_card_payments_are_redriven_from_the_stream_with_their_codes(bank: Operated) -> None:
    account(bank, 1)
    number = card(bank, 1)
    bank.stream.put(data(payment(number, 2, 5.0)), data(payment(number, 2, 5.0, cvc2=999)))
    bank.consume()
    account(bank, 2)
    outcome = bank.json("redrive")
    assert (outcome["card_transaction 1"], outcome["card_transaction -4"]) == (1, 1)
    assert balances(bank) == {1: "95.00", 2: "105.00"}


def trim_everything(bank: Operated) -> None:
    """Make the stream anew, without its records."""
    bank.stream.client.delete_stream(StreamName=bank.stream.name)
    while bank.stream.name in bank.stream.client.list_streams()["StreamNames"]:
        time.sleep(0.05)
    bank.stream.client.create_stream(StreamName=bank.stream.name, ShardCount=1)
    bank.stream.settle()
    bank.stream.put(data(quote()))


def test_what_the_stream_has_trimmed_is_named_and_taken_from_whole_letters_only_when_told(bank: Operated) -> None:
    account(bank, 1)
    number = card(bank, 1)
    named = transfer(1, 2, 3.125, id="whole", memo="Ünï")
    bank.stream.put(
        data(named),
        data(transfer(1, 2, 0.005)),
        data(transfer(1, 2, 1.0, id="long", memo="4000 0000 0000 0002")),
        data(payment(number, 2, id="card")),
        data(transfer(1, 2, 1.0, id=[1])),
        data(transfer(1, "2", 1.0, id="typed")),
    )
    bank.consume()
    account(bank, 2)
    sizes = {stored.letter.sha256 for stored in bank.letters().values()}
    trim_everything(bank)
    seen = bank.json("redrive", code=1)
    assert (seen["trimmed"], seen["trimmed_but_whole"], rows(bank)) == (6, 2, 0)
    told = bank.json("redrive", "--from-letters", code=1)
    assert (told["applied"], told["trimmed"], balances(bank)) == (2, 6, {1: "96.86", 2: "103.14"})
    assert len(bank.letters()) == 4
    assert {stored.letter.sha256 for stored in bank.letters().values()} < sizes


def test_a_letter_redriven_from_itself_that_fails_again_keeps_what_it_said(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2, id="again")))
    bank.consume()
    trim_everything(bank)
    (before,) = bank.letters().values()
    assert bank.json("redrive", "--from-letters", code=1)["left"] == 1
    (after,) = bank.letters().values()
    assert (after.letter.sha256, after.letter.size, after.attempts) == (before.letter.sha256, before.letter.size, 2)
    assert after.letter.payload == before.letter.payload


def test_records_outside_their_shard_are_redriven_only_where_they_are_named(database: Schema, moto: str) -> None:
    stream = TestStream(moto, shards=2)
    bank = Operated(database, moto, stream)
    bank.start()
    account(bank, 1)
    account(bank, 2)
    inside = UserRecord("a", data(transfer(1, 2, 1.0)), 0)
    outside = UserRecord("a", data(transfer(1, 2, 10.0)), 2**128 - 1)
    stream.client.put_record(
        StreamName=stream.name, PartitionKey="a", ExplicitHashKey="0", Data=pack([inside, outside])
    )
    read = stream.read(hash_range=(0, 2**127 - 1))
    apply_records(bank.bench.partition, read.records, Counter())
    assert [stored.letter.reason for stored in bank.letters().values()] == [OUTSIDE_HASH_RANGE]
    assert bank.json("redrive", code=1)["excluded"] == 1
    refused = bank.run("redrive", "--reason", OUTSIDE_HASH_RANGE)
    assert (refused.exit_code, "may move twice" in refused.stderr) == (2, True)
    assert balances(bank) == {1: "99.00", 2: "101.00"}
    assert bank.json("redrive", "--reason", OUTSIDE_HASH_RANGE, "--yes")["applied"] == 1
    assert balances(bank) == {1: "89.00", 2: "111.00"}


def test_letters_far_apart_and_within_aggregates_are_all_found_again(bank: Operated) -> None:
    account(bank, 1)
    fine = [data(quote())] * 150
    for number in range(3, 6):
        bank.stream.put(data(transfer(1, number)))
        for part in (fine, [*fine[:5], data(transfer(1, number, 2.0)), *fine[:5]]):
            bank.stream.put(pack([UserRecord("constant", one) for one in part]))
    bank.consume()
    for number in range(3, 6):
        account(bank, number)
    assert bank.json("redrive")["applied"] == 6
    assert balances(bank) == {1: "91.00", 3: "103.00", 4: "103.00", 5: "103.00"}


def test_a_record_that_is_gone_keeps_no_other_from_being_found(bank: Operated) -> None:
    account(bank, 1)
    bank.stream.put(*(data(transfer(1, 2, float(number))) for number in range(1, 6)))
    bank.consume()
    account(bank, 2)
    gone = next(key for key, one in bank.letters().items() if one.letter.payload["transfer_value"] == 3)
    bank.bench.aws.client("dynamodb").update_item(
        TableName=bank.bench.dead_letters.table,
        Key={"key": {"N": str(gone)}},
        UpdateExpression="SET sub_sequence = :other",
        ExpressionAttributeValues={":other": {"N": "9"}},
    )
    outcome = bank.json("redrive", code=1)
    assert (outcome["applied"], outcome["trimmed"], list(bank.letters())) == (4, 1, [gone])


def test_the_log_says_who_redrove_what(bank: Operated) -> None:
    bank.stream.put(data(transfer(1, 2)))
    bank.consume()
    bank.run("redrive", "--reason", "no_account", "--as", "Ada, ticket 4711")
    (entry,) = bank.json("log")
    assert entry["who"].startswith("Ada, ticket 4711 (")
    assert (entry["command"], json.loads(entry["arguments"])) == ("redrive", {"reason": "no_account"})
    assert json.loads(entry["counts"])["left"] == 1
    assert entry["ended_at"]
