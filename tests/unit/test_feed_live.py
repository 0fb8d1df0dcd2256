"""A day of minutes: each one the newest, whatever happens, until the close, and not one candle missing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from market.calendar import Calendar
from market.feed.answers import OutOfCredits
from market.feed.waiting import Stopped
from pipeline.runtime.errors import Halted, Transient
from producers.provider import Asked, Provider, Trouble
from tests.market.feeding import FRIDAY, Feeding, by_hand, feeding, sessions

CLOSE = FRIDAY + timedelta(minutes=390)
SMALL = {"WARM_CANDLES": "20"}


def provider(*symbols: str, at: datetime = FRIDAY, **more: object) -> Provider:
    return Provider(symbols or ("AAPL", "MSFT"), sessions(3), by_hand(at), **more)  # type: ignore[arg-type]


def run(feed: Feeding, minutes: int = 390, until: datetime | None = None) -> None:
    feed.live.run(minutes, until.timestamp() if until else None)


def whole(feed: Feeding) -> bool:
    return all(feed.as_given(symbol) and feed.topics.times(symbol) for symbol in feed.symbols)


def last(feed: Feeding, symbol: str = "AAPL") -> str:
    return f"{datetime.fromtimestamp(feed.topics.times(symbol)[-1], UTC):%H:%M}"


def test_a_whole_day_is_in_the_topics_once_with_a_call_a_minute() -> None:
    with feeding(provider(per_day=0), environment=SMALL) as feed:
        run(feed)
        assert whole(feed)
        assert [len(feed.topics.times(symbol)) for symbol in feed.symbols] == [410, 410]
        assert last(feed) == "19:59"
        assert len(feed.provider.asked) == 1 + 390
        assert feed.provider.limited == 0


def test_each_candle_is_there_some_seconds_after_its_minute() -> None:
    with feeding(provider(per_day=0), environment=SMALL) as feed:
        run(feed, minutes=3)
        at = [one.at - FRIDAY.timestamp() for one in feed.provider.asked]
        assert at == [0, 65, 125, 185]
        assert [one.size for one in feed.provider.asked][2:] == [
            4,
            4,
        ]  # what is missing, what is going on, one to spare


def test_it_ends_at_the_close_and_has_the_last_minute() -> None:
    with feeding(provider(per_day=0, at=CLOSE - timedelta(minutes=10, seconds=-20)), environment=SMALL) as feed:
        run(feed, until=CLOSE)
        assert (whole(feed), last(feed)) == (True, "19:59")
        assert feed.provider.clock.now() == CLOSE.timestamp() + 5


def test_a_start_in_the_midst_of_the_day_begins_with_what_is_missing() -> None:
    with feeding(provider(per_day=0), environment=SMALL) as feed:
        run(feed, minutes=10)
        feed.provider.clock.moved(47 * 60)  # type: ignore[attr-defined]
        feed.start()
        run(feed, minutes=10)
        assert whole(feed)
        assert len(feed.topics.times("AAPL")) == 20 + 10 + 47 + 10


@pytest.mark.parametrize("stopped_after", [1, 2, 30])
def test_a_stop_ends_it_between_two_minutes(stopped_after: int) -> None:
    with feeding(provider(per_day=0), environment=SMALL) as feed:
        answer, asked = feed.provider.answer, Counter[str]()

        def counting(*arguments: object) -> object:
            asked["calls"] += 1
            if asked["calls"] == stopped_after:
                feed.stop.set()
            return answer(*arguments)  # type: ignore[arg-type]

        feed.provider.answer = counting  # type: ignore[method-assign, assignment]
        with pytest.raises(Stopped):
            run(feed)
        assert asked["calls"] == stopped_after
        assert whole(feed)


def test_minutes_without_a_provider_come_with_the_first_one_that_has_it() -> None:
    with feeding(provider(per_day=0), environment=SMALL, patience=40) as feed:
        feed.provider.troubles.extend([Trouble()] * 5 + [Trouble(503, b"")] * 60)
        run(feed, minutes=60)
        assert whole(feed)
        assert len(feed.topics.times("AAPL")) == 80
        assert not feed.told.waiting()


def test_a_provider_that_is_away_at_the_close_is_said_and_the_next_start_fetches_the_rest() -> None:
    with feeding(provider(per_day=0), environment=SMALL, patience=10) as feed:
        feed.provider.troubles.extend([Trouble()] * 5 + [Trouble(503, b"")] * 1_000)
        with pytest.raises(Transient, match="status 503"):
            run(feed, minutes=8)
        feed.provider.troubles.clear()
        feed.start()
        run(feed, minutes=1)
        assert whole(feed)


def test_brokers_that_fail_in_a_minute_are_tried_again_in_the_next() -> None:
    with feeding(provider(per_day=0), environment=SMALL) as feed:
        feed.topics.breaks_after, feed.topics.breaks_with = 45, Halted("no right to a topic")
        run(feed, minutes=30)
        assert whole(feed)
        assert len(feed.topics.times("MSFT")) == 50


def calls_by_minute(asked: list[Asked]) -> Counter[int]:
    return Counter(int(one.at // 60) for one in asked)


def test_where_the_day_s_credits_are_few_candles_come_later_and_all_come() -> None:
    """Eight symbols on the free plan: 800 credits for 390 minutes."""
    with feeding(provider(*(f"S{n}" for n in range(8))), environment=SMALL) as feed:
        run(feed)
        assert whole(feed)
        assert [len(feed.topics.times(symbol)) for symbol in feed.symbols] == [410] * 8
        assert feed.provider.limited == 0
        assert sum(one.cost for one in feed.provider.asked) <= 800
        assert max(calls_by_minute(feed.provider.asked).values()) == 1


def test_more_symbols_than_a_minute_s_credits_take_turns() -> None:
    with feeding(provider(*(f"S{n:02}" for n in range(20)), per_day=0), environment=SMALL) as feed:
        run(feed, minutes=60)
        assert whole(feed)
        assert min(len(feed.topics.times(symbol)) for symbol in feed.symbols) >= 80
        assert feed.provider.limited == 0


def test_a_day_that_is_out_of_credits_is_said_and_goes_on_at_midnight() -> None:
    with feeding(provider(per_day=60), environment={**SMALL, "CREDITS_PER_DAY": "0"}) as feed:
        with pytest.raises(OutOfCredits):
            run(feed, minutes=60)
        assert feed.provider.limited <= 2
        feed.provider.clock.moved(86_400)  # type: ignore[attr-defined]
        feed.start()
        run(feed, minutes=1)
        assert whole(feed)
        assert last(feed) == "19:59"


def test_an_unknown_symbol_is_asked_for_once_an_hour() -> None:
    with feeding(provider("AAPL", per_day=0), environment={**SMALL, "SYMBOLS": "AAPL,APPL"}) as feed:
        run(feed, minutes=130)
        assert whole_of(feed, "AAPL")
        assert sum("APPL" in one.symbols for one in feed.provider.asked) == 3
        assert set(feed.told.status().unknown) == {"APPL"}


def whole_of(feed: Feeding, symbol: str) -> bool:
    return feed.as_given(symbol) and bool(feed.topics.times(symbol))


@pytest.mark.parametrize(
    ("day", "candles"),
    [
        (date(2026, 3, 6), 390),
        (date(2026, 3, 9), 390),  # the Monday after summer time began
        (date(2026, 11, 2), 390),  # and ended
        (date(2026, 11, 27), 210),  # the half day after Thanksgiving
    ],
)
def test_a_session_is_fed_from_its_opening_to_its_close(day: date, candles: int) -> None:
    calendar = Calendar("XNYS")
    session = calendar.session(day)
    assert session is not None
    days = calendar.sessions(day - timedelta(days=7), day)
    plan = Provider(("AAPL",), days, by_hand(session.opens), per_day=0)
    with feeding(plan, environment={"WARM_CANDLES": "390"}) as feed:
        run(feed, until=session.closes)
        times = feed.topics.times("AAPL")
        assert feed.as_given("AAPL")
        assert times[-candles] == session.opens.timestamp()
        assert times[-1] == session.closes.timestamp() - 60


def test_a_fill_that_took_longer_than_a_minute_leaves_out_no_candle() -> None:
    with feeding(provider(per_day=0), environment=SMALL) as feed:
        slow = feed.provider.answer

        def answer(*arguments: object) -> object:
            if len(feed.provider.asked) == 4:
                feed.provider.clock.moved(200)  # type: ignore[attr-defined]
            return slow(*arguments)  # type: ignore[arg-type]

        feed.provider.answer = answer  # type: ignore[method-assign, assignment]
        run(feed, minutes=20)
        assert whole(feed)
        assert len(feed.topics.times("AAPL")) == 40
        assert len(feed.provider.asked) == 1 + 20 - 2, "it asks in minutes that were over already"
