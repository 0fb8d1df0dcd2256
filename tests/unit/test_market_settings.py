"""The settings of candles: checked before anything else, told in a line each."""

from __future__ import annotations

import pytest

from market.indicators import Plan
from market.settings import IndicatorSettings, MongoSettings, SymbolSettings
from pipeline.settings.errors import SettingsError


class Settings(IndicatorSettings, MongoSettings, SymbolSettings):
    title = "test"


GOOD = {"MONGO_URI": "mongodb://user:hidden@127.0.0.1:27017/"}


def problem(**environ: str) -> str:
    with pytest.raises(SettingsError) as wrong:
        Settings.read({**GOOD, **environ})
    assert "hidden" not in str(wrong.value)
    return str(wrong.value).partition("\n")[2].strip()


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = Settings.read(GOOD)
    assert settings.topics == ("aapl", "msft")
    assert (settings.market_zone.key, settings.lateness, settings.mongo_dbname) == ("America/New_York", 10, "market")
    assert settings.plan == Plan((12, 16, 26, 30, 200), 12, 26, ("rsi", "bollinger", "vwap", "atr"))
    assert "hidden" not in repr(settings)


def test_lists_may_hold_blanks() -> None:
    settings = Settings.read({**GOOD, "SYMBOLS": " aapl , BTC/USD", "EMA_PERIODS": "5, 10", "TRENDS": "ATR, rsi"})
    assert settings.topics == ("aapl", "btc-usd")
    assert (settings.plan.ema_periods, settings.plan.trends) == ((5, 10), ("rsi", "atr"))
    assert Settings.read({**GOOD, "TRENDS": "none"}).trends == ()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SYMBOLS", "AAPL,,MSFT", "holds ''"),
        ("SYMBOLS", "AAPL,aapl", "twice"),
        ("SYMBOLS", "BTC/USD,BTC-USD", "twice"),
        ("SYMBOLS", "A B", "neither of a topic"),
        ("SYMBOLS", "$SPX", "neither of a topic"),
        ("SYMBOLS", "system.x", "neither of a topic"),
        ("SYMBOLS", "AAPL.letters", "neither of a topic"),
        ("MARKET_ZONE", "New York", "is not a time zone"),
        ("MARKET_ZONE", "../etc/passwd", "is not a time zone"),
        ("LATENESS", "-1", "greater than or equal to 0"),
        ("LATENESS", "ten", "integer"),
        ("EMA_PERIODS", "12,x", "integer"),
        ("EMA_PERIODS", "12,12", "twice"),
        ("EMA_PERIODS", "0", "greater than or equal to 1"),
        ("MACD_FAST", "26", "is not longer than MACD_FAST"),
        ("MACD_SLOW", "12", "is not longer than MACD_FAST"),
        ("TRENDS", "rsi,macd", "is not a list of rsi"),
        ("MONGO_URI", "http://127.0.0.1", "mongodb://"),
        ("MONGO_DBNAME", "a.b", "match pattern"),
        ("MONGO_DBNAME", "x" * 58, "match pattern"),
    ],
)
def test_a_wrong_setting_is_one_line(name: str, value: str, says: str) -> None:
    told = problem(**{name: value})
    assert "\n" not in told
    assert told.startswith("MACD_SLOW" if name == "MACD_FAST" else name)
    assert says in told


def test_the_database_has_to_be_named() -> None:
    with pytest.raises(SettingsError, match="MONGO_URI is missing"):
        Settings.read({})
