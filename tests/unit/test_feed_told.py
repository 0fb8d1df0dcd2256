"""What a feed tells of itself: to probes, to scripts, to people, and as metrics."""

from __future__ import annotations

import msgspec
from prometheus_client import generate_latest

from market.feed.told import FEEDING, FILLING, Told
from pipeline.observability.liveness import STANDING_BY

AT = 1_692_970_200


def metrics(told: Told) -> str:
    return generate_latest(told.registry).decode()


def test_it_is_not_ready_while_it_fills_and_is_while_it_feeds_or_stands_by() -> None:
    told = Told()
    ready = []
    for state in (FILLING, FEEDING, STANDING_BY):
        told.becomes(state)
        ready.append(told.ready().ok)
        assert told.alive().ok
    assert ready == [False, True, True]


def test_status_and_metrics_say_what_was_sent_and_what_the_provider_refused() -> None:
    told = Told(lambda: AT)
    told.took(7, {"AAPL": AT, "BTC/USD": AT + 60})
    told.took(1, {"AAPL": AT + 60})
    told.limited()
    told.failed("the provider answers with status 503", "the provider")
    told.not_known({"APPL": "**symbol** is missing or invalid"})
    status = msgspec.json.decode(msgspec.json.encode(told.status()))
    assert (status["candles"], status["limited"]) == (8, 1)
    assert status["newest"] == {"AAPL": "2023-08-25T13:31:00Z", "BTC/USD": "2023-08-25T13:31:00Z"}
    assert status["unknown"] == {"APPL": "**symbol** is missing or invalid"}
    assert status["waiting"][0]["reason"] == "the provider answers with status 503"
    found = metrics(told)
    for line in (
        "feed_candles_total 8.0",
        "feed_limited_total 1.0",
        "feed_failed_total 1.0",
        'feed_newest_seconds{symbol="AAPL"} 1.69297026e+09',
        "feed_unknown_symbols 1.0",
        'feed_waiting_seconds{for="the provider"} ',
    ):
        assert line in found


def test_an_answer_ends_what_was_waited_for() -> None:
    told = Told()
    told.failed("away", "the provider")
    assert told.waiting()
    told.answered()
    assert not told.waiting()


def test_the_page_shows_the_newest_candles_and_the_symbols_that_nobody_knows() -> None:
    told = Told(lambda: AT)
    told.took(1, {"AAPL": AT})
    told.not_known({"<APPL>": "no such <symbol>"})
    page = told.page().decode()
    assert "2023-08-25T13:30:00Z" in page
    assert "&lt;APPL&gt;" in page
    assert "no such &lt;symbol&gt;" in page
    assert "13:30" in page
