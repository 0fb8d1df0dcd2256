"""Settings of the feed."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from market.settings import CalendarSettings, SymbolSettings
from pipeline.settings.group import Count, SettingsGroup, setting
from pipeline.settings.kafka import BrokerSettings
from pipeline.settings.page import PageSettings

LONGEST_PAGE = 5_000
"""Candles that the provider gives of one symbol with one answer."""


def _address(text: str) -> str:
    if not text.startswith(("https://", "http://")) or "@" in text:
        raise ValueError("is not an http:// or https:// URL without credentials")
    return text.rstrip("/")


class ProviderSettings(SettingsGroup):
    """The Twelve Data API, and what its plan allows."""

    title: ClassVar = "Twelve Data"

    twelve_data_key: SecretStr = setting("Key of the Twelve Data API", "(secret)", "secret")
    twelve_data_url: Annotated[str, AfterValidator(_address)] = setting(
        "Address of the API, or of a stand-in",
        "http://127.0.0.1:8900",
        "URL",
        default="https://api.twelvedata.com",
    )
    credits_per_minute: Count = setting("Credits that the plan allows in a minute", "55", "credits", default=8)
    credits_per_day: Annotated[int, Field(ge=0)] = setting(
        "Credits that the plan allows in a day (UTC); 0: as many as its minutes allow",
        "0",
        "credits",
        default=800,
        validate_default=True,
    )
    candles_per_credit: Annotated[int, Field(ge=10, le=LONGEST_PAGE)] = setting(
        "Candles of one symbol that one credit buys with one call", "1000", "candles", default=LONGEST_PAGE
    )
    provider_patience: float = setting(
        "How long the provider may be away before warm-start gives up; live goes on asking",
        "60",
        "seconds",
        default=600.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
    )

    @field_validator("credits_per_day")
    @classmethod
    def _a_day_has_a_minute(cls, day: int, info: ValidationInfo) -> int:
        if 0 < day < info.data.get("credits_per_minute", 0):
            raise ValueError("is below CREDITS_PER_MINUTE; 0 is no limit")
        return day


class CandleFlowSettings(SettingsGroup):
    """How many candles are fetched, and when."""

    title: ClassVar = "Flow of candles"

    warm_candles: Annotated[int, Field(ge=1, le=1_000_000)] = setting(
        "Candles of one minute that a topic begins with", "5000", "candles", default=2_000
    )
    n_samples: Annotated[int, Field(ge=1, le=100_000)] = setting(
        "Minutes for which live fetches the newest candles; 390 in a trading day", "210", "minutes", default=390
    )
    candle_delay: float = setting(
        "How long after a minute its candle is taken for final",
        "10",
        "seconds",
        default=5.0,
        ge=0,
        le=50,
        allow_inf_nan=False,
    )


class TopicSettings(CalendarSettings, SymbolSettings, BrokerSettings):
    """Symbols, their topics and the brokers: what needs no provider."""

    title: ClassVar = "topics"


class FeedSettings(ProviderSettings, CandleFlowSettings, TopicSettings, PageSettings):
    """The feed: `python -m market.feed`."""

    title: ClassVar = "feed"
