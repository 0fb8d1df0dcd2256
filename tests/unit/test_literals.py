"""Values as SQL: what is written, and what is refused (what servers make of it: integration/test_literals.py)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from pipeline.mysql.literals import literals


def test_a_row_is_its_values_with_commas_between_them() -> None:
    row = (7, -7, None, Decimal("-1234.50"), "US", "", datetime(2021, 10, 6, 11, 28, 47), b"\x00'\xff")
    assert literals(row) == b"7,-7,NULL,-1234.50,'US','','2021-10-06 11:28:47',x'0027ff'"


def test_a_quote_is_doubled_and_what_a_backslash_could_change_is_written_in_hexadecimal_digits() -> None:
    assert literals(("O'Neill",)) == b"'O''Neill'"
    assert literals(("a\\'",)) == b"_utf8mb4 x'615c27'"
    assert literals(("a\0",)) == b"_utf8mb4 x'6100'"


def test_a_decimal_is_written_without_an_exponent() -> None:
    numbers = (Decimal("0E-8"), Decimal("1E+3"), Decimal("0.0000001"))
    assert literals(numbers) == b"0.00000000,1000,0.0000001"


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("-Infinity"), Decimal("sNaN"), "\ud800", datetime(2021, 10, 6, tzinfo=UTC)]
)
def test_what_no_literal_can_say_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        literals((value,))


@pytest.mark.parametrize("value", [1.5, True, date(2021, 10, 6), bytearray(b"a"), [1]])
def test_a_type_that_nobody_meant_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        literals((value,))
