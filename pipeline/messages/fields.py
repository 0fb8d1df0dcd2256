"""Readers of single fields: DOMAIN.md's reading rules, one function for each kind of field.

Each takes the decoded fields of a message and a field's name. Each raises `Rejected(reason, name)`:

| reason        | meaning                                                                  |
|---------------|--------------------------------------------------------------------------|
| missing_field | absent or null                                                           |
| wrong_type    | not of this kind: a boolean is no number, 7.0 is the integer 7, 7.5 none |
| not_finite    | NaN or an infinity                                                       |
| out_of_range  | a number that its column cannot hold                                     |
| text_too_long | more characters (code points) than the column holds                      |
| bad_text      | a lone surrogate: half a character, which no UTF-8 can hold              |
| bad_timestamp | a text that is not a time stamp of the grammar, or of no such moment     |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, NamedTuple

from pipeline.runtime.errors import Rejected

MISSING_FIELD: Final = "missing_field"
WRONG_TYPE: Final = "wrong_type"
NOT_FINITE: Final = "not_finite"
OUT_OF_RANGE: Final = "out_of_range"
TEXT_TOO_LONG: Final = "text_too_long"
BAD_TEXT: Final = "bad_text"
BAD_TIMESTAMP: Final = "bad_timestamp"

Fields = Mapping[str, object]

INT_UNSIGNED: Final = 2**32 - 1

_NOT_GIVEN: Final = ("", "\\N")
_ROUNDING: Final = Context(prec=40, rounding=ROUND_HALF_UP, traps=[InvalidOperation])
_STAMP: Final = re.compile(
    r"[1-9]\d{3}-\d\d-\d\d"
    r"(?:[ T](?:[01]\d|2[0-3]):[0-5]\d(:[0-5]\d(?:[.,]\d+)?)?(Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?",
    re.ASCII,
)


class Column(NamedTuple):
    """The numbers that a column holds: multiples of `step` from `lowest` to `highest`."""

    step: Decimal
    lowest: Decimal
    highest: Decimal
    zero: Decimal


def decimal_column(precision: int, scale: int) -> Column:
    """DECIMAL(precision, scale)."""
    step = Decimal(1).scaleb(-scale)
    highest = (10**precision - 1) * step
    return Column(step, -highest, highest, 0 * step)


BIGINT: Final = Column(Decimal(1), Decimal(-(2**63)), Decimal(2**63 - 1), Decimal(0))


def number(fields: Fields, name: str) -> int | Decimal:
    """Any finite number, as written."""
    return as_number(fields.get(name), name)


def as_number(value: object, name: str) -> int | Decimal:
    """The number that this value of the field is."""
    if type(value) is int:
        return value
    if type(value) is Decimal:
        if value.is_finite():
            return value
        raise Rejected(NOT_FINITE, name)
    raise Rejected(MISSING_FIELD if value is None else WRONG_TYPE, name)


def whole(fields: Fields, name: str) -> int | Decimal:
    """Any integer, however large and however written, not expanded: 1e999999999 stays a Decimal."""
    value = number(fields, name)
    if type(value) is Decimal and value != value.to_integral_value():
        raise Rejected(WRONG_TYPE, name)
    return value


def integer(fields: Fields, name: str, highest: int) -> int:
    """An integer from 0 to `highest`."""
    value = whole(fields, name)
    if 0 <= value <= highest:
        return int(value)
    raise Rejected(OUT_OF_RANGE, name)


def decimal(fields: Fields, name: str, column: Column) -> Decimal:
    """A number rounded half away from zero to the column's step, exactly, whatever its digits. Never -0.

    The range is checked after rounding.
    """
    return as_decimal(fields.get(name), name, column)


def as_decimal(value: object, name: str, column: Column) -> Decimal:
    """This value of the field, rounded to the column's step."""
    try:
        exact = value if type(value) is Decimal else Decimal(as_number(value, name))
        rounded = exact.quantize(column.step, None, _ROUNDING)
        if column.lowest <= rounded <= column.highest:
            return rounded or column.zero
    except InvalidOperation:  # no finite number, or more digits than the context, so far more than any column
        as_number(value, name)
    raise Rejected(OUT_OF_RANGE, name)


def text(fields: Fields, name: str, longest: int) -> str:
    """A text of at most `longest` characters, as sent: nothing is stripped, it may be empty."""
    value = fields.get(name)
    if type(value) is not str:
        raise Rejected(MISSING_FIELD if value is None else WRONG_TYPE, name)
    if len(value) > longest:
        raise Rejected(TEXT_TOO_LONG, name)
    if not is_storable(value):
        raise Rejected(BAD_TEXT, name)
    return value


def is_storable(value: str) -> bool:
    """Whether a text can be written as UTF-8: one with a lone surrogate cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def secret(fields: Fields, name: str) -> int | Decimal | None:
    r"""A PIN or CVC: any finite number, since one that no card has is a wrong one, not an unreadable one.

    None where not given: absent, null, "" or "\N". Digits as text are the number.
    """
    return as_secret(fields.get(name), name)


def as_secret(value: object, name: str) -> int | Decimal | None:
    """The PIN or CVC that this value of the field is."""
    if value is None or value in _NOT_GIVEN:
        return None
    if type(value) is not str:
        return as_number(value, name)
    if value.isascii() and value.isdigit():
        return Decimal(value)
    raise Rejected(WRONG_TYPE, name)


def timestamp(fields: Fields, name: str) -> datetime:
    """A moment, naive, UTC, fractions of a second cut, year 1000 to 9999 (what DATETIME holds).

    Grammar: YYYY-MM-DD, alone (midnight) or with a blank or T and HH:MM[:SS[.fraction]][zone], also a comma for the
    point; zone: Z, ±HH, ±HHMM or ±HH:MM, without one UTC.
    """
    value = fields.get(name)
    if type(value) is not str:
        raise Rejected(MISSING_FIELD if value is None else WRONG_TYPE, name)
    return as_timestamp(value, name)


def as_timestamp(value: str, name: str) -> datetime:
    """The moment that this text is. Most have a second that others had before, and a fraction, which is cut."""
    if value[16:20:3] == ":." and value.isascii() and value[20:].isdecimal():
        with_seconds = _second(value[:19])
        if with_seconds is not None:
            return with_seconds
    return _read_timestamp(value, name)


@lru_cache(4096)
def _second(value: str) -> datetime | None:
    """A moment without a fraction; None where it cannot be read."""
    try:
        return _read_timestamp(value, "")
    except Rejected:
        return None


def _read_timestamp(value: str, name: str) -> datetime:
    match = _STAMP.fullmatch(value)
    if match is None:
        raise Rejected(BAD_TIMESTAMP, name)
    seconds, zone = match.groups()
    try:
        moment = datetime.fromisoformat(value[: 19 if seconds else 16])
        if zone is not None and zone != "Z":
            moment -= _ahead(zone)
    except (ValueError, OverflowError):
        raise Rejected(BAD_TIMESTAMP, name) from None
    if moment.year < 1000:
        raise Rejected(BAD_TIMESTAMP, name)
    return moment


def _ahead(zone: str) -> timedelta:
    """How far the clocks of a zone written as ±HH, ±HHMM or ±HH:MM are ahead of UTC."""
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:].lstrip(":") or 0))
    return -ahead if zone[0] == "-" else ahead
