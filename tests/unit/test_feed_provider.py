"""The client against the stand-in: limits, errors, slow answers, and a key that is nowhere to be read."""

from __future__ import annotations

import logging
import socket
import threading
from collections import deque
from datetime import UTC, datetime

import pytest
import structlog

from market.feed.answers import OutOfCredits
from market.feed.waiting import Stopped
from pipeline.runtime.errors import Halted, Transient
from producers.provider import KEY, Provider, Trouble
from tests.market.feeding import FRIDAY, Feeding, by_hand, feeding, sessions

TEN = datetime(2023, 8, 25, 14, 0, 30, tzinfo=UTC)
"""Half a minute after 10:00 in New York."""


def provider(*symbols: str, **more: object) -> Provider:
    return Provider(symbols or ("AAPL",), sessions(3), by_hand(TEN), **more)  # type: ignore[arg-type]


def calls(of: Provider) -> list[int]:
    return [one.status for one in of.asked]


def test_the_newest_candle_is_the_last_one_that_is_over() -> None:
    with feeding(provider()) as feed:
        (bar,) = feed.feed.latest(["AAPL"], 1).bars["AAPL"]
        assert bar.at == int(TEN.timestamp()) - 90
        assert (bar.at, dict(bar.fields)) in feed.provider.candles("AAPL")


def test_it_is_not_final_until_its_delay_is_over() -> None:
    with feeding(provider()) as feed:
        feed.provider.clock.moved(-26)  # type: ignore[attr-defined] # 4 s after 10:00
        assert feed.feed.latest(["AAPL"], 1).bars["AAPL"][0].at == int(TEN.timestamp()) - 30 - 120
        feed.provider.clock.moved(1)  # type: ignore[attr-defined]
        assert feed.feed.latest(["AAPL"], 1).bars["AAPL"][0].at == int(TEN.timestamp()) - 30 - 60


def test_a_clock_of_ours_that_is_ahead_makes_no_candle_final() -> None:
    with feeding(provider()) as feed:
        own = by_hand(datetime(2023, 8, 25, 14, 3, 0, tzinfo=UTC))
        ahead = Feeding(feed.provider, feed.url, own)
        assert ahead.feed.latest(["AAPL"], 1).bars["AAPL"][0].at == int(TEN.timestamp()) - 90


def test_an_answer_that_took_long_does_not_make_what_it_tells_of_final() -> None:
    """It was looked up in the midst of a minute, and is read after that minute's end."""
    with feeding(provider()) as feed:
        answer = feed.provider.answer

        def slow(*arguments: object) -> object:
            found = answer(*arguments)  # type: ignore[arg-type]
            feed.provider.clock.moved(50)  # type: ignore[attr-defined]
            return found

        feed.provider.answer = slow  # type: ignore[method-assign, assignment]
        (bar,) = feed.feed.latest(["AAPL"], 1).bars["AAPL"]
        assert (bar.at, dict(bar.fields)) in feed.provider.candles("AAPL")
        assert bar.at == int(TEN.timestamp()) - 90


def test_pages_go_back_and_meet() -> None:
    with feeding(provider()) as feed:
        newest = feed.feed.latest(["AAPL"], 100).bars["AAPL"]
        older = feed.feed.history(["AAPL"], 100, newest[0].at).bars["AAPL"]
        assert older[-1] == newest[0]
        assert len(older) == len(newest) == 100
        assert [dict(bar.fields) for bar in older] == [
            fields for at, fields in feed.provider.candles("AAPL") if older[0].at <= at <= older[-1].at
        ]


def test_before_the_first_candle_there_are_none() -> None:
    with feeding(provider()) as feed:
        first = feed.provider.candles("AAPL")[0][0]
        assert feed.feed.history(["AAPL"], 10, first - 60).bars == {"AAPL": []}


def test_an_unknown_symbol_alone_and_among_others_is_named() -> None:
    with feeding(provider("AAPL", "MSFT")) as feed:
        assert set(feed.feed.latest(["APPL"], 1).unknown) == {"APPL"}
        found = feed.feed.latest(["AAPL", "APPL", "MSFT"], 1)
        assert (set(found.unknown), set(found.bars)) == ({"APPL"}, {"AAPL", "MSFT"})


@pytest.mark.parametrize("status", [200, 429])
def test_a_refusal_is_waited_out_in_either_form(status: int) -> None:
    plan = provider(per_minute=2, limit_status=status)
    with feeding(plan) as feed:
        for _ in range(2):
            plan.answer("/time_series", {"symbol": "AAPL", "interval": "1min", "timezone": "UTC"}, KEY)  # another's
        began = plan.clock.now()
        assert feed.feed.latest(["AAPL"], 1).bars["AAPL"]
        assert plan.clock.now() - began >= 30  # the provider's next minute
        assert (calls(plan), feed.told.refused) == ([200, 200, 429, 200], 1)


def test_what_was_used_before_is_asked_for_so_that_nothing_is_refused() -> None:
    plan = provider(per_minute=4, per_day=100)
    with feeding(plan) as feed:
        for _ in range(3):
            plan.answer("/time_series", {"symbol": "AAPL", "interval": "1min", "timezone": "UTC"}, KEY)
        feed.feed.ask_usage()
        feed.feed.latest(["AAPL"], 1)
        assert (plan.limited, feed.credits.left_today) == (0, 95)


