"""The model itself, against sentences of the contract with their numbers worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.model.bank import Bank
from tests.model.fraud import DEPLOYED, velocity
from tests.model.outcome import Outcome
from tests.model.reading import Message, Skipped, Unreadable, read
from tests.model.replay import Applied, replay
from tests.model.rules import expected

NOW = datetime(2026, 3, 10, 23, 59, 59, 500_000, tzinfo=UTC)
STAMP = "2021-10-06 11:28:47.209401"
CARD = 4000000000000001

TRANSFER = {
    "type": "transaction",
    "origin_accounts_id": 1,
    "destination_accounts_id": 2,
    "memo": "",
    "transfer_value": 10,
}
PAYMENT = {"type": "card_transaction", "card_num": CARD, "merchant_account_id": 2, "memo": "", "transfer_value": 10}
LOAN = {"type": "loan_payment", "loan_id": 1, "account_id": 1, "amount": 10}
STOCK = {"type": "stock", "ticker": "ABC", "name": "A", "price": 5, "volume": 7.5, "high": 4, "low": 6}


def make_bank() -> Bank:
    accounts = {
        number: {"balance": Decimal(100), "credit_limit": None, "active": 1, "account_type": "sAVINGS"}
        for number in (1, 2, 3)
    }
    card = {"accounts_id": 1, "pin": 1234, "cvc1": 111, "cvc2": 222, "exp_date": date(2026, 3, 10)}
    return Bank({}, accounts, {CARD: card}, {1: {"balance": Decimal(-50), "active": 1}})


def told(message: dict[str, Any], bank: Bank | None = None, now: datetime = NOW, **changes: Any) -> Outcome:
    stamps = {"time_stamp": STAMP, "timestamp": STAMP, "status": 0}
    return expected(json.dumps({**stamps, **message, **changes}).encode(), now, bank or make_bank())


def status(message: dict[str, Any], bank: Bank | None = None, **changes: Any) -> int | str:
    outcome = told(message, bank, **changes)
    return outcome.status if outcome.kind == "row" else outcome.kind


def changed(table: str, key: int, **columns: Any) -> Bank:
    bank = make_bank()
    getattr(bank, table)[key].update(columns)
    return bank


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, 1),
        ({"transfer_value": 100.004}, 1),
        ({"transfer_value": 100.005}, -1),
        ({"transfer_value": 0.004}, -4),
        ({"transfer_value": -5}, -4),
        ({"destination_accounts_id": 1}, -4),
        ({"destination_accounts_id": 9}, "letter"),
        ({"transfer_value": 99999999.994}, -1),
        ({"transfer_value": 99999999.995}, "letter"),
        ({"transfer_value": True}, "letter"),
        ({"transfer_value": "10"}, "letter"),
        ({"origin_accounts_id": 1.0}, 1),
        ({"origin_accounts_id": -666}, "letter"),
        ({"memo": None}, "letter"),
        ({"memo": "ü" * 55}, 1),
        ({"memo": "m" * 56}, "letter"),
        ({"status": 3, "memo": 7}, "skipped"),
        ({"status": "0"}, "letter"),
        ({"id": 1.5}, "letter"),
        ({"id": ""}, "letter"),
        ({"id": "i" * 129}, "letter"),
    ],
)
def test_transfers(changes: dict[str, Any], what: int | str) -> None:
    assert status(TRANSFER, **changes) == what


def test_a_credit_limit_of_zero_is_none_and_a_negative_one_may_be_used_up() -> None:
    assert status(TRANSFER, changed("accounts", 1, credit_limit=0), transfer_value=100.01) == -1
    assert status(TRANSFER, changed("accounts", 1, credit_limit=-50), transfer_value=150) == 1
    assert status(TRANSFER, changed("accounts", 1, credit_limit=-50), transfer_value=150.01) == -1


def test_what_would_overflow_a_balance_is_a_letter_and_changes_nothing() -> None:
    bank = changed("accounts", 2, balance=Decimal("99999995.00"))
    assert told(TRANSFER, bank).reason == "overflow"
    assert bank.accounts[1]["balance"] == 100
    assert told(TRANSFER, bank, transfer_value=4.99).status == 1


def test_inactive_comes_before_funds_for_transfers_and_after_them_for_loans() -> None:
    for message in (TRANSFER, LOAN):
        bank = changed("accounts", 1, active=0)
        assert status(message, bank, transfer_value=500, amount=500) == (-2 if message is TRANSFER else -1)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"location": "us"}, 1),
        ({"location": "USA"}, "letter"),
        ({"card_num": 1, "merchant_account_id": 99}, -7),
        ({"merchant_account_id": 99}, "letter"),
        ({"merchant_account_id": 1}, -4),
        ({"cvc1": 111, "pin": 1234, "location": "US"}, 1),
        ({"cvc1": "0111", "pin": "1234", "location": "US"}, 1),
        ({"cvc1": 111, "pin": "\\N", "location": "US"}, -4),
        ({"cvc1": 112, "pin": 1234, "location": "US"}, -4),
        ({"cvc1": "\\N", "cvc2": 222, "pin": 1, "location": "US"}, 1),
        ({"cvc1": "", "cvc2": 111, "location": "US"}, -4),
        ({"cvc1": 111, "pin": 1234, "cvc2": 1, "location": "US"}, 1),
        ({"cvc1": False}, "letter"),
        ({"transfer_value": 20}, 1),
        ({"transfer_value": 20.01}, -8),
        ({"transfer_value": 80, "location": "US"}, 1),
        ({"transfer_value": 80.01, "location": "US"}, -8),
    ],
)
def test_card_payments(changes: dict[str, Any], what: int | str) -> None:
    assert status(PAYMENT, **changes) == what


def test_the_day_of_expiry_is_the_last_valid_one_and_funds_come_before_it() -> None:
    assert status(PAYMENT, location="US", now=NOW) == 1
    assert status(PAYMENT, location="US", now=NOW + timedelta(seconds=1)) == -3
    assert status(PAYMENT, location="US", now=NOW + timedelta(seconds=1), transfer_value=500) == -1


def test_a_card_whose_column_holds_no_day_has_expired() -> None:
    assert status(PAYMENT, changed("cards", CARD, exp_date=None), location="US") == -3


def test_a_card_without_the_code_that_is_given_matches_none_and_without_a_pin_any() -> None:
    assert status(PAYMENT, changed("cards", CARD, cvc1=None), cvc1=111, pin=1234, location="US") == -4
    assert status(PAYMENT, changed("cards", CARD, pin=None), cvc1=111, location="US") == 1


def test_fraud_shuts_the_account_and_keeps_the_money() -> None:
    bank = make_bank()
    assert status(PAYMENT, bank, transfer_value=90) == -8
    assert (bank.accounts[1]["active"], bank.accounts[1]["balance"]) == (0, 100)
    assert status(PAYMENT, bank) == -2


@pytest.mark.parametrize(
    ("recent", "history", "score"),
    [
        ("9.99", "0", "0"),
        ("10", "0", "0.5"),
        ("10", "99.99", "0.5"),
        ("10", "100", "0"),
        ("30", "100", "2"),
        ("10", "400", "-0.75"),
    ],
)
def test_velocity_compares_three_days_with_the_thirty_before(recent: str, history: str, score: str) -> None:
    bank, now = make_bank(), datetime(2026, 3, 10)
    for days, amount in ((0, recent), (3, history), (33, "1000")):
        bank.spending[CARD].append((now - timedelta(days=days), Decimal(amount)))
    assert velocity(CARD, now, bank, DEPLOYED) == Decimal(score)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, 1),
        ({"amount": 50}, 1),
        ({"amount": 50.01}, -6),
        ({"amount": 100.01}, -1),
        ({"amount": 0}, -4),
        ({"loan_id": 2}, "letter"),
        ({"account_id": 9}, "letter"),
    ],
)
def test_loan_payments(changes: dict[str, Any], what: int | str) -> None:
    assert status(LOAN, **changes) == what
    assert status(LOAN, changed("loans", 1, balance=Decimal(0))) == -6
    assert status(LOAN, changed("accounts", 1, account_type="Credit")) == -5
    assert status(LOAN, changed("accounts", 1, balance=Decimal(5), credit_limit=-100)) == -1


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, 1),
        ({"market_cap": float("nan")}, 1),
        ({"price": -1}, -2),
        ({"market_cap": -1}, -2),
        ({"price": float("nan")}, "letter"),
        ({"volume": "7"}, "letter"),
        ({"ticker": " "}, "letter"),
        ({"ticker": "TOOLONG"}, "letter"),
        ({"market_cap": float("inf")}, "letter"),
        ({"volatility": "x"}, 1),
    ],
)
def test_stocks(changes: dict[str, Any], what: int | str) -> None:
    assert status(STOCK, **changes) == what


def test_a_stock_row_is_put_right_when_accepted_and_as_sent_when_negative() -> None:
    good, bad = told(STOCK).columns, told(STOCK, market_cap=-1).columns
    assert (good["high"], good["low"], good["market_cap"], good["volume"]) == (5, 5, 0, 8)
    assert (bad["high"], bad["low"]) == (4, 6)


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        (STAMP, datetime(2021, 10, 6, 11, 28, 47)),
        ("2021-10-06", datetime(2021, 10, 6)),
        ("2021-10-06T11:28:47.9Z", datetime(2021, 10, 6, 11, 28, 47)),
        ("2021-10-06T23:30:00-01:00", datetime(2021, 10, 7, 0, 30)),
        ("1000-01-01T00:30:00+01:00", None),
        ("9999-12-31T23:30:00-01:00", None),
        ("2021-10-06T24:00:00", None),
        ("2021-10-06T23:59:60", None),
        ("2021-02-29", None),
        ("2021-W40-3", None),
        ("0999-12-31", None),
        (" 2021-10-06", None),
    ],
)
def test_time_stamps(text: str, stamp: datetime | None) -> None:
    outcome = told(TRANSFER, time_stamp=text)
    assert outcome.columns.get("time_stamp") == stamp
    assert outcome.kind == ("row" if stamp else "letter")


def test_reading_takes_a_byte_order_mark_and_the_last_of_a_repeated_key() -> None:
    data = b'\xef\xbb\xbf{"type": "stock", "type": "transaction", "status": 1}'
    assert read(data) == Skipped("transaction")
    assert isinstance(read(data.decode("utf-8-sig").encode("utf-16")), Unreadable)
    for broken in (b"", b"[]", b"null", b"{", b"\xff", b'{"type": "x", "status": 1}', b"[" * 100_000):
        assert isinstance(read(broken), Unreadable)


def test_an_id_is_the_same_as_integer_as_whole_float_and_as_text() -> None:
    stamp = {"time_stamp": STAMP, "status": 0}
    said = [read(json.dumps({**TRANSFER, **stamp, "id": value}).encode()) for value in (7, 7.0, "7")]
    assert [message.producer_id for message in said if isinstance(message, Message)] == ["7"] * 3


def test_a_letter_for_overflow_is_right_only_where_a_balance_could_overflow() -> None:
    opening = changed("accounts", 2, balance=Decimal("99999989.99"))
    data = json.dumps({**TRANSFER, "time_stamp": STAMP, "status": 0}).encode()
    assert [text for _, text in replay(opening, [], [data], opening)] == [
        "a transaction has no row; the model says it must be one in transactions"
    ]
    opening.accounts[2]["balance"] += Decimal("0.01")
    final = opening.copy()
    assert replay(opening, [], [data], final) == []


def test_a_replay_compares_statuses_columns_and_balances_in_order() -> None:
    data = json.dumps({**TRANSFER, "time_stamp": STAMP, "status": 0, "transfer_value": 60}).encode()
    bank = make_bank()
    outcomes = [expected(data, NOW, bank) for _ in range(2)]
    rows = [Applied("transactions", outcome.columns, bytes([n]), data, NOW) for n, outcome in enumerate(outcomes)]
    assert [outcome.status for outcome in outcomes] == [1, -1]
    assert replay(make_bank(), rows, [], bank) == []
    assert len(replay(make_bank(), rows[::-1], [], bank)) == 2
    assert len(replay(make_bank(), rows, [], make_bank())) == 2
