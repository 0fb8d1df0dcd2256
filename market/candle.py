"""A candle as producers send it: bytes of a record → `Candle`, by ANALYTICS.md's reading rules.

A record that is no candle raises `Rejected(reason, field)`. Beside the reasons of `pipeline.messages.decoding` and
`pipeline.messages.fields`:

| reason        | meaning                                                                           |
|---------------|-----------------------------------------------------------------------------------|
| no_value      | a record without a value                                                          |
| other_symbol  | it names a symbol that belongs to another topic                                   |
| not_a_minute  | a time stamp with seconds other than 00                                           |
| no_such_time  | a local time that the market's clocks leap over                                   |
| far_ahead     | of a minute more than a day after the record's own time                           |
| negative      | a price or volume below zero                                                      |
| high_too_low  | a high below the open or the close                                                |
| low_too_high  | a low above the open or the close                                                 |
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from market.symbols import topic_of
from pipeline.messages.decoding import decode
from pipeline.messages.fields import (
    BAD_TIMESTAMP,
    BIGINT,
    NOT_FINITE,
    OUT_OF_RANGE,
    WRONG_TYPE,
    Fields,
    decimal,
    number,
    timestamp,
)
from pipeline.runtime.errors import Rejected

NO_VALUE: Final = "no_value"
OTHER_SYMBOL: Final = "other_symbol"
NOT_A_MINUTE: Final = "not_a_minute"
NO_SUCH_TIME: Final = "no_such_time"
FAR_AHEAD: Final = "far_ahead"
NEGATIVE: Final = "negative"
HIGH_TOO_LOW: Final = "high_too_low"
LOW_TOO_HIGH: Final = "low_too_high"

HIGHEST_PRICE: Final = 1e100
"""So that no sum, square or product of prices leaves the range of a double."""
AHEAD_SECONDS: Final = 24 * 60 * 60

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_EPOCH: Final = datetime(1970, 1, 1)
_SECOND: Final = timedelta(seconds=1)


class Candle(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One minute of one symbol.

    `at`: when it began, seconds since the epoch, UTC. `volume`: rounded to a whole number; `traded`: the same as it was
    sent. `session`: the day it belongs to where the market is, as a number (`date.toordinal`).
    """

    at: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    traded: float
    session: int


class Minute(NamedTuple):
    """A moment as seconds since the epoch, and the market's day that it belongs to."""

    at: int
    session: int


def read(value: bytes | None, topic: str, arrived: int, zone: ZoneInfo) -> Candle:
    """The candle that a record of `topic` holds; `arrived`: the record's own time, in seconds. Raises `Rejected`."""
    if value is None:
        raise Rejected(NO_VALUE)
    fields = decode(value)
    _of_topic(fields, topic)
    minute = _minute(fields, zone)
    if minute.at > arrived + AHEAD_SECONDS and arrived > 0:  # a record of the oldest format has no time
        raise Rejected(FAR_AHEAD, "datetime")
    opening, high, low, close = (_price(fields, name) for name in ("open", "high", "low", "close"))
    if high < max(opening, close):
        raise Rejected(HIGH_TOO_LOW, "high")
    if low > min(opening, close):
        raise Rejected(LOW_TOO_HIGH, "low")
    volume, traded = _volume(fields)
    return Candle(minute.at, opening, high, low, close, volume, traded, minute.session)


def session_of(at: int, zone: ZoneInfo) -> int:
    """The market's day of a moment in seconds since the epoch, as a number."""
    return (_EPOCH + at * _SECOND).replace(tzinfo=UTC).astimezone(zone).toordinal()


def _of_topic(fields: Fields, topic: str) -> None:
    symbol = fields.get("symbol")
    if type(symbol) is str and topic_of(symbol) != topic:
        raise Rejected(OTHER_SYMBOL, "symbol")


def _minute(fields: Fields, zone: ZoneInfo) -> Minute:
    written = fields.get("datetime")
    if type(written) is not str:
        timestamp(fields, "datetime")  # which says what is wrong with it
    return _read_minute(str(written), zone)


@lru_cache(maxsize=16_384)
def _read_minute(written: str, zone: ZoneInfo) -> Minute:
    """Raises `Rejected`. Kept, since many symbols have a candle of the same minute."""
    moment = timestamp({"datetime": written}, "datetime")
    clock = written[11:]
    if not clock:
        raise Rejected(BAD_TIMESTAMP, "datetime")
    if clock[5:6] == ":" and re.match(r":(?!00)|:00[.,]0*[1-9]", clock[5:]):
        raise Rejected(NOT_A_MINUTE, "datetime")
    if not re.search("[Z+-]", clock):
        moment = _utc(moment, zone)
    at = (moment - _EPOCH) // _SECOND
    try:
        return Minute(at, session_of(at, zone))
    except OverflowError:
        raise Rejected(BAD_TIMESTAMP, "datetime") from None


def _utc(local: datetime, zone: ZoneInfo) -> datetime:
    """A local time in UTC, naive; the first of two. Raises `Rejected` where the clocks leap over it."""
    try:
        moment = local.replace(tzinfo=zone).astimezone(UTC)
        there = moment.astimezone(zone)
    except OverflowError:
        raise Rejected(BAD_TIMESTAMP, "datetime") from None
    if there.replace(tzinfo=None) != local:
        raise Rejected(NO_SUCH_TIME, "datetime")
    return moment.replace(tzinfo=None)


def _price(fields: Fields, name: str) -> float:
    price = _number(fields, name)
    if price > HIGHEST_PRICE:
        raise Rejected(OUT_OF_RANGE, name)
    return float(price)


def _volume(fields: Fields) -> tuple[int, float]:
    """Rounded half away from zero, and as it was sent; none where it is missing."""
    if fields.get("volume") is None:
        return 0, 0.0
    sent = _number(fields, "volume")
    return int(decimal({"volume": sent}, "volume", BIGINT)), float(sent)


def _number(fields: Fields, name: str) -> int | Decimal:
    """A finite number that is not negative, written as a number or as a text of one. Raises `Rejected`."""
    value = fields.get(name)
    if type(value) is str:
        fields = {name: _of_text(value, name)}
    found = number(fields, name)
    if found < 0:
        raise Rejected(NEGATIVE, name)
    return found or 0  # there is no -0


def _of_text(value: str, name: str) -> Decimal:
    if not _NUMBER.fullmatch(value):
        raise Rejected(NOT_FINITE if _NOT_FINITE.fullmatch(value) else WRONG_TYPE, name)
    try:
        return Decimal(value)
    except InvalidOperation:  # an exponent beyond ±10^18
        raise Rejected(OUT_OF_RANGE, name) from None
