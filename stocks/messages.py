"""Message type `stock`: a quote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from pipeline.messages import redaction
from pipeline.messages.fields import BIGINT, Column, Fields, decimal, decimal_column, text, timestamp
from pipeline.runtime.errors import Rejected

ILLEGAL_NULL: Final = "illegal_null"
LONGEST_TICKER: Final = 6
LONGEST_NAME: Final = 256
PRICE: Final = decimal_column(13, 6)
MARKET_CAP: Final = decimal_column(15, 2)

_KEPT: Final[Mapping[str, redaction.Redaction]] = {
    "id": redaction.label,
    "ticker": redaction.text,
    "name": redaction.text,
    "price": redaction.number,
    "market_cap": redaction.figure,  # may well have 12 digits
    "volume": redaction.number,
    "high": redaction.number,
    "low": redaction.number,
    "timestamp": redaction.text,
    "volatility": redaction.number,
    "percent_change": redaction.number,
    "status": redaction.number,
}


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Figures as sent, rounded to their columns, any sign. `timestamp`: naive, UTC, whole seconds."""

    ticker: str
    name: str
    price: Decimal
    market_cap: Decimal
    volume: int
    high: Decimal
    low: Decimal
    timestamp: datetime


def parse(fields: Fields) -> Quote:
    """Raises `Rejected`: illegal_null where it applies, else for the first field that cannot be read."""
    for name in ("price", "volume", "high", "low"):
        if not _is_number(fields.get(name)):
            raise Rejected(ILLEGAL_NULL, name)
    return Quote(
        _ticker(fields),
        text(fields, "name", LONGEST_NAME),
        decimal(fields, "price", PRICE),
        _market_cap(fields, MARKET_CAP),
        int(decimal(fields, "volume", BIGINT)),
        decimal(fields, "high", PRICE),
        decimal(fields, "low", PRICE),
        timestamp(fields, "timestamp"),
    )


def ordering_key(fields: Fields) -> bytes | None:
    """The ticker; None where it cannot be read."""
    try:
        return b"ticker:" + _ticker(fields).encode()
    except Rejected:
        return None


def payload(fields: Fields) -> dict[str, object]:
    """What a dead letter may keep."""
    return redaction.payload(fields, _KEPT)


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is Decimal and not value.is_nan())


def _ticker(fields: Fields) -> str:
    value = fields.get("ticker")
    if value is None or (type(value) is str and not value.strip()):
        raise Rejected(ILLEGAL_NULL, "ticker")
    return text(fields, "ticker", LONGEST_TICKER)


def _market_cap(fields: Fields, column: Column) -> Decimal:
    """Zero where it is missing, null or NaN."""
    value = fields.get("market_cap")
    if value is None or (type(value) is Decimal and value.is_nan()):
        return column.zero
    return decimal(fields, "market_cap", column)
