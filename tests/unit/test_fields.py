"""The reading rules of single fields."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.money import AMOUNT
from pipeline.messages.fields import (
    BIGINT,
    INT_UNSIGNED,
    decimal,
    decimal_column,
    integer,
    secret,
    text,
    timestamp,
    whole,
)
from pipeline.runtime.errors import Rejected
from tests.unit.reading import patient


def reason(reader: Callable[..., object], value: object, *rest: object) -> str:
    with pytest.raises(Rejected) as rejected:
        reader({"field": value}, "field", *rest)
    assert rejected.value.detail == "field"
    return rejected.value.reason


def stamp(value: object) -> str:
    return str(timestamp({"field": value}, "field"))


def amount(value: object) -> str:
    return str(decimal({"field": value}, "field", AMOUNT))


@pytest.mark.parametrize(
    ("reader", "rest"), [(integer, (9,)), (decimal, (AMOUNT,)), (text, (9,)), (timestamp, ()), (whole, ())]
)
def test_a_required_field_that_is_absent_or_null_is_missing(
    reader: Callable[..., object], rest: tuple[object, ...]
) -> None:
    assert reason(reader, None, *rest) == "missing_field"
    with pytest.raises(Rejected, match="missing_field: other"):
        reader({"field": 1}, "other", *rest)


@pytest.mark.parametrize("value", [7, Decimal("7.0"), Decimal("7"), Decimal("0.7e1"), Decimal("7.000000")])
def test_an_integer_counts_however_it_is_written(value: object) -> None:
    read = integer({"field": value}, "field", 9)
    assert (read, type(read)) == (7, int)


@pytest.mark.parametrize("value", [True, False, "7", "", [], [7], {}, Decimal("7.5"), Decimal("7e-3")])
def test_what_is_no_integer_is_of_the_wrong_type(value: object) -> None:
    assert reason(integer, value, 9) == "wrong_type"
    assert reason(whole, value) == "wrong_type"


@pytest.mark.parametrize("value", [-1, 2**32, 2**63, 2**64, Decimal("-666"), Decimal("1e400"), Decimal("1e999999999")])
def test_an_integer_beyond_its_column_is_out_of_range(value: object) -> None:
    assert reason(integer, value, INT_UNSIGNED) == "out_of_range"


@pytest.mark.parametrize("value", [0, Decimal("-0.0"), Decimal("0e999999"), 2**32 - 1, Decimal("4294967295.0")])
def test_the_bounds_of_a_column_are_inside(value: Decimal | int) -> None:
    assert integer({"field": value}, "field", INT_UNSIGNED) == value


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")])
def test_numbers_that_are_not_finite_are_refused(value: object) -> None:
    assert reason(integer, value, 9) == "not_finite"
    assert reason(decimal, value, AMOUNT) == "not_finite"
    assert reason(secret, value) == "not_finite"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (10, "10.00"),
        (Decimal("1234.5678901"), "1234.57"),
        (Decimal("0.005"), "0.01"),
        (Decimal("-0.005"), "-0.01"),
        (Decimal("0.015"), "0.02"),
        (Decimal("0.025"), "0.03"),
        (Decimal("0.00499999999999999999999999999999999999999999999999999999"), "0.00"),
        (Decimal("2.67499999999999999999999999999999999999999999999999999999"), "2.67"),
        (Decimal("-0.004"), "0.00"),
        (Decimal("-0.0"), "0.00"),
        (Decimal("0e400"), "0.00"),
        (Decimal("1e-999999999"), "0.00"),
        (Decimal("99999999.994999"), "99999999.99"),
        (Decimal("-99999999.994999"), "-99999999.99"),
    ],
)
def test_an_amount_is_rounded_half_away_from_zero_and_never_minus_zero(sent: object, read: str) -> None:
    assert amount(sent) == read


@pytest.mark.parametrize(
    "value",
    [
        Decimal("99999999.995"),
        Decimal("-99999999.995"),
        10**8,
        -(10**8),
        2**63,
        10**4000,
        Decimal("1e38"),
        Decimal("1e400"),
        Decimal("-1e999999999999999999"),
    ],
)
def test_an_amount_that_does_not_fit_its_column_once_rounded_is_out_of_range(value: object) -> None:
    assert reason(decimal, value, AMOUNT) == "out_of_range"


@pytest.mark.parametrize("value", [True, "12.50", "NaN", "", [], {}])
def test_what_is_no_number_is_no_amount(value: object) -> None:
    assert reason(decimal, value, AMOUNT) == "wrong_type"


@patient
@given(st.decimals(-(10**14), 10**14, allow_nan=False), st.integers(0, 8))
def test_rounding_is_exact_for_any_digits(value: Decimal, scale: int) -> None:
    column = decimal_column(30, scale)
    units = Fraction(abs(value)) * 10**scale + Fraction(1, 2)
    expected = Fraction(units.numerator // units.denominator, 10**scale)
    assert Fraction(decimal({"n": value}, "n", column)) == (expected if value >= 0 else -expected)


def test_a_bigint_holds_its_bounds_and_no_more() -> None:
    for inside in (2**63 - 1, -(2**63), Decimal("9223372036854775807.4")):
        assert -(2**63) <= decimal({"field": inside}, "field", BIGINT) < 2**63
    for outside in (2**63, -(2**63) - 1, Decimal("9223372036854775807.5")):
        assert reason(decimal, outside, BIGINT) == "out_of_range"


def test_numbers_of_a_million_digits_take_no_time() -> None:
    before = time.process_time()
    for value in (Decimal("9" * 10**6), Decimal("0." + "9" * 10**6), Decimal("1e999999999999")):
        fields = {"n": value}
        with suppress(Rejected):
            integer(fields, "n", 9)
        with suppress(Rejected):
            decimal(fields, "n", AMOUNT)
        with suppress(Rejected):
            secret(fields, "n")
    assert time.process_time() - before < 1


@pytest.mark.parametrize("character", ["a", "é", "😀", "م", "\x00", "'", "\u0301"])
def test_texts_are_counted_in_characters(character: str) -> None:
    assert text({"field": character * 55}, "field", 55) == character * 55
    assert reason(text, character * 56, 55) == "text_too_long"


@pytest.mark.parametrize("value", ["", " padded ", "'; DROP TABLE accounts; --", "\\N", "a\x00b", "שלום", "\u202etxt"])
def test_a_text_is_kept_as_sent(value: str) -> None:
    assert text({"field": value}, "field", 55) == value


def test_a_text_must_be_text_and_whole_characters() -> None:
    wrong: list[object] = [5, True, Decimal("1.5"), [], {}]
    for value in wrong:
        assert reason(text, value, 55) == "wrong_type"
    assert reason(text, "half a pair \ud800", 55) == "bad_text"


@pytest.mark.parametrize("value", [None, "", "\\N"])
def test_a_secret_may_be_not_given(value: object) -> None:
    assert secret({"field": value}, "field") is None
    assert secret({}, "field") is None


@pytest.mark.parametrize(
    ("sent", "read"), [(123, 123), (Decimal("123.0"), 123), ("123", 123), ("0123", 123), (0, 0), ("000", 0)]
)
def test_a_secret_is_a_number_or_its_digits(sent: object, read: int) -> None:
    assert secret({"field": sent}, "field") == read


@pytest.mark.parametrize("value", [70000, -5, Decimal("1234.5"), "9" * 5000, 10**400, Decimal("1e999999999")])
def test_a_number_that_no_card_has_is_a_secret_that_matches_none(value: object) -> None:
    assert secret({"field": value}, "field") not in (None, *range(65536))


@pytest.mark.parametrize(
    "value", ["12a", " 123", "1.0", "-1", "+1", "١٢٣", "²", "NaN", "null", True, False, [], {}, "\\n"]
)
def test_anything_else_is_no_secret(value: object) -> None:
    assert reason(secret, value) == "wrong_type"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2021-10-06 11:28:47.209401", "2021-10-06 11:28:47"),
        ("2021-10-06T11:28:47.999999999999", "2021-10-06 11:28:47"),
        ("2021-10-06T11:28:47,5", "2021-10-06 11:28:47"),
        ("2021-10-06T11:28:47", "2021-10-06 11:28:47"),
        ("2021-10-06T11:28", "2021-10-06 11:28:00"),
        ("2021-10-06", "2021-10-06 00:00:00"),
        ("2021-10-06T11:28:47Z", "2021-10-06 11:28:47"),
        ("2021-10-06T11:28Z", "2021-10-06 11:28:00"),
        ("2021-10-06T01:28:47.5+02:00", "2021-10-05 23:28:47"),
        ("2021-10-06 23:28:47-0530", "2021-10-07 04:58:47"),
        ("2021-10-06 11:28+02", "2021-10-06 09:28:00"),
        ("2021-10-06 11:28:47-00:00", "2021-10-06 11:28:47"),
        ("2024-02-29 23:59:59.9999999", "2024-02-29 23:59:59"),
        ("1000-01-01", "1000-01-01 00:00:00"),
        ("9999-12-31T23:59:59.9", "9999-12-31 23:59:59"),
    ],
)
def test_a_time_stamp_becomes_utc_in_whole_seconds(sent: str, read: str) -> None:
    assert stamp(sent) == read


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "2021-10-06 24:00",
        "2021-10-06 24:00:00",
        "2021-12-31T23:59:60Z",
        "2021-10-06 11:60",
        "2021-02-29",
        "2021-13-01",
        "2021-10-00",
        "2021-10-6",
        "21-10-06",
        "20211006",
        "2021-W40-3",
        "2021-279",
        "2021-10-06T",
        "2021-10-06T11",
        "2021-10-06  11:28",
        "2021-10-06_11:28",
        "2021-10-06T11:28.5",
        "2021-10-06T11:28:47.",
        "2021-10-06Z",
        "2021-10-06+02:00",
        "2021-10-06T11:28:47+24:00",
        "2021-10-06T11:28:47+02:60",
        "2021-10-06T11:28:47+2",
        "2021-10-06T11:28:47 UTC",
        " 2021-10-06",
        "2021-10-06\n",
        "٢٠٢١-10-06",
        "2021-10-06T11:28:47.٥",
        "2021-10-06T11:28:47+٠٢:00",
        "0999-12-31",
        "0999-12-31T23:59:59-00:01",
        "0000-00-00 00:00:00",
        "10000-01-01",
        "1000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "-2021-10-06",
    ],
)
def test_what_is_no_moment_of_the_grammar_is_refused(value: str) -> None:
    assert reason(timestamp, value) == "bad_timestamp"


@pytest.mark.parametrize("value", [1633519727, Decimal("1633519727.5"), True, [], {}])
def test_a_time_stamp_must_be_text(value: object) -> None:
    assert reason(timestamp, value) == "wrong_type"


@patient
@given(st.datetimes(datetime(1001, 1, 1), datetime(9998, 12, 31)), st.timedeltas(timedelta(0), timedelta(hours=14)))
def test_any_moment_that_python_writes_is_read(moment: datetime, offset: timedelta) -> None:
    zone = timedelta(minutes=offset // timedelta(minutes=1))
    local = (moment + zone).replace(tzinfo=None)
    hours, minutes = divmod(zone // timedelta(minutes=1), 60)
    assert stamp(f"{local.isoformat()}+{hours:02}:{minutes:02}") == str(moment.replace(microsecond=0))
    assert stamp(moment.replace(tzinfo=UTC).isoformat(" ")) == str(moment.replace(microsecond=0))
