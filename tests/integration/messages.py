"""One good message of each type, changed as a test needs it, and records as they lie in the stream."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.messages.records import EPOCH, Record

NOW = datetime(2021, 10, 6, 11, 28, 47, tzinfo=UTC)
"""When messages arrive unless a test says otherwise."""
TODAY = NOW.date()
SHARD = "shardId-000000000000"
TIME_STAMP = "2021-10-06 11:28:47.209401"
STAMP = NOW.replace(tzinfo=None)
"""What `TIME_STAMP` is in a row."""

_sequences = itertools.count(1)


def record(message: Mapping[str, object] | bytes, arrived: datetime = NOW, **changes: Any) -> Record:
    """A message as it lies in the stream, behind every one made before."""
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    arrived_ms = (arrived - EPOCH) // timedelta(milliseconds=1)
    fields = {
        "shard": SHARD,
        "sequence": str(next(_sequences)),
        "sub_sequence": 0,
        "arrived_ms": arrived_ms,
        "data": data,
    }
    return Record(**{**fields, **changes})


def transfer(origin: object, destination: object, amount: object = 1.0, **changes: object) -> dict[str, object]:
    """A message of type `transaction`."""
    return {
        "type": "transaction",
        "origin_accounts_id": origin,
        "destination_accounts_id": destination,
        "memo": "rent",
        "transfer_value": amount,
        "time_stamp": TIME_STAMP,
        "status": 0,
        **changes,
    }


def payment(card: object, merchant: object, amount: object = 1.0, **changes: object) -> dict[str, object]:
    """A message of type `card_transaction`: at a distance, with the code of `SmallBank.card`, in the US."""
    return {
        "type": "card_transaction",
        "card_num": card,
        "merchant_account_id": merchant,
        "memo": "shoes",
        "transfer_value": amount,
        "pin": None,
        "cvc1": "",
        "cvc2": 222,
        "location": "US",
        "time_stamp": TIME_STAMP,
        "status": 0,
        **changes,
    }


def loan_payment(loan: object, account: object, amount: object = 1.0, **changes: object) -> dict[str, object]:
    """A message of type `loan_payment`."""
    said = {"type": "loan_payment", "loan_id": loan, "account_id": account, "amount": amount, "time_stamp": TIME_STAMP}
    return {**said, "status": 0, **changes}


def quote(price: object = 10.0, high: object = 12.0, low: object = 8.0, **changes: object) -> dict[str, object]:
    """A message of type `stock`."""
    return {
        "type": "stock",
        "ticker": "UTOP",
        "name": "Utopia",
        "price": price,
        "market_cap": 1e9,
        "volume": 1000,
        "high": high,
        "low": low,
        "timestamp": TIME_STAMP,
        "volatility": 0.1,
        "percent_change": None,
        "status": 0,
        **changes,
    }
