"""The settings of the feed: what is refused, in a line each, and what shows no secret."""

from __future__ import annotations

import pytest

from market.day.settings import DaySettings
from market.feed.settings import FeedSettings, TopicSettings
from pipeline.settings.errors import SettingsError

GOOD = {"KAFKA_BROKERS": "127.0.0.1:9092", "TWELVE_DATA_KEY": "hidden"}


def problem(**environ: str) -> str:
    with pytest.raises(SettingsError) as wrong:
        FeedSettings.read({**GOOD, **environ})
    assert "hidden" not in str(wrong.value)
    return str(wrong.value).partition("\n")[2].strip()


def test_the_defaults_are_those_of_the_contract_and_of_the_free_plan() -> None:
    settings = FeedSettings.read(GOOD)
    assert (settings.warm_candles, settings.n_samples, settings.topics) == (2_000, 390, ("aapl", "msft"))
    assert (settings.credits_per_minute, settings.credits_per_day) == (8, 800)
    assert settings.twelve_data_url == "https://api.twelvedata.com"
    assert settings.market_calendar == "XNYS"
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TWELVE_DATA_KEY", "", "TWELVE_DATA_KEY is missing"),
        ("TWELVE_DATA_URL", "api.twelvedata.com", "is not an http:// or https:// URL"),
        ("TWELVE_DATA_URL", "https://me:hidden@api.twelvedata.com", "without credentials"),
        ("CREDITS_PER_MINUTE", "0", "greater than or equal to 1"),
        ("CREDITS_PER_MINUTE", "1000", "CREDITS_PER_DAY is below CREDITS_PER_MINUTE; 0 is no limit"),
        ("CREDITS_PER_DAY", "7", "is below CREDITS_PER_MINUTE"),
        ("CANDLES_PER_CREDIT", "5001", "less than or equal to 5000"),
        ("WARM_CANDLES", "0", "greater than or equal to 1"),
        ("N_SAMPLES", "many", "integer"),
        ("CANDLE_DELAY", "60", "less than or equal to 50"),
        ("PROVIDER_PATIENCE", "nan", "finite"),
        ("MARKET_CALENDAR", "New York", "match pattern"),
        ("KAFKA_BROKERS", "here", "is not a list of host:port"),
    ],
)
def test_a_wrong_setting_is_said_in_a_line(name: str, value: str, says: str) -> None:
    assert says in problem(**{name: value})


def test_a_plan_without_a_limit_of_the_day_is_0() -> None:
    assert FeedSettings.read({**GOOD, "CREDITS_PER_MINUTE": "1000", "CREDITS_PER_DAY": "0"}).credits_per_day == 0


def test_topics_and_replay_need_no_key_and_no_checkpoint() -> None:
    assert TopicSettings.read({"KAFKA_BROKERS": "127.0.0.1:9092"}).topics == ("aapl", "msft")


def test_a_day_takes_what_stream_and_feed_take() -> None:
    with pytest.raises(SettingsError) as wrong:
        DaySettings.read({})
    for name in ("KAFKA_BROKERS", "CHECKPOINT_DIR", "MONGO_URI", "TWELVE_DATA_KEY"):
        assert f"{name} is missing" in str(wrong.value)
