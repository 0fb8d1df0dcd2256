"""Bytes → a message, by the contract's chapter "Messages", with the standard library's JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.model.fields import integer, location, number, producer_id, rounded, secret, stamp, text
from tests.model.outcome import TABLES, Letter

MONEY = Decimal("99999999.99")
CAPITAL = Decimal("9999999999999.99")
PRICE = Decimal("9999999.999999")
UNSIGNED_INT = 2**32 - 1
CARD_NUMBER = 10**16 - 1
BIG_INT = 2**63 - 1


@dataclass(frozen=True)
class Message:
    """A message that may become a row: its type, the producer's id as text or None, and its values by field name."""

    type: str
    producer_id: str | None
    values: dict[str, Any]


@dataclass(frozen=True)
class Skipped:
    """A message that was processed elsewhere."""

    type: str


@dataclass(frozen=True)
class Unreadable:
    """A message that can only be a dead letter. `type` is None where it says none that we know."""

    reason: str
    type: str | None = None
    producer_id: str | None = None


def read(data: bytes) -> Message | Skipped | Unreadable:
    """What `data` says, by itself: neither the bank nor the time matters."""
    try:
        fields = _object(data)
    except Letter as letter:
        return Unreadable(letter.reason)
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in TABLES:
        return Unreadable("type")
    try:
        if integer(fields, "status") != 0:
            return Skipped(kind)
        return Message(kind, producer_id(fields), _VALUES[kind](fields))
    except Letter as letter:
        return Unreadable(letter.reason, kind, _claimed(fields))


def _claimed(fields: dict[str, Any]) -> str | None:
    """The id of a message that is a letter; None also where the id is what is wrong with it."""
    try:
        return producer_id(fields)
    except Letter:
        return None


def _object(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data.decode("utf-8-sig"), parse_float=_decimal, parse_int=_decimal, parse_constant=_decimal)
    except (ValueError, RecursionError):
        raise Letter("not_json") from None
    if not isinstance(fields, dict):
        raise Letter("not_json")
    return fields


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what Decimal holds: no column holds it, or it rounds to nothing
        return Decimal("1e-1000") if "e-" in text.lower() else Decimal("Infinity")


def _transaction(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "origin_account": number(fields, "origin_accounts_id", UNSIGNED_INT),
        "destination_account": number(fields, "destination_accounts_id", UNSIGNED_INT),
        "memo": text(fields, "memo", 55),
        "transfer_value": rounded(fields, "transfer_value", "0.01", MONEY),
        "time_stamp": stamp(fields, "time_stamp"),
    }


def _card_transaction(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "card_num": number(fields, "card_num", CARD_NUMBER),
        "merchant_account_id": number(fields, "merchant_account_id", UNSIGNED_INT),
        "memo": text(fields, "memo", 55),
        "transfer_value": rounded(fields, "transfer_value", "0.01", MONEY),
        "pin": secret(fields, "pin"),
        "cvc1": secret(fields, "cvc1"),
        "cvc2": secret(fields, "cvc2"),
        "location": location(fields),
        "time_stamp": stamp(fields, "time_stamp"),
    }


def _loan_payment(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "loan_id": number(fields, "loan_id", UNSIGNED_INT),
        "account_id": number(fields, "account_id", UNSIGNED_INT),
        "amount": rounded(fields, "amount", "0.01", MONEY),
        "time_stamp": stamp(fields, "time_stamp"),
    }


def _stock(fields: dict[str, Any]) -> dict[str, Any]:
    _no_illegal_null(fields)
    capital = fields.get("market_cap")
    if capital is None or (isinstance(capital, Decimal) and capital.is_nan()):
        fields = {**fields, "market_cap": Decimal(0)}
    return {
        "ticker": text(fields, "ticker", 6),
        "name": text(fields, "name", 256),
        "price": rounded(fields, "price", "0.000001", PRICE),
        "market_cap": rounded(fields, "market_cap", "0.01", CAPITAL),
        "volume": int(rounded(fields, "volume", "1", Decimal(BIG_INT))),
        "high": rounded(fields, "high", "0.000001", PRICE),
        "low": rounded(fields, "low", "0.000001", PRICE),
        "timestamp": stamp(fields, "timestamp"),
    }


def _no_illegal_null(fields: dict[str, Any]) -> None:
    ticker = fields.get("ticker")
    if ticker is None or (isinstance(ticker, str) and not ticker.strip()):
        raise Letter("illegal_null")
    for name in ("price", "volume", "high", "low"):
        value = fields.get(name)
        if not isinstance(value, Decimal) or value.is_nan():
            raise Letter("illegal_null")


_VALUES = {
    "transaction": _transaction,
    "card_transaction": _card_transaction,
    "loan_payment": _loan_payment,
    "stock": _stock,
}
