"""One message sent more than once: the same producer's id, or the same aggregate; and letters that a row outranks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta

import pytest

from pipeline.dead_letters.table import open_letters
from pipeline.kinesis.aggregation import UserRecord, pack
from tests.contract.streams import TestStream
from tests.integration.messages import NOW, loan_payment, payment, quote, record, transfer
from tests.integration.small_bank import SmallBank
from tests.schema import Schema

TABLES = ("transactions", "card_transactions", "loan_payments", "stocks")


@pytest.fixture
def bank(database: Schema, moto: str) -> SmallBank:
    return SmallBank(database, moto)


def still_open(bank: SmallBank) -> list[str]:
    """Errors of the letters whose message has no row."""

    def rows_exist(identities: Sequence[bytes]) -> Collection[bytes]:
        ids = {row["event_id"] for table in TABLES for row in bank.rows(table)}
        return ids & set(identities)

    return [found.letter.error for found in open_letters(bank.partition.dead_letters.scan(), rows_exist)]


def test_an_id_counts_once_in_a_chunk_however_it_is_written(bank: SmallBank) -> None:
    one, other = bank.account(), bank.account()
    sent = [record(transfer(one, other, 5, id=id_)) for id_ in (7, "7", 7.0, "07", 8)]
    report = bank.apply(*sent)
    assert report.outcomes == {("transaction", "1"): 3, ("transaction", "duplicate"): 2}
    assert bank.balances(one, other) == ["85.00", "115.00"]
    assert [row["transfer_value"] for row in bank.rows("transactions")] == [5, 5, 5]


def test_the_first_of_two_different_messages_with_one_id_counts(bank: SmallBank) -> None:
    one, other = bank.account(), bank.account()
    bank.apply(record(transfer(one, other, 500, id="a")), record(transfer(one, other, 5, id="a")))
    assert [row["status"] for row in bank.rows("transactions")] == [-1]
    assert bank.balances(one, other) == ["100.00", "100.00"]


def test_an_id_counts_once_in_two_lanes_at_the_same_time(database: Schema, moto: str) -> None:
    bank = SmallBank(database, moto, lanes=4, chunk_size=5)
    payers, other = [bank.account() for _ in range(8)], bank.account("0.00")
    sent = [record(transfer(payer, other, 1, id=number)) for number in range(20) for payer in payers]
    report = bank.apply(*sent)
    assert report.outcomes == {("transaction", "1"): 20, ("transaction", "duplicate"): 140}
    assert bank.balances(other) == ["20.00"]
    assert sum(100 - float(balance) for balance in bank.balances(*payers)) == 20


def test_an_id_counts_once_in_two_shards_and_batches(bank: SmallBank) -> None:
    one, other = bank.account(), bank.account()
    message = transfer(one, other, 5, id="x")
    bank.apply(record(message, shard="a"), record(message, NOW + timedelta(seconds=1), shard="b"))
    bank.apply(record(message, shard="c"))
    assert len(bank.rows("transactions")) == 1
    assert bank.balances(one, other) == ["95.00", "105.00"]


def test_an_id_counts_once_for_each_type(bank: SmallBank) -> None:
    owner, other = bank.account(), bank.account()
    card, loan = bank.card(owner), bank.loan()
    messages = [transfer(owner, other), payment(card, other), loan_payment(loan, owner), quote()]
    bank.apply(*(record({**message, "id": "same"}) for message in messages for _ in range(2)))
    assert [len(bank.rows(table)) for table in TABLES] == [1, 1, 1, 1]
    assert bank.balances(owner, other) == ["97.00", "102.00"]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("bad", ["unreadable", "no such account"])
@pytest.mark.parametrize("bad_first", [True, False])
def test_a_row_outranks_a_letter_with_its_id(bank: SmallBank, together: bool, bad: str, bad_first: bool) -> None:
    one, other = bank.account(), bank.account()
    good = transfer(one, other, 5, id="x")
    wrong = {**good, "memo": None} if bad == "unreadable" else {**good, "destination_accounts_id": 0}
    sent = [record(wrong), record(good)] if bad_first else [record(good), record(wrong)]
    for batch in [sent] if together else [[one] for one in sent]:
        bank.apply(*batch)
    bank.apply(*sent)
    assert [row["status"] for row in bank.rows("transactions")] == [1]
    assert bank.balances(one, other) == ["95.00", "105.00"]
    assert len(bank.letters()) <= 1
    assert still_open(bank) == []


def test_two_bad_messages_with_one_id_are_one_letter(bank: SmallBank) -> None:
    one, other = bank.account(), bank.account()
    bank.apply(*(record(transfer(one, other, memo=None, id="x")) for _ in range(3)))
    assert still_open(bank) == ["missing_field: memo"]


def test_a_message_marked_as_processed_claims_no_id(bank: SmallBank) -> None:
    one, other = bank.account(), bank.account()
    report = bank.apply(record(transfer(one, other, id="x", status=1)), record(transfer(one, other, id="x")))
    assert report.outcomes == {("transaction", "skipped"): 1, ("transaction", "1"): 1}


def test_an_aggregate_of_all_types_is_applied_message_by_message_and_once(bank: SmallBank, moto: str) -> None:
    owner, other = bank.account(), bank.account()
    card, loan = bank.card(owner, expires=date(9999, 12, 31)), bank.loan()
    good = [transfer(owner, other), payment(card, other), loan_payment(loan, owner), quote()]
    parts = [part for message in good for part in (record(message).data, b"", b'{"type": 1}')]
    aggregate = pack(UserRecord("constant", part) for part in parts)
    broken = aggregate[:-1] + bytes([aggregate[-1] ^ 1])
    stream = TestStream(moto)
    stream.put(record(transfer(owner, other)).data, aggregate, broken, record(transfer(owner, other)).data)
    read = stream.read().records
    assert [one.sub_sequence for one in read] == [0, *range(len(parts)), 0, 0]
    for _ in range(2):
        bank.apply(*read)
    assert [len(bank.rows(table)) for table in TABLES] == [3, 1, 1, 1]
    assert bank.balances(owner, other) == ["95.00", "104.00"]
    assert sorted(still_open(bank)) == ["empty"] * 4 + ["not_utf8"] + ["unknown_type: type"] * 4
