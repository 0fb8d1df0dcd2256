"""Single fields of a message, by the contract's paragraph "Reading". Each raises `Letter` for a bad one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.model.outcome import Letter

STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)


def _present(fields: dict[str, Any], name: str) -> Any:
    if fields.get(name) is None:
        raise Letter(f"field {name}")
    return fields[name]


def _finite(fields: dict[str, Any], name: str) -> Decimal:
    value = _present(fields, name)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Letter(f"field {name}")
    return value


def integer(fields: dict[str, Any], name: str) -> int:
    value = _finite(fields, name)
    if value != value.to_integral_value():
        raise Letter(f"field {name}")
    return int(value) if abs(value) < Decimal("1e40") else 10**40


def number(fields: dict[str, Any], name: str, largest: int) -> int:
    value = integer(fields, name)
    if not 0 <= value <= largest:
        raise Letter(f"range {name}")
    return value


def rounded(fields: dict[str, Any], name: str, step: str, largest: Decimal) -> Decimal:
    value = _finite(fields, name)
    if abs(value) > largest + 1:
        raise Letter(f"range {name}")
    fitting = value.quantize(Decimal(step), ROUND_HALF_UP)
    if abs(fitting) > largest:
        raise Letter(f"range {name}")
    return fitting + 0  # no negative zero


def text(fields: dict[str, Any], name: str, longest: int) -> str:
    value = _present(fields, name)
    if not isinstance(value, str) or len(value) > longest:
        raise Letter(f"field {name}")
    if _is_torn(value):
        raise Letter(f"field {name}")
    return value


def _is_torn(value: str) -> bool:
    """Whether it holds half a surrogate pair: no character, so no column holds it."""
    return any("\ud800" <= character <= "\udfff" for character in value)


def producer_id(fields: dict[str, Any]) -> str | None:
    value = fields.get("id")
    if value is None:
        return None
    if isinstance(value, str):
        if 1 <= len(value) <= 128 and not _is_torn(value):
            return value
    elif isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        digits = f"{value:f}".partition(".")[0] if value else "0"
        if len(digits) <= 128:
            return digits
    raise Letter("id")


def secret(fields: dict[str, Any], name: str) -> Decimal | None:
    value = fields.get(name)
    if value is None or value in ("", "\\N"):
        return None
    if isinstance(value, str) and re.fullmatch("[0-9]+", value):
        return Decimal(value)
    if isinstance(value, Decimal) and value.is_finite():
        return value
    raise Letter(f"field {name}")


def location(fields: dict[str, Any]) -> str | None:
    value = fields.get("location")
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch("[A-Za-z]{2}", value):
        return value
    raise Letter("location")


def stamp(fields: dict[str, Any], name: str) -> datetime:
    """UTC, without a zone, whole seconds, as the column holds it."""
    value = _present(fields, name)
    match = STAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Letter(f"time {name}")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        there = datetime(year, month, day, hour, minute, second, tzinfo=_zone(match[7]))
        here = there.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise Letter(f"time {name}") from None
    if year < 1000 or here.year < 1000:
        raise Letter(f"time {name}")
    return here


def _zone(text: str | None) -> timezone:
    if text in (None, "Z"):
        return UTC
    assert text is not None
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
