"""Every rule of transfers, loan payments and quotes, each in its place in the order, as the tables show it afterwards.

The rules of card payments are in test_card_payments.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.messages import STAMP, loan_payment, payment, quote, record, transfer
from tests.integration.small_bank import (
    CLOSED,
    FULL,
    MISSING,
    NOBODY,
    Given,
    SmallBank,
)
from tests.schema import Schema


@pytest.fixture(scope="module")
def bank(migrated: Schema, moto: str) -> Iterator[SmallBank]:
    schema = migrated.copy("domains")
    yield SmallBank(schema, moto)
    schema.drop()


POOR = {"balance": "0.00"}
NEARLY_FULL = {"balance": "99999999.98"}
BOTTOM = {"balance": "-99999999.98", "limit": -2_147_483_648}


@pytest.mark.parametrize(
    ("origin", "destination", "amount", "outcome"),
    [
        pytest.param({}, POOR, 100.0, "1", id="all of the funds"),
        pytest.param({}, POOR, 100.01, "-1", id="a cent more than the funds"),
        pytest.param({"balance": "-20.00", "limit": -50}, POOR, 30, "1", id="down to a negative limit"),
        pytest.param({"balance": "-20.00", "limit": -50}, POOR, 30.01, "-1", id="below a negative limit"),
        pytest.param({"limit": 0}, POOR, 100, "1", id="a limit of zero is none"),
        pytest.param({"limit": 40}, POOR, 60, "1", id="down to a positive limit"),
        pytest.param({"limit": 40}, POOR, 60.01, "-1", id="below a positive limit"),
        pytest.param({}, POOR, 0.005, "1", id="half a cent is a cent"),
        pytest.param({}, POOR, 0.00499, "-4", id="less than half a cent is nothing"),
        pytest.param({}, POOR, -5, "-4", id="a negative amount"),
        pytest.param(CLOSED, {}, -5, "-4", id="amount before activity"),
        pytest.param({"active": False, "balance": "0.00"}, {}, 5, "-2", id="activity before funds"),
        pytest.param({}, CLOSED, 500, "-2", id="an inactive destination"),
        pytest.param({}, FULL, 500, "-1", id="funds before overflow"),
        pytest.param({}, NEARLY_FULL, 0.01, "1", id="up to the largest balance"),
        pytest.param({}, FULL, 0.01, "letter:balance_overflow: destination_accounts_id", id="beyond it"),
        pytest.param(BOTTOM, POOR, 0.01, "1", id="down to the smallest balance"),
        pytest.param(BOTTOM, POOR, 0.02, "letter:balance_overflow: origin_accounts_id", id="below it"),
        pytest.param(MISSING, {}, -5, "letter:no_account: origin_accounts_id", id="existence before amount"),
        pytest.param({}, MISSING, 5, "letter:no_account: destination_accounts_id", id="a missing destination"),
        pytest.param({}, POOR, 99_999_999.994, "-1", id="the largest amount"),
        pytest.param({}, POOR, 99_999_999.995, "letter:out_of_range: transfer_value", id="an amount beyond its column"),
    ],
)
def test_a_transfer(bank: SmallBank, origin: Given, destination: Given, amount: float, outcome: str) -> None:
    giver, taker = bank.some_account(origin), bank.some_account(destination)
    known = [number for number in (giver, taker) if number != NOBODY]
    before = bank.balances(*known)
    sent = record(transfer(giver, taker, amount))
    bank.apply(sent)
    assert bank.outcome(sent) == [outcome]
    moved = Decimal(str(amount)).quantize(Decimal("0.01"), "ROUND_HALF_UP") if outcome == "1" else Decimal(0)
    signs = dict(zip(known, (-moved, moved), strict=False))
    assert bank.balances(*known) == [str(Decimal(held) + signs[a]) for a, held in zip(known, before, strict=True)]
    if not outcome.startswith("letter"):
        assert bank.last_row("transactions") == {
            "origin_account": giver,
            "destination_account": taker,
            "memo": "rent",
            "transfer_value": Decimal(str(amount)).quantize(Decimal("0.01"), "ROUND_HALF_UP"),
            "time_stamp": STAMP,
            "status": int(outcome),
        }


def test_a_transfer_to_itself_is_invalid_before_activity_but_not_before_existence(bank: SmallBank) -> None:
    closed = bank.account(active=False)
    known, unknown = record(transfer(closed, closed)), record(transfer(NOBODY, NOBODY))
    bank.apply(known, unknown)
    assert bank.outcomes([known, unknown]) == [["-4"], ["letter:no_account: origin_accounts_id"]]


@pytest.mark.parametrize(
    ("payer", "loan", "amount", "outcome"),
    [
        pytest.param({}, {}, 80, "1", id="all that is owed"),
        pytest.param({}, {}, 80.01, "-6", id="a cent more than is owed"),
        pytest.param({"balance": "80.00"}, {}, 80, "1", id="all of the balance"),
        pytest.param({"balance": "79.99", "limit": -500}, {}, 80, "-1", id="a credit limit pays no loan"),
        pytest.param({"balance": "80.00", "limit": 40}, {}, 80, "1", id="nor does a positive one protect"),
        pytest.param({"kind": "sAVINGS"}, {}, 1, "1", id="savings in any case"),
        pytest.param({"kind": "Credit", "balance": "0.00"}, {}, 1, "-5", id="type before balance"),
        pytest.param({"kind": "Credit"}, {}, 0, "-4", id="amount before type"),
        pytest.param({"kind": "Checking ", "active": False}, {}, 1, "-5", id="type before activity"),
        pytest.param({"active": False, "balance": "0.00"}, {}, 1, "-1", id="balance before activity"),
        pytest.param({}, CLOSED, 99, "-2", id="activity before what is owed"),
        pytest.param(CLOSED, {}, 99, "-2", id="an inactive account"),
        pytest.param({}, {"balance": "0.00"}, 0.01, "-6", id="nothing is owed"),
        pytest.param({}, {"balance": "7.00"}, 5, "-6", id="the bank owes"),
        pytest.param({}, MISSING, -1, "letter:no_loan: loan_id", id="existence of the loan first"),
        pytest.param(MISSING, {}, -1, "letter:no_account: account_id", id="then of the account"),
    ],
)
def test_a_loan_payment(bank: SmallBank, payer: Given, loan: Given, amount: float, outcome: str) -> None:
    owner = bank.some_account(payer)
    debt = NOBODY if loan.get("missing") else bank.loan(**loan)
    sent = record(loan_payment(debt, owner, amount))
    before = bank.schema.query("SELECT SUM(balance) FROM accounts")[0][0]
    bank.apply(sent)
    assert bank.outcome(sent) == [outcome]
    moved = Decimal(str(amount)).quantize(Decimal("0.01"))
    paid = before - bank.schema.query("SELECT SUM(balance) FROM accounts")[0][0]
    assert paid == (moved if outcome == "1" else 0)
    if debt != NOBODY:
        assert Decimal(bank.owed(debt)) == Decimal(loan.get("balance", "-80.00")) + paid
    if not outcome.startswith("letter"):
        assert bank.last_row("loan_payments") == {
            "loan_id": debt,
            "account_id": owner,
            "amount": moved,
            "time_stamp": STAMP,
            "status": int(outcome),
        }


@pytest.mark.parametrize(
    ("said", "outcome", "stored"),
    [
        pytest.param({"price": 10}, "1", {"high": "12.000000", "low": "8.000000"}, id="within"),
        pytest.param({"price": 13}, "1", {"high": "13.000000", "low": "8.000000"}, id="above the high"),
        pytest.param({"price": 7.5}, "1", {"high": "12.000000", "low": "7.500000"}, id="below the low"),
        pytest.param({"price": 0, "low": 0}, "1", {"price": "0.000000", "low": "0.000000"}, id="zero"),
        pytest.param({"price": 0.0000005}, "1", {"price": "0.000001", "low": "0.000001"}, id="rounded to a millionth"),
        pytest.param({"price": -1, "high": -5}, "-2", {"price": "-1.000000", "high": "-5.000000", "low": "8.000000"}),
        pytest.param({"price": 13, "low": -1}, "-2", {"high": "12.000000", "low": "-1.000000"}, id="-2 as sent"),
        pytest.param({"price": 13, "volume": -1}, "-2", {"volume": "-1", "high": "12.000000"}, id="volume"),
        pytest.param({"market_cap": -0.01}, "-2", {"market_cap": "-0.01"}, id="market cap"),
        pytest.param({"market_cap": None}, "1", {"market_cap": "0.00"}, id="no market cap"),
        pytest.param({"market_cap": float("nan")}, "1", {"market_cap": "0.00"}, id="market cap NaN"),
        pytest.param({"volume": 2.5}, "1", {"volume": "3"}, id="half a share is a whole one"),
        pytest.param({"volume": 2**63 - 1}, "1", {"volume": str(2**63 - 1)}, id="all shares there are"),
        pytest.param({"high": 9_999_999.999999}, "1", {"high": "9999999.999999"}, id="the highest price"),
        pytest.param({"high": 1e7}, "letter:out_of_range: high", {}, id="a price beyond its column"),
        pytest.param({"price": None, "ticker": "TOOLONG"}, "letter:illegal_null: price", {}, id="null first"),
        pytest.param({"low": "8"}, "letter:illegal_null: low", {}, id="a text"),
        pytest.param({"ticker": "  "}, "letter:illegal_null: ticker", {}, id="a blank ticker"),
        pytest.param({"volume": float("nan")}, "letter:illegal_null: volume", {}, id="volume NaN"),
        pytest.param({"high": float("inf")}, "letter:not_finite: high", {}, id="infinitely high"),
    ],
)
def test_a_quote(bank: SmallBank, said: Given, outcome: str, stored: Mapping[str, str]) -> None:
    sent = record(quote(**said))
    bank.apply(sent)
    assert bank.outcome(sent) == [outcome]
    if not outcome.startswith("letter"):
        row = bank.last_row("stocks")
        assert {name: str(row[name]) for name in stored} == stored
        assert (row["ticker"], row["name"], row["timestamp"], row["status"]) == ("UTOP", "Utopia", STAMP, int(outcome))


def test_each_message_of_a_chunk_sees_those_before_it_across_types(bank: SmallBank) -> None:
    rich, poor, shop = bank.account("100.00"), bank.account("0.00"), bank.account("0.00")
    number, debt = bank.card(poor), bank.loan("-30.00")
    sent = [
        record(payment(number, shop, 30)),
        record(transfer(rich, poor, 100)),
        record(payment(number, shop, 25)),
        record(loan_payment(debt, poor, 31)),
        record(loan_payment(debt, poor, 20)),
        record(loan_payment(debt, poor, 11)),
        record(transfer(shop, rich, 25)),
        record(transfer(shop, rich, 0.01)),
        record(transfer(poor, rich, 55)),
        record(loan_payment(debt, poor, 1)),
    ]
    bank.apply(*sent)
    assert [status for (status,) in bank.outcomes(sent)] == ["-1", "1", "1", "-6", "1", "-6", "1", "-1", "1", "-1"]
    assert bank.balances(rich, poor, shop) == ["80.00", "0.00", "0.00"]
    assert bank.owed(debt) == "-10.00"
    order = [(name, row["event_id"]) for name, row in _in_order_of_application(bank)][-len(sent) :]
    assert [event for _, event in order] == [bank.partition.router.interpret(one).identity for one in sent]  # type: ignore[union-attr]


def _in_order_of_application(bank: SmallBank) -> list[tuple[str, dict[str, Any]]]:
    rows = [
        (table, row)
        for table in ("transactions", "card_transactions", "loan_payments")
        for row in bank.rows(table)
        if row["applied_at"] is not None
    ]
    return sorted(rows, key=lambda named: named[1]["applied_at"])
