"""Whether the service and the model read a message alike, and what nobody should send in any of its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

from msgspec.structs import asdict

from card_transactions.consumer import CardTransactions
from card_transactions.fraud import FraudWeights
from loans.consumer import Loans
from pipeline.applying.domain import Domain
from pipeline.applying.routing import Router
from pipeline.messages.identity import identity
from pipeline.messages.records import Event, Letter, Record, Skipped
from pipeline.messages.usual import UsualKey, UsualMessage
from stocks.consumer import Stocks
from tests.model.reading import Message, Unreadable, read
from transactions.consumer import Transactions

DOMAINS: tuple[Domain, ...] = (Transactions(), CardTransactions(FraudWeights()), Loans(), Stocks())
ROUTES: Mapping[str, Domain] = {domain.type: domain for domain in DOMAINS}
ROUTER = Router("stream", ROUTES)


class Never(UsualMessage, tag="never"):
    """What no message is."""


class NoKey(UsualKey, tag="never"):
    """The same of its key."""


def _careful(domain: Domain) -> Domain:
    careful = copy(domain)
    careful.usual_message, careful.usual_key = Never, NoKey
    return careful


CAREFUL = Router("stream", {domain.type: _careful(domain) for domain in DOMAINS})
"""Reads every message field by field."""
STAMP = "2021-10-06 11:28:47.209401"
TRANSFER = {"origin_accounts_id": 1, "destination_accounts_id": 2, "memo": "a", "transfer_value": 1.5}
PAYMENT = {"card_num": 4000000000000001, "merchant_account_id": 2, "memo": "a", "transfer_value": 1.5}
CODES = {"pin": 1, "cvc1": 2, "cvc2": 3, "location": "US"}
QUOTE = {"ticker": "ABC", "name": "n", "price": 1.5, "market_cap": 2.5, "volume": 3, "high": 2, "low": 1}
GOOD: dict[str, dict[str, object]] = {
    "transaction": {**TRANSFER, "time_stamp": STAMP},
    "card_transaction": {**PAYMENT, **CODES, "time_stamp": STAMP},
    "loan_payment": {"loan_id": 1, "account_id": 2, "amount": 1.5, "time_stamp": STAMP},
    "stock": {**QUOTE, "timestamp": STAMP, "volatility": 0.1, "percent_change": 0.2},
}


def words(text: str) -> list[str]:
    return text.split()


NUMBERS = words(
    """
    null true false 0 -0 -0.0 1 1.0 7.5 -1 1e400 -1e400 1e-400 1e5000 1e999999999999999999999 NaN Infinity -Infinity
    65536 4294967295 4294967296 9999999999999999 10000000000000000 99999999.99 99999999.994 99999999.995
    9999999.9999994 9999999.9999995 9999999999999.99 9999999999999.995 9223372036854775807.4 9223372036854775807.5
    9223372036854775808 0.005 0.004 -0.004 -0.005 0.0049999999999999999999999999999999999999999 -0.0000004 [] {} [1]
    """
)
STAMPS = words(
    """
    2021-10-06 2021-10-06T11:28 2021-10-06T11 2021-10-06T11:28:47 2021-10-06t11:28:47z 2021-10-06T11:28:47,5
    2021-10-06T11:28:47. 2021-10-06T11:28:47.123456789123 2021-10-06T11:28:47+05 2021-10-06T11:28:47+0530
    2021-10-06T11:28:47+05:30 2021-10-06T11:28:47+05:30:15 2021-10-06T11:28:47+24:00 2021-10-06T11:28:47+23:59
    2021-10-06T11:28:47+05:60 2021-10-06T11:28:47-00:00 2021-10-06Z 2021-10-06T11:28Z 2021-10-06T24:00
    2021-10-06T24:00:00 2021-12-31T23:59:60Z 2021-02-29 2020-02-29 0999-12-31T23:59:59 1000-01-01
    1000-01-01T00:00:00+01:00 0999-12-31T23:30:00-01:00 9999-12-31T23:59:59.9 9999-12-31T23:59:59-01:00 10000-01-01
    20211006 20211006T112847Z 2021-W40-3 2021-279 2021-1-6 2021-10-06T1:28:47
    """
)
TEXTS = (
    *("", " ", "\t", "a", "\\N", "\\n", "12", "007", "-1", "+1", "1.0", "1_0", " 12", "12 ", "\u0661\u0662", "\u00b2"),
    *("US", "us", "U", "USA", "U1", "\u00e9\u00e9", "\u212a\u212a", "U ", "\ud800", "\0", "x" * 55, "x" * 56),
    *("\U0001f600" * 55, "x" * 55 + " ", "x" * 256, "x" * 257, "ABCDEF", "ABCDEFG", "ABCDEF ", "\u00a0", "1" * 5000),
    *(" 2021-10-06", "2021-10-06\n", "2021-10-06  11:28:47", "2021-10-06 11:28:47 Z", "\u0662\u0660\u0662\u0661-10-06"),
)
VALUES = (*NUMBERS, "1" * 5000, *(json.dumps(text) for text in (*STAMPS, *TEXTS)))
SOUND = json.dumps({"type": "transaction", **GOOD["transaction"], "status": 0}).encode()
WHOLE = (
    *(b"", b" ", b"\xef\xbb\xbf" + SOUND, b"\xef\xbb\xbf\xef\xbb\xbf" + SOUND, SOUND + b"\0", b"\n" + SOUND + b" \n"),
    *(SOUND + SOUND, SOUND.decode().encode("utf-16"), SOUND.decode().encode("utf-16-le"), b'["type"]', b"1", b"NaN"),
    *(SOUND.replace(b'"a"', memo) for memo in (b'"\xff"', b'"\xed\xa0\x80"', b'"\x01"', b'"a\tb"', b"'a'")),
    *(SOUND[:-1] + b', "x": ' + value + b"}" for value in (b"[" * 5000 + b"]" * 5000, b"[" * 500 + b"]" * 500, b"nan")),
    *(
        SOUND[:-1] + b', "x": ' + value + b"}"
        for value in (b"+1", b"01", b"1.", b".5", b"-NaN", b"-Infinity", b'"\\x"')
    ),
    *(SOUND[:-1] + end for end in (b",}", b', "status": 1}', b', "": 1}', b', "x": "\\ud800"}', b', "\\ud800": 1}')),
)


def _told(outcome: Event[Any] | Letter | Skipped) -> object:
    """Of a message each field as it is written: 1.50 is not 1.5."""
    if isinstance(outcome, Event):
        return outcome.identity, outcome.type, type(outcome.message), repr(asdict(outcome.message))
    return outcome


def differences(data: bytes) -> Iterator[str]:
    """How the service reads `data` otherwise than the model does, or in one go otherwise than field by field."""
    model, record = read(data), Record("shard", "1", 0, 1000, data)
    service, careful = ROUTER.interpret(record), CAREFUL.interpret(record)
    if _told(service) != _told(careful):
        yield "another reading field by field"
    if isinstance(careful, Event) and ROUTER.key_of(record) != CAREFUL.key_of(record):
        yield "another key"
    if isinstance(model, Unreadable) or isinstance(service, Letter):
        if not (isinstance(model, Unreadable) and isinstance(service, Letter)):
            yield f"{type(model).__name__} in the model, {type(service).__name__} in the service"
    elif isinstance(model, Message) and isinstance(service, Event):
        if service.identity != identity("stream", record, model.type, model.producer_id):
            yield "another identity"
        values = asdict(service.message).values()
        yield from (f"another {name}" for name, value in model.values.items() if value not in values)
    elif isinstance(model, Message) or isinstance(service, Event):
        yield "skipped in one of them only"
