"""What a record of a symbol's topic is read as, and why it is a letter."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.candle import Candle, read
from market.documents import candle_of, document, moment
from pipeline.runtime.errors import Rejected
from tests.unit.reading import JSON, patient

NEW_YORK = ZoneInfo("America/New_York")
GOOD: dict[str, Any] = {
    "datetime": "2023-08-25 15:59:00",
    "open": "178.10",
    "high": "178.15",
    "low": "178.05",
    "close": "178.12",
    "volume": "120394",
}
LATER = 1_790_000_000


def good(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def taken(**changes: object) -> Candle:
    return read(good(**changes), "aapl", LATER, NEW_YORK)


def refusal(value: bytes | None, zone: ZoneInfo = NEW_YORK, arrived: int = LATER) -> tuple[str, str]:
    with pytest.raises(Rejected) as refused:
        read(value, "aapl", arrived, zone)
    return refused.value.reason, refused.value.detail


def began(written: str, zone: ZoneInfo = NEW_YORK) -> str:
    return str(moment(read(good(datetime=written), "aapl", LATER, zone).at))


def test_a_candle_is_read_as_it_stands_in_the_contract() -> None:
    candle = taken()
    assert str(moment(candle.at)) == "2023-08-25 19:59:00"
    assert (candle.open, candle.high, candle.low, candle.close) == (178.10, 178.15, 178.05, 178.12)
    assert (candle.volume, candle.traded) == (120394, 120394.0)
    assert candle.session == datetime(2023, 8, 25).toordinal()


def test_numbers_may_be_numbers_and_other_fields_are_ignored() -> None:
    as_numbers = {name: float(GOOD[name]) for name in ("open", "high", "low", "close", "volume")}
    assert taken(**as_numbers, ema_12=None, macd="NaN", support=[1], symbol="AAPL") == taken()
    assert taken(open="1.781e2", close="+178.12", volume=120394.0) == taken()


@pytest.mark.parametrize("written", ["178.10 ", "1_78", "١٧٨", "0x1p3", "178,10", "$178", "", " ", "--1", "1e", "."])
def test_a_text_that_is_no_plain_number_is_refused(written: str) -> None:
    assert refusal(good(open=written)) == ("wrong_type", "open")


@pytest.mark.parametrize("value", [True, [178], {"value": 178}])
@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
def test_what_is_no_number_is_refused(field: str, value: object) -> None:
    assert refusal(good(**{field: value})) == ("wrong_type", field)


@pytest.mark.parametrize("value", ["NaN", "nan", "-Infinity", "inf", float("nan"), float("inf")])
@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
def test_nan_and_infinity_are_refused_as_text_and_as_bare_words(field: str, value: object) -> None:
    assert refusal(good(**{field: value})) == ("not_finite", field)


@pytest.mark.parametrize("written", ["1e400", "1e101", "9" * 5000, "1e99999999999999999"])
def test_prices_that_a_double_could_not_compute_with_are_refused(written: str) -> None:
    assert refusal(good(high=written)) == ("out_of_range", "high")
    assert refusal(good().replace(b'"178.15"', written.encode())) == ("out_of_range", "high")


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
def test_a_number_below_zero_is_refused_and_minus_zero_is_zero(field: str) -> None:
    assert refusal(good(**{field: "-0.01"})) == ("negative", field)
    zeros = taken(open="-0", high="-0.0", low=-0.0, close="-0e5", volume="-0")
    assert "-" not in str((zeros.open, zeros.high, zeros.low, zeros.close, zeros.volume, zeros.traded))


@pytest.mark.parametrize("field", ["datetime", "open", "high", "low", "close"])
def test_a_missing_field_is_refused(field: str) -> None:
    assert refusal(good(**{field: None})) == ("missing_field", field)
    assert refusal(json.dumps({k: v for k, v in GOOD.items() if k != field}).encode()) == ("missing_field", field)


def test_a_missing_volume_is_none_and_a_fraction_is_rounded_and_kept() -> None:
    assert (taken(volume=None).volume, taken(volume=None).traded) == (0, 0.0)
    assert [taken(volume=written).volume for written in ("0.49", "0.5", "2.5", "1e3", 7.6)] == [0, 1, 3, 1000, 8]
    assert taken(volume="2.5").traded == 2.5
    assert taken(volume="9007199254740993").volume == 9007199254740993
    assert taken(volume=str(2**63 - 1)).volume == 2**63 - 1
    assert refusal(good(volume=str(2**63))) == ("out_of_range", "volume")


def test_high_and_low_have_to_hold_open_and_close() -> None:
    assert refusal(good(high="178.11")) == ("high_too_low", "high")
    assert refusal(good(high="178.09")) == ("high_too_low", "high")
    assert refusal(good(low="178.11")) == ("low_too_high", "low")
    same = taken(open=1, high=1, low=1, close=1)
    assert same.high == same.low == 1.0
    assert refusal(good(open="9", high="10", low="9", close="9.5", volume=1).replace(b'"10"', b'"9.4"'))[0] == (
        "high_too_low"
    )


def test_prices_are_compared_as_numbers() -> None:
    assert taken(open="99.5", high="100.5", low="99.0", close="100").high == 100.5


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2023-08-25 15:59:00", "2023-08-25 19:59:00"),
        ("2023-12-22 15:59:00", "2023-12-22 20:59:00"),
        ("2023-08-25T15:59", "2023-08-25 19:59:00"),
        ("2023-08-25 15:59:00.000", "2023-08-25 19:59:00"),
        ("2023-08-25 15:59:00Z", "2023-08-25 15:59:00"),
        ("2023-08-25T15:59:00+05:45", "2023-08-25 10:14:00"),
        ("2023-08-25 15:59:00-0700", "2023-08-25 22:59:00"),
        ("2023-03-12 01:59:00", "2023-03-12 06:59:00"),
        ("2023-03-12 03:00:00", "2023-03-12 07:00:00"),
        ("2023-11-05 01:30:00", "2023-11-05 05:30:00"),
        ("2023-11-05 02:00:00", "2023-11-05 07:00:00"),
        ("2023-11-05 01:30:00-05:00", "2023-11-05 06:30:00"),
        ("2023-03-12 02:30:00-05:00", "2023-03-12 07:30:00"),
    ],
)
def test_a_time_is_the_markets_own_unless_it_says_its_offset(written: str, utc: str) -> None:
    assert began(written) == utc


def test_an_hour_that_the_clocks_leap_over_is_refused_and_the_second_of_two_is_the_first() -> None:
    for minute in ("02:00:00", "02:30:00", "02:59:00"):
        assert refusal(good(datetime=f"2023-03-12 {minute}")) == ("no_such_time", "datetime")
    assert began("2023-03-12 02:30:00", ZoneInfo("UTC")) == "2023-03-12 02:30:00"
    assert began("2023-11-05 01:30:00", ZoneInfo("UTC")) == "2023-11-05 01:30:00"


@pytest.mark.parametrize("written", ["2023-08-25 15:59:01", "2023-08-25 15:59:00.5", "2023-08-25T15:59:30Z"])
def test_seconds_other_than_zero_are_refused(written: str) -> None:
    assert refusal(good(datetime=written)) == ("not_a_minute", "datetime")


@pytest.mark.parametrize(
    "written",
    [
        "2023-08-25", "2023-08-25 24:00:00", "2023-02-29 10:00:00", "08/25/2023 15:59", "2023-W34-5 15:59:00", "",
        "2023-08-25 15:59:00 EST", "2023-08-25 15:60:00", "2023-08-25 15:59:60", "9999-12-31 23:59:00", "now",
        "0001-01-01 00:00:00", "20230825 155900", "2023-08-25  15:59:00", "1692993540", "\ud800",
    ],
)  # fmt: skip
def test_another_grammar_or_a_time_that_is_none_is_refused(written: str) -> None:
    assert refusal(good(datetime=written)) == ("bad_timestamp", "datetime")


def test_a_time_that_is_no_text_is_refused() -> None:
    assert refusal(good(datetime=1692993540)) == ("wrong_type", "datetime")


def test_a_minute_more_than_a_day_ahead_of_its_record_is_refused() -> None:
    assert refusal(good(datetime="9999-06-01 12:00:00")) == ("far_ahead", "datetime")
    began_at = taken().at
    assert read(good(), "aapl", began_at - 86_400, NEW_YORK) == taken()
    assert refusal(good(), arrived=began_at - 86_401) == ("far_ahead", "datetime")
    assert read(good(), "aapl", -1, NEW_YORK) == taken()


def test_a_candle_that_names_another_symbol_is_refused() -> None:
    assert refusal(good(symbol="MSFT")) == ("other_symbol", "symbol")
    assert taken(symbol="aapl") == taken(symbol=None) == taken()
    assert read(good(symbol="BTC/USD"), "btc-usd", LATER, NEW_YORK) == taken()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no_value"),
        (b"", "empty"),
        (b"  ", "empty"),
        (b"\xff\xfe", "not_utf8"),
        (good().decode().encode("utf-16"), "not_utf8"),
        (b"{", "not_json"),
        (b"a" * 2**20, "not_json"),
        (b"[1]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_what_is_no_json_object_is_refused(value: bytes | None, reason: str) -> None:
    assert refusal(value) == (reason, "")


def test_a_byte_order_mark_and_repeated_fields_are_taken() -> None:
    assert read(b"\xef\xbb\xbf" + good(), "aapl", LATER, NEW_YORK) == taken()
    assert read(b'{"open": "x", ' + good()[1:], "aapl", LATER, NEW_YORK) == taken()


@patient
@given(st.dictionaries(st.sampled_from([*GOOD, "symbol"]), JSON | st.text(max_size=30), max_size=4))
def test_whatever_a_field_holds_it_is_a_candle_or_a_reason(changes: dict[str, object]) -> None:
    try:
        candle = read(json.dumps({**GOOD, **changes}).encode(), "aapl", LATER, NEW_YORK)
    except Rejected as refused:
        assert refused.reason
    else:
        assert 0 <= candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high


def test_a_document_says_all_that_its_candle_is() -> None:
    for volume in ("120394", "0.1", "2.5", "9007199254740993", None):
        candle = taken(volume=volume)
        assert candle_of(document(candle, {}), NEW_YORK) == candle
    assert set(document(taken(), {})) == {"_id", "open", "high", "low", "close", "volume"}
    assert document(taken(volume="2.5"), {})["volume_exact"] == 2.5
