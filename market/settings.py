"""Settings of the market's services, in groups."""

from __future__ import annotations

from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from market.clock import Clock
from market.indicators import TRENDS, Plan
from market.symbols import topics_of
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.settings.group import Count, SettingsGroup, setting


def listed(given: object) -> object:
    """The parts of a text with commas, as a setting takes them."""
    return tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else given


def _zone(given: object) -> ZoneInfo:
    try:
        return given if isinstance(given, ZoneInfo) else ZoneInfo(str(given).strip())
    except (ValueError, OSError, KeyError):
        raise ValueError("is not a time zone of the IANA database") from None


def of_topics(symbols: tuple[str, ...]) -> tuple[str, ...]:
    """The same symbols, where each has a topic of its own. Raises `ValueError`."""
    topics_of(symbols)
    return symbols


def _periods(periods: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(periods)) < len(periods):
        raise ValueError("holds a period twice")
    return periods


def _trends(given: object) -> object:
    if isinstance(given, str) and given.strip().lower() == "none":
        return ()
    found = listed(given.lower() if isinstance(given, str) else given)
    if not isinstance(found, tuple) or not set(found) <= set(TRENDS) or len(set(found)) < len(found):
        raise ValueError(f"is not a list of {', '.join(TRENDS)}, each at most once, or none")
    return tuple(trend for trend in TRENDS if trend in found)


def _mongo(given: object) -> object:
    if isinstance(given, str) and not given.strip().startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("is not a mongodb:// or mongodb+srv:// URL")
    return given


def _clock(given: object) -> Clock:
    try:
        return given if isinstance(given, Clock) else Clock.read(str(given))
    except (ValueError, OverflowError):
        raise ValueError("is not a moment at the market, the system's moment then, and a speed up to 10000") from None


Period = Annotated[int, Field(ge=1, le=100_000)]


class SymbolSettings(SettingsGroup):
    """What the market's symbols are."""

    title: ClassVar = "Symbols"

    symbols: Annotated[tuple[str, ...], BeforeValidator(listed), AfterValidator(of_topics)] = setting(
        "Symbols, each with a topic named as it is, in lower case and with - for /; one may be added at any start",
        "AAPL,MSFT,BTC/USD",
        "symbols, by commas",
        default=("AAPL", "MSFT"),
    )
    market_zone: Annotated[ZoneInfo, PlainValidator(_zone)] = setting(
        "Time zone of the candles' times where they say no offset, and of the sessions that VWAP begins anew in; UTC "
        "for markets that never close",
        "UTC",
        "IANA name",
        default=ZoneInfo("America/New_York"),
    )

    @property
    def topics(self) -> tuple[str, ...]:
        """The topic of each symbol."""
        return topics_of(self.symbols)


class CalendarSettings(SettingsGroup):
    """When the market is open, and what time it is there."""

    title: ClassVar = "Market's hours"

    market_calendar: str = setting(
        "The exchange whose hours, holidays and half days count, as the package exchange_calendars names it; 24/7 for "
        "markets that never close",
        "XLON",
        "name",
        default="XNYS",
        pattern=r"^[A-Za-z0-9_./-]{2,32}$",
    )
    market_clock: Annotated[Clock, PlainValidator(_clock)] = setting(
        "For rehearsals only, which lay a trading day anywhere and let it run faster: a moment at the market, the "
        "system's moment at which it was that there, and how many times as fast time passes there. Otherwise the "
        "system's clock",
        "2026-11-25T14:30:00+00:00 2026-11-28T09:00:00+00:00 60",
        "moment, moment, number",
        default=Clock(),
    )


class MongoSettings(SettingsGroup):
    """Where documents are."""

    title: ClassVar = "MongoDB"

    mongo_uri: Annotated[SecretStr, BeforeValidator(_mongo)] = setting(
        "The database server, credentials and options included",
        "mongodb://analytics:secret@mongo.example.org:27017/?tls=true",
        "URL",
    )
    mongo_dbname: str = setting(
        "Database with a collection per symbol; what the service itself keeps is in a second one, <name>_state",
        "market",
        "name",
        default="market",
        pattern=r"^[A-Za-z0-9_-]{1,57}$",
    )


class IndicatorSettings(SettingsGroup):
    """What is computed of the candles. After a change every symbol's collection is computed anew, once."""

    title: ClassVar = "Candles"

    lateness: int = setting(
        "Newer candles of a symbol after which one may still come, or be corrected",
        "10",
        "candles",
        default=10,
        ge=0,
        le=1000,
    )
    ema_periods: Annotated[tuple[Period, ...], BeforeValidator(listed), AfterValidator(_periods)] = setting(
        "Periods of the exponential averages, each a field ema_<period>",
        "12,26,50,200",
        "candles, by commas",
        default=(12, 16, 26, 30, 200),
    )
    macd_fast: Period = setting("Period of MACD's fast average", "12", "candles", default=12)
    macd_slow: Period = setting(
        "Period of MACD's slow average; longer than MACD_FAST", "26", "candles", default=26, validate_default=True
    )
    trends: Annotated[tuple[str, ...], BeforeValidator(_trends)] = setting(
        "Further trends: rsi (Wilder's, 14 candles), bollinger (20 candles, 2 deviations), vwap (since the session "
        "began), atr (14 candles); none for none of them",
        "rsi,vwap",
        "names, by commas",
        default=TRENDS,
    )

    @field_validator("macd_slow")
    @classmethod
    def _slower(cls, slow: int, info: ValidationInfo) -> int:
        if slow <= info.data.get("macd_fast", 0):
            raise ValueError("is not longer than MACD_FAST")
        return slow

    @property
    def plan(self) -> Plan:
        """What is computed."""
        return Plan(self.ema_periods, self.macd_fast, self.macd_slow, self.trends)


class CandleSettings(IndicatorSettings, MongoSettings, SymbolSettings, AnalyticsSettings):
    """Candles: `python stream_analytics.py candles`."""

    title: ClassVar = "candles"


class TradeSettings(AnalyticsSettings):
    """Trades: `python stream_analytics.py trades`."""

    title: ClassVar = "trades"

    max_records_per_batch: Annotated[Count, Field(le=10_000_000)] = setting(
        "Most trades that one batch reads; a window takes no memory for each, and a batch its own time to write",
        "100000",
        "records",
        default=1_000_000,
    )
