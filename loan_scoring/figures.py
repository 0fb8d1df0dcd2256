"""Numbers as producers of applications write them: 13.5, "13.5%", " 1,234.50 ", "$ 5000", "NA"."""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import Final

from pipeline.messages.fields import NOT_FINITE, OUT_OF_RANGE, WRONG_TYPE
from pipeline.runtime.errors import Rejected

LARGEST: Final = 2**31 - 1
"""Of every number of an application: what INT holds."""
NEGATIVE: Final = "negative"

_MISSING: Final = frozenset({"", "na", "n/a"})
_LONGEST: Final = 64
"""Characters of a number."""
_NUMBER: Final = re.compile(
    r"(?P<money>\$?)\s*(?P<sign>[+-]?)\s*(?P<dollar>\$?)\s*"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)(?:\.\d*)?|\.\d+)(?P<power>(?:[eE][+-]?\d{1,3})?)"
    r"\s*(?P<percent>%?)",
    re.ASCII,
)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def figure(value: object, name: str, mark: str = "") -> float | None:
    """The number, from 0 to `LARGEST`; None where it is missing: null, "", "NA" or "n/a".

    `mark`: "%" or "$", where a text may bear that. Commas and blanks are read between groups of three digits only, so
    that no decimal comma is taken for one. Raises `Rejected`: wrong_type, not_finite, negative, out_of_range.
    """
    if type(value) is str:
        return _of_text(value, name, mark)
    if value is None:
        return None
    if type(value) is int:
        return _held(float(max(min(value, LARGEST + 1), -1)), name)
    if type(value) is Decimal:
        if not value.is_finite():
            raise Rejected(NOT_FINITE, name)
        return _held(float(value), name)
    raise Rejected(WRONG_TYPE, name)


def whole(value: object, name: str) -> int | None:
    """The same for what has no fraction."""
    found = figure(value, name)
    if found is None:
        return None
    if found != int(found):
        raise Rejected(WRONG_TYPE, name)
    return int(found)


def rounded(number: float) -> int:
    """To the nearest whole number, halves up."""
    return int(number + 0.5)


def is_missing(value: object) -> bool:
    """Whether this says that nothing is known."""
    return value is None or (type(value) is str and value.strip().lower() in _MISSING)


def _of_text(text: str, name: str, mark: str) -> float | None:
    plain = text.strip()
    if plain.isascii() and plain.isdigit() and len(plain) < _LONGEST:
        return _held(float(plain), name)
    if plain.lower() in _MISSING:
        return None
    found = _NUMBER.fullmatch(plain) if len(plain) <= _LONGEST else None
    if found is None:
        raise Rejected(NOT_FINITE if _NOT_FINITE.fullmatch(plain) else WRONG_TYPE, name)
    marks = found["money"] + found["dollar"] + found["percent"]
    if marks not in ("", mark):
        raise Rejected(WRONG_TYPE, name)
    digits = found["digits"].replace(",", "").replace(" ", "")
    return _held(float(f"{found['sign']}{digits}{found['power']}"), name)


def _held(number: float, name: str) -> float:
    if number < 0:
        raise Rejected(NEGATIVE, name)
    if number > LARGEST or not isfinite(number):
        raise Rejected(OUT_OF_RANGE, name)
    return number + 0.0  # there is no -0
