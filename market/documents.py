"""A candle as a document of its symbol's collection, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from market.candle import Candle, session_of
from market.indicators import Figure

Document = dict[str, Any]

PRICES: Final = frozenset({"open", "high", "low", "close", "volume"})
EXACT_VOLUME: Final = "volume_exact"
"""Only in documents whose volume had a fraction, so that a collection holds all that its figures were computed of."""

_EPOCH: Final = datetime(1970, 1, 1)
_SECOND: Final = timedelta(seconds=1)


def moment(at: int) -> datetime:
    """The `_id` of a candle: when it began, UTC, naive."""
    return _EPOCH + at * _SECOND


def document(candle: Candle, figures: Mapping[str, Figure]) -> Document:
    """What is written of a candle."""
    found: Document = {
        "_id": moment(candle.at),
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "volume": candle.volume,
        **figures,
    }
    if candle.traded != candle.volume:
        found[EXACT_VOLUME] = candle.traded
    return found


def candle_of(found: Mapping[str, Any], zone: ZoneInfo) -> Candle:
    """The candle that a document was written of."""
    began: datetime = found["_id"]
    at = (began.replace(tzinfo=None) - _EPOCH) // _SECOND
    volume = int(found["volume"])
    opening, high, low, close = (float(found[name]) for name in ("open", "high", "low", "close"))
    traded = float(found.get(EXACT_VOLUME, volume))
    return Candle(at, opening, high, low, close, volume, traded, session_of(at, zone))
