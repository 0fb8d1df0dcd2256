"""Messages that nobody should send, each with what has to become of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from tests.integration.messages import loan_payment, payment, quote, transfer
from tests.integration.small_bank import NOBODY

DROP = "'); DROP TABLE transactions; -- "
MIB = 1024 * 1024


class Holder(NamedTuple):
    """Who pays in one case: an account with a card and a loan, and another account."""

    account: int
    other: int
    card: int
    loan: int


Maker = Callable[[Holder], bytes | Mapping[str, object]]


def sent(**changes: object) -> Maker:
    """A good transfer with some fields changed."""
    return lambda who: transfer(who.account, who.other, **changes)


def raw(data: bytes) -> Maker:
    return lambda who: data


def literally(name: str, literal: str) -> Maker:
    """A good transfer, but with this JSON in the place of one value; the name may come a second time."""

    def make(who: Holder) -> bytes:
        fields = transfer(who.account, who.other)
        return (json.dumps(fields)[:-1] + f', "{name}": {literal}}}').encode()

    return make


def without(name: str) -> Maker:
    return lambda who: {key: value for key, value in transfer(who.account, who.other).items() if key != name}


def paid(**changes: object) -> Maker:
    return lambda who: payment(who.card, who.other, **changes)


CASES: dict[str, tuple[Maker, str]] = {
    "empty": (raw(b""), "empty"),
    "blanks": (raw(b" \r\n\t"), "empty"),
    "one byte": (raw(b"{"), "not_json"),
    "one NUL": (raw(b"\0"), "not_json"),
    "a byte order mark alone": (raw(b"\xef\xbb\xbf"), "empty"),
    "a byte order mark before a good message": (
        lambda who: b"\xef\xbb\xbf" + json.dumps(transfer(who.account, who.other)).encode(),
        "1",
    ),
    "UTF-16": (lambda who: json.dumps(transfer(who.account, who.other)).encode("utf-16"), "not_utf8"),
    "invalid UTF-8": (raw(b'{"type": "transaction", "memo": "\xff\xfe"}'), "not_utf8"),
    "a surrogate in bytes": (raw(b'{"type": "transaction", "memo": "\xed\xa0\x80"}'), "not_utf8"),
    "a lone surrogate": (sent(memo="\ud83d"), "bad_text: memo"),
    "NUL in a text": (sent(memo="a\0b"), "1"),
    "NUL in the JSON": (lambda who: json.dumps(transfer(who.account, who.other)).encode() + b"\0", "not_json"),
    "100,000 nested lists": (raw(b"[" * 100_000), "not_json"),
    "100,000 nested objects": (raw(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "not_json"),
    "nesting in a field that nobody needs": (literally("extra", "[" * 100_000 + "]" * 100_000), "not_json"),
    "1 MiB of no JSON": (raw(b"x" * MIB), "not_json"),
    "1 MiB in a memo": (sent(memo="x" * MIB), "text_too_long: memo"),
    "10 MiB in a memo": (sent(memo="é" * 5 * MIB), "text_too_long: memo"),
    "1 MiB in a field that nobody needs": (sent(extra="x" * MIB), "1"),
    "a million digits": (literally("transfer_value", "9" * 1_000_000), "out_of_range: transfer_value"),
    "a list": (raw(b'[{"type": "transaction"}]'), "not_an_object"),
    "a text": (raw(b'"transaction"'), "not_an_object"),
    "a number": (raw(b"7"), "not_an_object"),
    "null": (raw(b"null"), "not_an_object"),
    "NaN": (raw(b"NaN"), "not_an_object"),
    "cut off": (raw(b'{"type": "transaction", "origin_acc'), "not_json"),
    "two objects": (raw(b"{}{}"), "not_json"),
    "a repeated key, the last one good": (lambda who: literally("origin_accounts_id", str(who.account))(who), "1"),
    "a repeated key, the last one bad": (literally("memo", "null"), "missing_field: memo"),
    "an unknown type": (sent(type="mortgage"), "unknown_type: type"),
    "a type in capitals": (sent(type="Transaction"), "unknown_type: type"),
    "no type": (without("type"), "missing_type: type"),
    "a type of null": (sent(type=None), "missing_type: type"),
    "a list of types": (sent(type=["transaction"]), "unknown_type: type"),
    "no status": (without("status"), "missing_field: status"),
    "a status of text": (sent(status="0"), "wrong_type: status"),
    "a status of false": (sent(status=False), "wrong_type: status"),
    "a status of 0.5": (sent(status=0.5), "wrong_type: status"),
    "a status of 0.0": (sent(status=0.0), "1"),
    "no memo": (without("memo"), "missing_field: memo"),
    "no amount": (without("transfer_value"), "missing_field: transfer_value"),
    "an amount of null": (sent(transfer_value=None), "missing_field: transfer_value"),
    "an account of null": (sent(origin_accounts_id=None), "missing_field: origin_accounts_id"),
    "an amount of NaN": (sent(transfer_value=float("nan")), "not_finite: transfer_value"),
    "an amount of Infinity": (sent(transfer_value=float("inf")), "not_finite: transfer_value"),
    "an amount of 1e400": (literally("transfer_value", "1e400"), "out_of_range: transfer_value"),
    "an amount of 1e-400": (literally("transfer_value", "1e-400"), "-4"),
    "an amount of 1E+1": (literally("transfer_value", "1E+1"), "1"),
    "an amount with an endless exponent": (
        literally("transfer_value", "1e99999999999999999999"),
        "not_finite: transfer_value",
    ),
    "an amount of 2^63": (sent(transfer_value=2**63), "out_of_range: transfer_value"),
    "an account of 2^63": (sent(origin_accounts_id=2**63), "out_of_range: origin_accounts_id"),
    "an account of 2^64": (sent(origin_accounts_id=2**64), "out_of_range: origin_accounts_id"),
    "an account of 2^32": (sent(destination_accounts_id=2**32), "out_of_range: destination_accounts_id"),
    "an account of -1": (sent(destination_accounts_id=-1), "out_of_range: destination_accounts_id"),
    "an account of 1e400": (literally("origin_accounts_id", "1e400"), "out_of_range: origin_accounts_id"),
    "half an account": (sent(origin_accounts_id=1.5), "wrong_type: origin_accounts_id"),
    "an account in text": (sent(origin_accounts_id="1"), "wrong_type: origin_accounts_id"),
    "an account of true": (sent(origin_accounts_id=True), "wrong_type: origin_accounts_id"),
    "an amount of 'NaN'": (sent(transfer_value="NaN"), "wrong_type: transfer_value"),
    "an amount of true": (sent(transfer_value=True), "wrong_type: transfer_value"),
    "an amount in a list": (sent(transfer_value=[1]), "wrong_type: transfer_value"),
    "an amount of zero": (sent(transfer_value=0), "-4"),
    "an amount of minus zero": (sent(transfer_value=-0.0), "-4"),
    "a negative amount": (sent(transfer_value=-1), "-4"),
    "three decimals": (sent(transfer_value=1.005), "1"),
    "an amount beyond the column": (sent(transfer_value=100_000_000), "out_of_range: transfer_value"),
    "to itself": (lambda who: transfer(who.account, who.account), "-4"),
    "from nobody": (lambda who: transfer(NOBODY, who.account), "no_account: origin_accounts_id"),
    "to nobody": (lambda who: transfer(who.account, NOBODY), "no_account: destination_accounts_id"),
    "to account 0": (lambda who: transfer(who.account, 0), "no_account: destination_accounts_id"),
    "by no card": (lambda who: payment(NOBODY, who.other), "-7"),
    "by card 9999999999999999": (lambda who: payment(10**16 - 1, who.other), "-7"),
    "by a card of 17 digits": (lambda who: payment(10**16, who.other), "out_of_range: card_num"),
    "by a card in text": (lambda who: payment(str(who.card), who.other), "wrong_type: card_num"),
    "at no merchant": (lambda who: payment(who.card, NOBODY), "no_merchant: merchant_account_id"),
    "for no loan": (lambda who: loan_payment(NOBODY, who.account), "no_loan: loan_id"),
    "for a loan by nobody": (lambda who: loan_payment(who.loan, NOBODY), "no_account: account_id"),
    "a PIN of true": (paid(pin=True), "wrong_type: pin"),
    "a PIN in words": (paid(pin="one"), "wrong_type: pin"),
    "a code of 2^64": (paid(cvc2=2**64), "-4"),
    "a code of NaN": (paid(cvc1=float("nan")), "not_finite: cvc1"),
    "a code in a list": (paid(cvc1=[111]), "wrong_type: cvc1"),
    "a place of three letters": (paid(location="USA"), "bad_location: location"),
    "a place of no letters": (paid(location="'-"), "bad_location: location"),
    "an empty place": (paid(location=""), "bad_location: location"),
    "a memo of 55 characters": (sent(memo="x" * 55), "1"),
    "a memo of 56 characters": (sent(memo="x" * 56), "text_too_long: memo"),
    "a memo of 55 emoji": (sent(memo="🎁" * 55), "1"),
    "a memo from right to left": (sent(memo="\u202eمرحبا بالعالم\u202c"), "1"),
    "a memo that ends in blanks": (sent(memo=" rent  "), "1"),
    "a memo of a number": (sent(memo=5), "wrong_type: memo"),
    "SQL in a memo": (sent(memo=DROP), "1"),
    "quotes and backslashes in a memo": (sent(memo="\\'\"`\\\\%s%(memo)s{0};\x1a"), "1"),
    "SQL in the memo of a card": (paid(memo=DROP), "1"),
    "SQL in an id": (sent(id=DROP), "1"),
    "SQL in a place": (paid(location=DROP), "bad_location: location"),
    "SQL in a time stamp": (sent(time_stamp=DROP), "bad_timestamp: time_stamp"),
    "SQL in the name of a stock": (lambda who: quote(name=DROP), "1"),
    "SQL in a ticker": (lambda who: quote(ticker="';--%s"), "1"),
    "a time stamp with a zone": (sent(time_stamp="2021-10-06T11:28:47.9+02:00"), "1"),
    "a date": (sent(time_stamp="2021-10-06"), "1"),
    "the hour that summer time skips": (sent(time_stamp="2021-03-28 02:30:00"), "1"),
    "garbage for a time stamp": (sent(time_stamp="yesterday"), "bad_timestamp: time_stamp"),
    "a time stamp at 24:00": (sent(time_stamp="2021-10-06 24:00:00"), "bad_timestamp: time_stamp"),
    "a leap second": (sent(time_stamp="2016-12-31 23:59:60"), "bad_timestamp: time_stamp"),
    "the 30th of February": (sent(time_stamp="2021-02-30"), "bad_timestamp: time_stamp"),
    "the year 0": (sent(time_stamp="0000-00-00 00:00:00"), "bad_timestamp: time_stamp"),
    "a zone that leads beyond the year 9999": (sent(time_stamp="9999-12-31 23:59-01"), "bad_timestamp: time_stamp"),
    "seconds since 1970": (sent(time_stamp=1633519727), "wrong_type: time_stamp"),
    "fields that nobody knows": (sent(event_id="x", applied_at=None, **{"": [], "`": {}}), "1"),
    "an empty id": (sent(id=""), "bad_id: id"),
    "an id of 129 characters": (sent(id="x" * 129), "bad_id: id"),
    "an id of true": (sent(id=True), "bad_id: id"),
    "half an id": (sent(id=0.5), "bad_id: id"),
    "an id of half a character": (sent(id="\ud83d"), "bad_id: id"),
    "an id in a list": (sent(id=[1]), "bad_id: id"),
    "an id with an endless exponent": (literally("id", "1e999999999"), "bad_id: id"),
    "an id of null": (sent(id=None), "1"),
}
"""Name → the message, and the status of its row or the error of its letter."""
MOVED: dict[str, str] = {
    "three decimals": "1.01",
    "an amount of 1E+1": "10",
    "SQL in the name of a stock": "0",
    "SQL in a ticker": "0",
}
"""Name → what an accepted message takes from its account, where that is not 1."""
STORED: dict[str, dict[str, object]] = {
    "a time stamp with a zone": {"time_stamp": datetime(2021, 10, 6, 9, 28, 47)},
    "a date": {"time_stamp": datetime(2021, 10, 6)},
    "SQL in the name of a stock": {"name": DROP, "ticker": "UTOP"},
    "SQL in a ticker": {"ticker": "';--%s"},
    "SQL in the memo of a card": {"memo": DROP, "location": "US"},
}
"""Name → what its row has to hold; a memo is always what was sent."""
