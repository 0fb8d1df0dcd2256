"""Every form in which the provider answers is understood, and everything else is told apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from market.candle import read
from market.feed.answers import OutOfCredits, page, usage
from market.feed.feed import Bar
from pipeline.runtime.errors import Halted, Transient
from producers.candles import NEW_YORK

VALUE = {"datetime": "2023-08-25 19:59:00", "open": "178.10", "high": "178.15", "low": "178.05", "close": "178.12"}
AT = 1_692_993_540
BEFORE = {**VALUE, "datetime": "2023-08-25 19:58:00", "volume": "120394"}
FIELDS = {name: value for name, value in VALUE.items() if name != "datetime"}
SERIES = {"meta": {"symbol": "AAPL"}, "values": [VALUE, BEFORE], "status": "ok"}
NOTHING = {"code": 400, "message": "No data is available on the specified dates. Try …", "status": "error"}
NOBODY = {"code": 404, "message": "**symbol** or **figi** parameter is missing or invalid", "status": "error"}
MINUTE_OUT = {"code": 429, "message": "You have run out of API credits for the current minute. 9 …", "status": "error"}
DAY_OUT = {"code": 429, "message": "You have run out of API credits for the day. 801 …", "status": "error"}


def told(answer: Any, *symbols: str, status: int = 200) -> Any:
    return page(symbols or ("AAPL",), status, json.dumps(answer).encode())


def test_candles_of_one_symbol_come_oldest_first_and_untouched() -> None:
    found = told(SERIES).bars["AAPL"]
    assert found == [Bar(AT - 60, {**FIELDS, "volume": "120394"}), Bar(AT, FIELDS)]


def test_several_symbols_are_keyed_by_symbol_and_one_of_several_may_come_as_one() -> None:
    both = told({"AAPL": SERIES, "BTC/USD": SERIES}, "AAPL", "BTC/USD")
    assert {symbol: len(bars) for symbol, bars in both.bars.items()} == {"AAPL": 2, "BTC/USD": 2}
    assert set(told({"AAPL": SERIES}, "aapl").bars) == {"aapl"}
    assert set(told(SERIES, "MSFT", "AAPL").bars) == {"AAPL"}


def test_an_error_within_one_symbol_leaves_the_others_alone() -> None:
    found = told({"AAPL": SERIES, "APPL": NOBODY, "MSFT": NOTHING}, "AAPL", "APPL", "MSFT", "TSLA")
    assert {symbol: len(bars) for symbol, bars in found.bars.items()} == {"AAPL": 2, "MSFT": 0}
    assert found.unknown == {"APPL": NOBODY["message"], "TSLA": "the answer leaves it out"}


def test_a_symbol_that_credits_did_not_suffice_for_is_in_neither() -> None:
    found = told({"AAPL": SERIES, "MSFT": MINUTE_OUT}, "AAPL", "MSFT")
    assert (set(found.bars), found.unknown) == ({"AAPL"}, {})


@pytest.mark.parametrize("status", [200, 429])
def test_limits_are_told_in_both_forms(status: int) -> None:
    with pytest.raises(OutOfCredits) as minute:
        told(MINUTE_OUT, status=status)
    assert not minute.value.of_the_day
    with pytest.raises(OutOfCredits) as day:
        told(DAY_OUT, "AAPL", "MSFT", status=status)
    assert day.value.of_the_day


@pytest.mark.parametrize("status", [200, 404])
def test_an_unknown_symbol_is_told_in_both_forms(status: int) -> None:
    assert told(NOBODY, "APPL", status=status).unknown == {"APPL": NOBODY["message"]}


def test_no_candles_in_a_span_is_no_error() -> None:
    assert told(NOTHING, status=400).bars == {"AAPL": []}


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_is_for_people(code: int) -> None:
    with pytest.raises(Halted, match="TWELVE_DATA_KEY"):
        told({"code": code, "message": "**apikey** secret is incorrect", "status": "error"}, status=code)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"meta": {"symbol": "AAPL"}, "values": [{"datetime": "2023-08'),
        (200, b"<html>busy</html>"),
        (200, b""),
        (200, b"\xff"),
        (200, b"[]"),
        (200, b"{}"),
        (502, b"<html>bad gateway</html>"),
        (500, b'{"code": 500, "message": "Internal", "status": "error"}'),
        (200, b'{"message": "?", "status": "error"}'),
        (503, b'{"values": [], "status": "ok"}'),
        (200, b'{"values": {}, "status": "ok"}'),
        (200, b'{"values": [3], "status": "ok"}'),
        (200, b'{"values": [{"open": "1"}], "status": "ok"}'),
        (200, b'{"values": [{"datetime": "yesterday", "open": "1"}], "status": "ok"}'),
        (200, b'{"values": [{"datetime": 3, "open": "1"}], "status": "ok"}'),
        (200, b'{"values": [{"datetime": "2023-08-25 19:59:00", "open": ["1"]}], "status": "ok"}'),
        (200, b'{"meta": {"symbol": "MSFT"}, "values": [], "status": "ok"}'),
    ],
)
def test_what_cannot_be_read_may_be_asked_for_again(status: int, body: bytes) -> None:
    with pytest.raises(Transient) as error:
        page(("AAPL",), status, body)
    assert error.value.waits_for == "the provider"


def test_a_call_that_is_wrong_as_a_whole_is_for_people() -> None:
    with pytest.raises(Halted, match=r"refuses the call \(400\): \*\*outputsize\*\*"):
        told({"code": 400, "message": "**outputsize** parameter …", "status": "error"}, "AAPL", "MSFT")


def test_what_of_the_plan_is_used_is_read_where_it_is_told() -> None:
    told_usage = b'{"timestamp": "2023-08-25 13:30:00", "current_usage": 3, "plan_limit": 8, "plan_category": "basic"}'
    assert usage(200, told_usage) == {"current_usage": 3, "plan_limit": 8}
    with pytest.raises(OutOfCredits):
        usage(429, json.dumps(MINUTE_OUT).encode())


def test_the_hour_that_comes_twice_is_two_and_reads_as_a_candle() -> None:
    """At 01:30 New York's time on the day that summer time ends, twice."""
    first, second = Bar(1_699_162_200, FIELDS), Bar(1_699_165_800, FIELDS)
    assert json.loads(first.value()) == {"datetime": "2023-11-05T05:30:00Z", **FIELDS}
    candles = [read(bar.value(), "aapl", 0, NEW_YORK) for bar in (first, second)]
    assert [candle.at for candle in candles] == [first.at, second.at]
    assert candles[0].volume == 0
