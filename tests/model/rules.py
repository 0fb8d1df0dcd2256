"""The rules, in the contract's order, on a bank that they change. One function for each message type."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.model.bank import HIGHEST, LOWEST, Bank, Columns, funds
from tests.model.fraud import DEPLOYED, Sampled, Settings, is_fraud
from tests.model.outcome import (
    ACCEPTED,
    EXPIRED,
    ILLEGAL_NEGATIVE,
    INACTIVE,
    INSUFFICIENT_FUNDS,
    INVALID,
    INVALID_ACCOUNT_TYPE,
    NO_CARD,
    PAYMENT_TOO_LARGE,
    POTENTIAL_FRAUD,
    TABLES,
    Letter,
    Outcome,
)
from tests.model.reading import Message, Skipped, Unreadable, read

Values = dict[str, Any]


def never(identity: bytes) -> bool:
    """A sample that chooses nothing."""
    return False


def expected(
    data: bytes,
    arrived: datetime,
    bank: Bank,
    identity: bytes = b"",
    sampled: Sampled = never,
    settings: Settings = DEPLOYED,
) -> Outcome:
    """The outcome of the message `data` that arrived at `arrived` (aware), with its effect on `bank`."""
    message = read(data)
    if isinstance(message, Skipped):
        return Outcome("skipped")
    reason = message.reason if isinstance(message, Unreadable) else unknown(message, bank)
    if reason or isinstance(message, Unreadable):
        return Outcome("letter", reason=reason)
    now = arrived.astimezone(UTC).replace(tzinfo=None)
    try:
        status = _decide(message, now, bank, sampled(identity), settings)
    except Letter as letter:
        return Outcome("letter", reason=letter.reason)
    return Outcome("row", TABLES[message.type], status, _columns(message, status, bank))


def unknown(message: Message, bank: Bank) -> str:
    """Which account, merchant or loan of the message does not exist, so that it is a letter in any state; or ""."""
    values = message.values
    for name in ("origin_account", "destination_account", "account_id"):
        if name in values and values[name] not in bank.accounts:
            return f"unknown {name}"
    if "loan_id" in values and values["loan_id"] not in bank.loans:
        return "unknown loan_id"
    card = bank.cards.get(values.get("card_num", -1))
    if card is None:
        return ""
    if values["merchant_account_id"] not in bank.accounts:
        return "unknown merchant_account_id"
    return "" if card["accounts_id"] in bank.accounts else "unknown account of the card"


def _decide(message: Message, now: datetime, bank: Bank, chosen: bool, settings: Settings) -> int:
    if message.type == "transaction":
        return _transaction(message.values, bank)
    if message.type == "card_transaction":
        return _card_transaction(message.values, now, bank, chosen, settings)
    if message.type == "loan_payment":
        return _loan_payment(message.values, bank)
    return _stock(message.values)


def _transaction(values: Values, bank: Bank) -> int:
    origin = bank.accounts[values["origin_account"]]
    destination = bank.accounts[values["destination_account"]]
    amount = values["transfer_value"]
    if amount <= 0 or values["origin_account"] == values["destination_account"]:
        return INVALID
    if not origin["active"] or not destination["active"]:
        return INACTIVE
    if funds(origin) < amount:
        return INSUFFICIENT_FUNDS
    _move(origin, destination, amount)
    return ACCEPTED


def _card_transaction(values: Values, now: datetime, bank: Bank, chosen: bool, settings: Settings) -> int:
    card = bank.cards.get(values["card_num"])
    if card is None:
        return NO_CARD
    account = bank.accounts[card["accounts_id"]]
    merchant = bank.accounts[values["merchant_account_id"]]
    amount = values["transfer_value"]
    if amount <= 0 or values["merchant_account_id"] == card["accounts_id"]:
        return INVALID
    if not account["active"] or not merchant["active"]:
        return INACTIVE
    if funds(account) < amount:
        return INSUFFICIENT_FUNDS
    if card["exp_date"] is None or now.date() > card["exp_date"]:  # the column may hold what is no day
        return EXPIRED
    if _wrong_code(values, card):
        return INVALID
    if is_fraud(values, now, bank, chosen, settings):
        account["active"] = 0
        return POTENTIAL_FRAUD
    _move(account, merchant, amount)
    bank.spending[values["card_num"]].append((values["time_stamp"], amount))
    return ACCEPTED


def _wrong_code(values: Values, card: Columns) -> bool:
    if values["cvc1"] is not None:
        wrong_pin = card["pin"] is not None and values["pin"] != card["pin"]
        return bool(values["cvc1"] != card["cvc1"]) or wrong_pin
    return values["cvc2"] is not None and bool(values["cvc2"] != card["cvc2"])


def _loan_payment(values: Values, bank: Bank) -> int:
    account, loan = bank.accounts[values["account_id"]], bank.loans[values["loan_id"]]
    amount = values["amount"]
    if amount <= 0:
        return INVALID
    if account["account_type"].lower() not in ("savings", "checking"):
        return INVALID_ACCOUNT_TYPE
    if account["balance"] < amount:
        return INSUFFICIENT_FUNDS
    if not account["active"] or not loan["active"]:
        return INACTIVE
    if amount > max(-loan["balance"], 0):
        return PAYMENT_TOO_LARGE
    _move(account, loan, amount)
    return ACCEPTED


def _stock(values: Values) -> int:
    if any(values[name] < 0 for name in ("price", "market_cap", "volume", "high", "low")):
        return ILLEGAL_NEGATIVE
    return ACCEPTED


def _move(giver: Columns, taker: Columns, amount: Decimal) -> None:
    if giver["balance"] - amount < LOWEST or taker["balance"] + amount > HIGHEST:
        raise Letter("overflow")
    giver["balance"] -= amount
    taker["balance"] += amount


def _columns(message: Message, status: int, bank: Bank) -> Values:
    columns = {**message.values, "status": status}
    if message.type == "card_transaction":
        columns.update(pin=None, cvc1=None, cvc2=None)
        columns["paying_account_id"] = bank.cards.get(columns["card_num"], {}).get("accounts_id")
    if message.type == "stock" and status == ACCEPTED:
        columns["high"] = max(columns["high"], columns["price"])
        columns["low"] = min(columns["low"], columns["price"])
    return columns
