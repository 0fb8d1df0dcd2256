"""Every rule of a card payment and its fraud score, each in its place in the order, as the tables show it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from card_transactions.fraud import sampled
from pipeline.messages.identity import identity
from pipeline.messages.records import Record
from tests.integration.messages import STAMP, TODAY, payment, record, transfer
from tests.integration.small_bank import (
    CLOSED,
    FULL,
    MISSING,
    NOBODY,
    Given,
    SmallBank,
)
from tests.schema import Schema

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
STRANGE: Given = {"cvc2": None, "location": "DE"}
"""Scores 0.8 before the amount counts."""


@pytest.fixture(scope="module")
def bank(migrated: Schema, moto: str) -> Iterator[SmallBank]:
    schema = migrated.copy("card_payments")
    yield SmallBank(schema, moto)
    schema.drop()


@pytest.mark.parametrize(
    ("payer", "card", "said", "outcome"),
    [
        pytest.param({}, {}, {"amount": 100}, "1", id="all of the funds"),
        pytest.param({}, {}, {"amount": 100.01}, "-1", id="a cent more than the funds"),
        pytest.param({}, {}, {"shop": MISSING, "amount": -5}, "letter:no_merchant: merchant_account_id", id="nobody"),
        pytest.param(CLOSED, {}, {"amount": -5}, "-4", id="amount before activity"),
        pytest.param(CLOSED, {}, {"shop": None}, "-4", id="a card paying its own account"),
        pytest.param({"active": False, "balance": "0.00"}, {}, {}, "-2", id="activity before funds"),
        pytest.param({"balance": "0.00"}, {"expires": TODAY - DAY}, {}, "-1", id="funds before expiry"),
        pytest.param({}, {"expires": TODAY}, {}, "1", id="the day of expiry is the last"),
        pytest.param({}, {"expires": TODAY - DAY}, {}, "-3", id="expired yesterday"),
        pytest.param({}, {"expires": TODAY - DAY}, {"cvc2": 221}, "-3", id="expiry before codes"),
        pytest.param({}, {}, {"cvc2": 221, "location": None, "amount": 90}, "-4", id="codes before fraud"),
        pytest.param({}, {}, {"cvc2": "222"}, "1", id="a code as text"),
        pytest.param({}, {}, {"cvc1": 111, "pin": 1234, "cvc2": 1}, "1", id="in person, the printed code is ignored"),
        pytest.param({}, {}, {"cvc1": 111, "pin": 1235}, "-4", id="a wrong PIN"),
        pytest.param({}, {}, {"cvc1": 111, "pin": None}, "-4", id="no PIN"),
        pytest.param({}, {"pin": None}, {"cvc1": 111, "pin": 7}, "1", id="a card that has no PIN"),
        pytest.param({}, {"cvc1": None}, {"cvc1": 111, "pin": 1234}, "-4", id="a card without a cvc1 matches none"),
        pytest.param({}, {"cvc2": None}, {"cvc2": 222}, "-4", id="a card without a cvc2 matches none"),
        pytest.param({}, {}, {"cvc2": "\\N", "pin": 7}, "1", id="a PIN without cvc1 is not looked at"),
        pytest.param({}, {}, {**STRANGE, "amount": 20}, "1", id="a score of exactly 1 is no fraud"),
        pytest.param({}, {}, {**STRANGE, "amount": 20.01}, "-8", id="a score above 1 is"),
        pytest.param({}, {}, {**STRANGE, "location": "us", "amount": 80}, "1", id="us in any case"),
        pytest.param({}, {}, {**STRANGE, "location": None, "amount": 20.01}, "-8", id="no place is not the US"),
        pytest.param({"limit": -100}, {}, {**STRANGE, "amount": 40}, "1", id="the amount counts against the funds"),
        pytest.param({}, {}, {**STRANGE, "shop": FULL}, "letter:balance_overflow: merchant_account_id", id="overflow"),
        pytest.param({}, {}, {**STRANGE, "shop": FULL, "amount": 50}, "-8", id="fraud before overflow"),
    ],
)
def test_a_card_payment(bank: SmallBank, payer: Given, card: Given, said: Given, outcome: str) -> None:
    fields = {"amount": 10, "shop": {}, **said}
    amount, shop = fields.pop("amount"), fields.pop("shop")
    owner = bank.account(**payer)
    number = bank.card(owner, **card)
    merchant = owner if shop is None else bank.some_account(shop)
    known = [owner] if merchant in (owner, NOBODY) else [owner, merchant]
    before = bank.balances(*known)
    sent = record(payment(number, merchant, amount, **fields))
    bank.apply(sent)
    assert bank.outcome(sent) == [outcome]
    moved = Decimal(amount).quantize(Decimal("0.01")) if outcome == "1" else Decimal(0)
    signs = (-moved, moved)
    assert bank.balances(*known) == [str(Decimal(held) + sign) for held, sign in zip(before, signs, strict=False)]
    assert bank.active(owner) == (outcome != "-8" and payer.get("active", True))
    if not outcome.startswith("letter"):
        row = bank.last_row("card_transactions")
        assert (row["card_num"], row["merchant_account_id"], row["status"]) == (number, merchant, int(outcome))
        assert (row["memo"], row["location"], row["time_stamp"]) == ("shoes", fields.get("location", "US"), STAMP)
        assert (row["pin"], row["cvc1"], row["cvc2"]) == (None, None, None)
        assert row["paying_account_id"] == owner


def test_a_payment_by_no_card_is_a_row_as_sent_even_to_nobody(bank: SmallBank) -> None:
    sent = record(payment(9_999_999_999_999_999, NOBODY, -99_999_999.99, location=None, memo=""))
    bank.apply(sent)
    assert bank.last_row("card_transactions") == {
        "card_num": 9_999_999_999_999_999,
        "merchant_account_id": NOBODY,
        "memo": "",
        "transfer_value": Decimal("-99999999.99"),
        "pin": None,
        "cvc1": None,
        "cvc2": None,
        "location": None,
        "time_stamp": STAMP,
        "status": -7,
        "paying_account_id": None,
    }


def test_a_payment_arriving_after_midnight_of_the_last_day_is_expired(bank: SmallBank) -> None:
    owner, shop = bank.account(), bank.account()
    number = bank.card(owner)
    midnight = datetime(2021, 10, 7, tzinfo=UTC)
    stamp = {"time_stamp": "2021-10-06 01:00:00"}
    before = record(payment(number, shop, **stamp), midnight - timedelta(milliseconds=1))
    after = record(payment(number, shop, **stamp), midnight)
    bank.apply(before, after)
    assert bank.outcomes([before, after]) == [["1"], ["-3"]]


def test_fraud_ends_the_account_and_owes_one_mail(bank: SmallBank) -> None:
    owner, shop = bank.account(), bank.account()
    number = bank.card(owner)
    fraud = record(payment(number, shop, 50, **STRANGE, memo="hat"))
    later = record(payment(number, shop, 1))
    elsewhere = record(transfer(owner, shop, 1))
    bank.apply(fraud, later, elsewhere)
    assert bank.outcomes([fraud, later, elsewhere]) == [["-8"], ["-2"], ["-2"]]
    assert (bank.active(owner), bank.active(shop)) == (False, True)
    assert bank.balances(owner, shop) == ["100.00", "100.00"]
    query = "SELECT transfer_value, memo, time_stamp, attempts, sent_at FROM fraud_alerts WHERE accounts_id = %s"
    assert bank.schema.query(query, (owner,)) == [(Decimal("50.00"), "hat", STAMP, 0, None)]


@pytest.mark.parametrize(
    ("spent", "amount", "outcome"),
    [
        pytest.param([("9.99", timedelta())], 20, "1", id="too little of late"),
        pytest.param([("10", timedelta())], 20, "-8", id="enough of late, no history: 0.5"),
        pytest.param([("10", 3 * DAY - SECOND)], 20, "-8", id="the first second of the three days"),
        pytest.param([("10", 3 * DAY)], 20, "1", id="the second before is history"),
        pytest.param([("10", -SECOND)], 20, "1", id="what is stamped later than now does not count"),
        pytest.param([("10", DAY), ("99.99", 4 * DAY)], 20, "-8", id="too little history"),
        pytest.param([("10", DAY), ("100", 4 * DAY)], 20, "1", id="as fast as ever: 0"),
        pytest.param([("10", DAY), ("100", 33 * DAY - SECOND)], 20, "1", id="the first second of the history"),
        pytest.param([("10", DAY), ("100", 33 * DAY)], 20, "-8", id="the second before is forgotten"),
        pytest.param([("10", DAY), ("200", 4 * DAY)], 70, "1", id="slower than ever lowers the score"),
        pytest.param([("10", DAY), ("200", 4 * DAY)], 70.01, "-8", id="but not without end"),
        pytest.param([("10.01", DAY), ("100", 4 * DAY)], 20, "-8", id="a little faster than ever"),
    ],
)
def test_velocity_looks_at_the_three_days_and_the_thirty_before(
    bank: SmallBank, spent: list[tuple[str, timedelta]], amount: float, outcome: str
) -> None:
    owner = bank.account()
    number, shop = bank.card(owner), bank.account()
    for spending, ago in spent:
        bank.spent(number, spending, ago)
    bank.spent(number, "500", DAY, status=-8)
    bank.spent(number, "500", 4 * DAY, status=-1)
    sent = record(payment(number, shop, amount, **STRANGE))
    bank.apply(sent)
    assert bank.outcome(sent) == [outcome]


@pytest.mark.parametrize(
    ("chosen", "amount", "outcome"), [(True, 1, "-8"), (False, 1, "1"), (False, 30, "1"), (False, 30.01, "-8")]
)
def test_velocity_counts_above_its_threshold_and_for_a_sample(
    bank: SmallBank, chosen: bool, amount: float, outcome: str
) -> None:
    owner = bank.account()
    number, shop = bank.card(owner), bank.account()
    bank.spent(number, "30", DAY)
    bank.spent(number, "100", 4 * DAY)
    sent = next(one for one in _payments(number, shop, amount) if _is_sampled(one) == chosen)
    bank.apply(sent)
    assert bank.outcome(sent) == [outcome]


def _payments(number: int, shop: int, amount: float) -> Iterator[Record]:
    while True:
        yield record(payment(number, shop, amount))


def _is_sampled(sent: Record) -> bool:
    return sampled(identity("byte-henry", sent, "card_transaction", None), Decimal("0.1"))


def test_velocity_counts_what_the_chunk_has_spent_before(bank: SmallBank) -> None:
    owner = bank.account("1000.00")
    number, shop = bank.card(owner), bank.account()
    spending = [record(payment(number, shop, 2.5)) for _ in range(4)]
    judged = record(payment(number, shop, 198, **STRANGE))
    bank.apply(*spending, judged)
    assert bank.outcomes([*spending, judged]) == [["1"]] * 4 + [["-8"]]


def test_a_card_whose_account_is_gone_is_a_letter_after_its_merchant_was_looked_at(bank: SmallBank) -> None:
    number = bank.card(NOBODY - 1)
    nowhere, somewhere = record(payment(number, NOBODY)), record(payment(number, bank.account()))
    bank.apply(nowhere, somewhere)
    assert bank.outcomes([nowhere, somewhere]) == [
        ["letter:no_merchant: merchant_account_id"],
        ["letter:no_account: card_num"],
    ]
