"""What a dead letter may keep of a message: allow-listed fields of a valid type, without secrets, storable in DynamoDB.

A domain lists its fields, each with one of the functions here. A function gives what may be kept, or None where the
value is of another type or cannot be stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow, Rounded, Subnormal
from typing import Final

from pipeline.messages.fields import is_storable

Redaction = Callable[[object], object]

LONGEST_TEXT: Final = 256
"""Characters."""

_WINDOW: Final = 2 * LONGEST_TEXT
_CARD_NUMBER: Final = re.compile(r"\d(?:[\s.\-‐-―]{0,3}\d){11,}")
_HIDDEN_FROM: Final = 10**11
_STORABLE: Final = Context(
    prec=38, Emin=-125, Emax=125, traps=[Inexact, Rounded, Overflow, Subnormal, InvalidOperation]
)


def payload(fields: Mapping[str, object], kept: Mapping[str, Redaction]) -> dict[str, object]:
    """Those of the `kept` fields that are there, redacted; null stays null."""
    result: dict[str, object] = {}
    for name, redact in kept.items():
        sent = fields.get(name)
        value = None if sent is None else redact(sent)
        if value is not None or (sent is None and name in fields):
            result[name] = value
    return result


def text(value: object) -> str | None:
    """A text, cut to 256 characters, and of 12 or more digits (blanks, dots, dashes between) only the last four."""
    if type(value) is not str or not is_storable(value):
        return None
    # The window is wider than the cut, so that a card number across the cut is seen whole.
    return _CARD_NUMBER.sub(_starred, value[:_WINDOW])[:LONGEST_TEXT]


def figure(value: object) -> int | Decimal | None:
    """A number of at most 38 digits, as sent."""
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if type(value) is not int and type(value) is not Decimal:
        return None
    try:
        storable = _STORABLE.create_decimal(value)
    except DecimalException:
        return None
    return storable if storable.is_finite() else None


def number(value: object) -> int | Decimal | str | None:
    """A number as sent, but one of 12 or more digits, which may be a card's in the wrong field, as its last four."""
    kept = figure(value)
    return kept if kept is None or -_HIDDEN_FROM < kept < _HIDDEN_FROM else card_number(kept)


def card_number(value: object) -> str | None:
    """The last four digits, as "…1234"."""
    kept = figure(value)
    return None if kept is None else f"…{abs(int(kept)) % 10_000:04}"


def label(value: object) -> int | Decimal | str | None:
    """A text or a number: a producer's own id."""
    return text(value) if type(value) is str else number(value)


def _starred(match: re.Match[str]) -> str:
    """As long as it was, so that the cut falls where it fell."""
    found = match[0]
    return re.sub(r"\d", "*", found[:-4]) + found[-4:]
