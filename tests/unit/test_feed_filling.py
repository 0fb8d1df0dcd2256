"""Filling: the whole of what is missing, oldest first, once, whatever breaks in the midst of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from market.feed.filling import Filled
from pipeline.runtime.errors import PipelineError, Transient
from producers.provider import Provider, Trouble
from tests.market.feeding import FRIDAY, ByHand, Topics, by_hand, feeding, sessions

TEN = datetime(2023, 8, 25, 14, 0, 30, tzinfo=UTC)
FIFTY = tuple(f"S{number:02}" for number in range(50))


def provider(*symbols: str, **more: object) -> Provider:
    return Provider(symbols or ("AAPL",), sessions(8), by_hand(TEN), **more)  # type: ignore[arg-type]


def until(clock: object, moment: datetime) -> None:
    assert isinstance(clock, ByHand)
    clock.moved(moment.timestamp() - clock.now())


def test_an_empty_topic_begins_with_the_newest_candles_oldest_first() -> None:
    with feeding(provider("AAPL", "MSFT")) as feed:
        assert feed.filling.fill(feed.symbols) == Filled(4_000, {})
        for symbol in feed.symbols:
            assert feed.as_given(symbol)
            assert len(feed.topics.times(symbol)) == 2_000
            assert feed.topics.times(symbol)[-1] == TEN.timestamp() - 90


def test_fifty_symbols_are_filled_within_the_limits_of_the_free_plan_without_one_refusal() -> None:
    with feeding(provider(*FIFTY)) as feed:
        began = feed.provider.clock.now()
        feed.feed.ask_usage()
        assert feed.filling.fill(feed.symbols).candles == 100_000
        assert feed.provider.limited == 0
        assert feed.told.refused == 0
        assert all(len(feed.topics.times(symbol)) == 2_000 and feed.as_given(symbol) for symbol in FIFTY)
        assert len(feed.provider.asked) <= 1 + 8, "more calls than the credits of a minute make necessary"
        assert feed.provider.clock.now() - began < 9 * 60


def test_where_outputs_weigh_more_there_are_pages_and_no_refusal() -> None:
    with feeding(provider("AAPL", "MSFT", "TSLA", candles_per_credit=150)) as feed:
        feed.filling.fill(feed.symbols)
        assert all(len(feed.topics.times(symbol)) == 2_000 and feed.as_given(symbol) for symbol in feed.symbols)
        assert feed.provider.limited == 0
        assert max(one.cost for one in feed.provider.asked) <= 8


def test_a_history_that_is_shorter_is_sent_whole() -> None:
    plan = Provider(("AAPL",), sessions(2), by_hand(TEN), candles_per_credit=100)
    with feeding(plan) as feed:
        assert feed.filling.fill(feed.symbols).candles == 390 + 30
        assert feed.as_given("AAPL")


@pytest.mark.parametrize("away", [timedelta(minutes=1), timedelta(hours=3), timedelta(days=3), timedelta(days=9)])
@pytest.mark.parametrize("candles_per_credit", [100, 5_000])
def test_what_is_missing_since_the_newest_candle_is_fetched_however_long_ago_that_was(
    away: timedelta, candles_per_credit: int
) -> None:
    plan = Provider(("AAPL",), sessions(12, FRIDAY), by_hand(TEN - away), candles_per_credit=candles_per_credit)
    with feeding(plan, environment={"WARM_CANDLES": "50"}) as feed:
        feed.filling.fill(feed.symbols)
        until(feed.provider.clock, TEN)
        feed.start()
        feed.filling.fill(feed.symbols)
        assert feed.as_given("AAPL")
        assert feed.topics.times("AAPL")[-1] == TEN.timestamp() - 90
        before = len(feed.topics.times("AAPL"))
        feed.start()
        feed.filling.fill(feed.symbols)
        again = [at for at in feed.topics.times("AAPL")[before:] if at < TEN.timestamp() - 60]
        assert (again, feed.as_given("AAPL")) == ([], True)


@pytest.mark.parametrize("after", [0, 1, 700, 1_999, 2_000, 2_001, 3_999])
def test_a_kill_in_the_midst_of_a_warm_start_leaves_no_gap_and_nothing_twice(after: int) -> None:
    class Killed(BaseException):
        """As kill -9: nothing of the process gets to do anything."""

    with feeding(provider("AAPL", "MSFT")) as feed:
        feed.topics.breaks_after, feed.topics.breaks_with = after, Killed()  # type: ignore[assignment]
        with pytest.raises(Killed):
            feed.filling.fill(feed.symbols)
        assert sum(len(feed.topics.values[topic]) for topic in ("aapl", "msft")) == after
        feed.provider.clock.moved(300)  # type: ignore[attr-defined]
        feed.start()
        feed.filling.fill(feed.symbols)
        for symbol in feed.symbols:
            assert feed.as_given(symbol)
            assert len(feed.topics.times(symbol)) in (2_000, 2_005)


def test_after_brokers_that_failed_the_topics_are_asked_how_far_they_came() -> None:
    with feeding(provider("AAPL", "MSFT")) as feed:
        feed.topics.breaks_after, feed.topics.breaks_with = 2_500, Transient("sending records: _TRANSPORT")
        with pytest.raises(Transient):
            feed.filling.fill(feed.symbols)
        feed.filling.fill(feed.symbols)
        assert all(len(feed.topics.times(symbol)) == 2_000 and feed.as_given(symbol) for symbol in feed.symbols)


def test_one_unknown_symbol_holds_up_no_other_and_is_named() -> None:
    with feeding(provider("AAPL", "MSFT"), environment={"SYMBOLS": "AAPL,APPL,MSFT"}) as feed:
        filled = feed.filling.fill(feed.symbols)
        assert (filled.candles, set(filled.unknown)) == (4_000, {"APPL"})
        assert feed.as_given("AAPL")
        assert feed.as_given("MSFT")


def test_symbols_that_credits_did_not_suffice_for_in_mid_answer_are_asked_for_again() -> None:
    with feeding(provider("AAPL", "MSFT", "TSLA")) as feed:
        feed.provider.troubles.append(Trouble(partial=2))
        assert feed.filling.fill(feed.symbols).candles == 6_000
        assert all(feed.as_given(symbol) for symbol in feed.symbols)


def test_a_symbol_that_is_never_answered_for_is_named_after_the_others_are_done() -> None:
    with feeding(provider("AAPL", "MSFT")) as feed:
        whole = feed.provider.answer

        def without_msft(path: str, asked: dict[str, str], key: str) -> object:
            status, body, headers = whole(path, asked, key)
            for name in [name for name in body if name == "MSFT"]:
                body[name] = {"code": 500, "message": "try again", "status": "error"}
            if asked["symbol"] == "MSFT":
                body = {"AAPL": {"values": [], "status": "ok"}, "MSFT": {"code": 500, "status": "error"}}
            return status, body, headers

        feed.provider.answer = without_msft  # type: ignore[method-assign, assignment]
        with pytest.raises(Transient, match="does not answer for MSFT"):
            feed.filling.fill(feed.symbols)
        assert len(feed.topics.times("AAPL")) == 2_000


def test_a_provider_that_goes_away_in_the_midst_loses_nothing_of_what_was_fetched() -> None:
    with feeding(provider(*FIFTY[:20]), patience=60) as feed:
        feed.provider.troubles.extend([Trouble()] * 2 + [Trouble(503, b"")] * 40)
        with pytest.raises(PipelineError, match="status 503"):
            feed.filling.fill(feed.symbols)
        there = [symbol for symbol in feed.symbols if feed.topics.times(symbol)]
        assert len(there) == 16
        feed.provider.troubles.clear()
        feed.start()
        assert feed.filling.fill(feed.symbols).candles >= 4 * 2_000
        assert all(feed.as_given(symbol) for symbol in feed.symbols)


def test_progress_says_how_many_symbols_are_done() -> None:
    heard: list[tuple[int, int]] = []
    with feeding(provider(*FIFTY[:10])) as feed:
        feed.filling.fill(feed.symbols, lambda done, sent: heard.append((done, sent)))
    assert heard == [(8, 16_000), (10, 20_000)]


def test_topics_in_lists_break_where_they_are_told() -> None:
    topics = Topics()
    topics.breaks_after, topics.breaks_with = 1, Transient("x")
    topics.send("a", b"a", b"1")
    with pytest.raises(Transient):
        topics.send("a", b"a", b"2")