def test_a_plan_that_allows_less_than_the_settings_counts() -> None:
    plan = provider(per_minute=3, per_day=30)
    with feeding(plan, environment={"CREDITS_PER_MINUTE": "50", "CREDITS_PER_DAY": "0"}) as feed:
        feed.feed.ask_usage()
        assert (feed.credits.per_minute, feed.credits.per_day) == (3, 30)
        for _ in range(7):
            feed.feed.latest(["AAPL"], 1)
        assert plan.limited == 0


def test_the_day_s_end_of_credits_is_said_and_not_waited_for() -> None:
    plan = provider(per_minute=8, per_day=8)
    with feeding(plan, environment={"CREDITS_PER_DAY": "0"}) as feed:
        for _ in range(8):
            feed.feed.latest(["AAPL"], 1)
        for _ in range(2):
            with pytest.raises(OutOfCredits, match=r"for the day|until 00:00 UTC"):
                feed.feed.latest(["AAPL"], 1)
        assert plan.limited == 1, "it asks again though it was told that the day is over"
        feed.provider.clock.moved(86_400)  # type: ignore[attr-defined]
        assert "AAPL" in feed.feed.latest(["AAPL"], 1).bars


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(502, b"<html>bad gateway</html>"),
        Trouble(200, b'{"meta": {}, "values": [{"dat'),
        Trouble(500, b'{"code": 500, "message": "Internal server error", "status": "error"}'),
        Trouble(200, b'{"status": "error", "message": "?"}'),
        Trouble(cut=True),
    ],
)
def test_what_passes_is_asked_for_again(trouble: Trouble) -> None:
    with feeding(provider()) as feed:
        feed.provider.troubles.extend([trouble] * 3)
        assert len(feed.feed.latest(["AAPL"], 5).bars["AAPL"]) == 5
        assert not feed.told.waiting()


def test_a_slow_answer_is_given_up_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market.feed.twelve_data.LONGEST_ANSWER", 0.2)
    with feeding(provider()) as feed:
        feed.provider.troubles.append(Trouble(slow=1.0))
        assert feed.feed.latest(["AAPL"], 1).bars["AAPL"]


def test_an_answer_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time; all of them together do not."""
    monkeypatch.setattr("market.feed.twelve_data.LONGEST_ANSWER", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            try:
                while True:
                    connection.sendall(b" ")
                    threading.Event().wait(0.02)
            except OSError:
                connection.close()

        threading.Thread(target=trickle, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        feed = Feeding(provider(), url, by_hand(TEN), patience=0)
        with pytest.raises(Transient, match="ReadTimeout"):
            feed.feed.latest(["AAPL"], 1)


def test_a_provider_that_is_away_is_given_up_after_the_patience() -> None:
    clock = by_hand(TEN)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    feed = Feeding(provider(), url, clock, patience=600)
    with pytest.raises(Transient, match="does not answer: ConnectError"):
        feed.feed.latest(["AAPL"], 1)
    assert 500 < clock.now() - TEN.timestamp() <= 660
    assert feed.told.waiting()[0].what == "the provider"


def test_a_wrong_key_is_for_people_and_is_not_tried_again() -> None:
    plan = provider(key="another")
    with feeding(plan) as feed, pytest.raises(Halted, match="refuses the key of TWELVE_DATA_KEY"):
        feed.feed.latest(["AAPL"], 1)


def test_a_stop_is_heard_while_credits_are_waited_for() -> None:
    plan = provider(per_minute=1)
    with feeding(plan) as feed:
        feed.feed.latest(["AAPL"], 1)
        feed.stop.set()
        with pytest.raises(Stopped):
            feed.feed.latest(["AAPL"], 1)


def test_the_key_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "kEy0123456789"
    echo = b'{"code": 400, "message": "what is kEy0123456789?", "status": "error"}'
    again = b'{"code": 400, "message": "apikey=kEy0123456789", "status": "error"}'
    with structlog.testing.capture_logs() as ours, feeding(provider(key=secret)) as stand_in:
        environment = {"TWELVE_DATA_KEY": secret}
        feed = Feeding(stand_in.provider, stand_in.url, stand_in.clock, environment=environment, patience=0)
        stand_in.provider.troubles = deque([Trouble(200, echo), Trouble(400, again), Trouble(502, echo)])
        said = [str(feed.feed.latest(["AAPL"], 1))]
        with pytest.raises(Halted) as refused:
            feed.feed.latest(["AAPL", "MSFT"], 1)
        with pytest.raises(Transient) as away:
            feed.feed.latest(["AAPL", "MSFT"], 1)
        feed.provider.troubles = deque([Trouble(cut=True)])
        with pytest.raises(Transient) as cut:
            feed.feed.latest(["AAPL"], 1)
        feed.feed.latest(["AAPL"], 1)
        said += [str(error.value) + repr(error.value) for error in (refused, away, cut)]
        said += [repr(feed.settings), repr(feed.told.status()), feed.told.page().decode()]
    assert "(key)" in said[0]
    assert "api.twelvedata.com" not in caplog.text
    assert caplog.records  # what the library tells of each call: addresses
    for text in (*said, str(ours), caplog.text):
        assert secret not in text


def test_a_minute_s_candles_are_no_more_than_the_plan_can_buy() -> None:
    with feeding(provider("AAPL", "MSFT", "TSLA", candles_per_credit=100, per_minute=4)) as feed:
        assert feed.feed.largest == 398
        assert [feed.feed.at_once(count) for count in (1, 98, 99, 398)] == [4, 4, 2, 1]
        feed.feed.latest(["AAPL"], 398)
        assert [one.cost for one in feed.provider.asked] == [4]


def test_the_stand_in_starts_a_day_at_its_opening() -> None:
    assert sessions(3)[-1].opens == FRIDAY
