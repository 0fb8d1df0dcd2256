"""Message type `stock`: a quote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from pipeline.messages import redaction
from pipeline.messages.fields import (
    BIGINT,
    Fields,
    as_decimal,
    as_timestamp,
    decimal,
    decimal_column,
    text,
    timestamp,
)
from pipeline.messages.usual import UsualKey, UsualMessage
from pipeline.runtime.errors import Rejected

ILLEGAL_NULL: Final = "illegal_null"
LONGEST_TICKER: Final = 6
LONGEST_NAME: Final = 256
PRICE: Final = decimal_column(13, 6)
MARKET_CAP: Final = decimal_column(15, 2)

_KEY: Final = b"ticker:"
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


Ticker = Annotated[str, msgspec.Meta(max_length=LONGEST_TICKER)]


class UsualQuote(UsualMessage, tag="stock"):
    """A quote as it is mostly written."""

    ticker: Ticker
    name: Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
    price: Any
    volume: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    high: Any
    low: Any
    timestamp: str
    market_cap: Any = None
    volatility: float | None = None
    percent_change: float | None = None

    nullable = ("market_cap", "volatility", "percent_change")

    def message(self) -> Quote:
        _refuse_blank(self.ticker)
        return Quote(
            self.ticker,
            self.name,
            as_decimal(self.price, "price", PRICE),
            _as_market_cap(self.market_cap),
            self.volume,
            as_decimal(self.high, "high", PRICE),
            as_decimal(self.low, "low", PRICE),
            as_timestamp(self.timestamp, "timestamp"),
        )


class QuoteKey(UsualKey, tag="stock"):
    """The ticker."""

    ticker: Ticker

    def key(self) -> bytes:
        _refuse_blank(self.ticker)
        return _KEY + self.ticker.encode()


def parse(fields: Fields) -> Quote:
    """Raises `Rejected`: illegal_null where it applies, else for the first field that cannot be read."""
    for name in ("price", "volume", "high", "low"):
        if not _is_number(fields.get(name)):
            raise Rejected(ILLEGAL_NULL, name)
    return Quote(
        _ticker(fields),
        text(fields, "name", LONGEST_NAME),
        decimal(fields, "price", PRICE),
        _as_market_cap(fields.get("market_cap")),
        int(decimal(fields, "volume", BIGINT)),
        decimal(fields, "high", PRICE),
        decimal(fields, "low", PRICE),
        timestamp(fields, "timestamp"),
    )


def ordering_key(fields: Fields) -> bytes | None:
    """The ticker; None where it cannot be read."""
    try:
        return _KEY + _ticker(fields).encode()
    except Rejected:
        return None


def payload(fields: Fields) -> dict[str, object]:
    """What a dead letter may keep."""
    return redaction.payload(fields, _KEPT)


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is Decimal and not value.is_nan())


def _ticker(fields: Fields) -> str:
    _refuse_blank(fields.get("ticker"))
    return text(fields, "ticker", LONGEST_TICKER)


def _refuse_blank(ticker: object) -> None:
    if ticker is None or (type(ticker) is str and not ticker.strip()):
        raise Rejected(ILLEGAL_NULL, "ticker")


def _as_market_cap(value: object) -> Decimal:
    """Zero where it is missing, null or NaN."""
    if value is None or (type(value) is Decimal and value.is_nan()):
        return MARKET_CAP.zero
    return as_decimal(value, "market_cap", MARKET_CAP)
