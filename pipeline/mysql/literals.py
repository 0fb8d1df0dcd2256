"""Values as SQL, written so that every server takes them for the same, whatever its `sql_mode` makes of a backslash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final


def literals(row: Sequence[object]) -> bytes:
    """The values of a row, with commas between them: None, int, Decimal, str, bytes and naive datetime.

    Raises `TypeError` for any other type, `ValueError` for what no literal can say: a NaN, an infinity, a lone
    surrogate, a moment with a zone.
    """
    try:
        return ",".join([_WRITERS[type(value)](value) for value in row]).encode()
    except KeyError as error:
        raise TypeError(f"no SQL literal of {error}") from None


def _null(value: None) -> str:
    return "NULL"


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("no SQL literal of what is not finite")
    text = str(value)
    return f"{value:f}" if "E" in text else text  # with an exponent it would be a DOUBLE


def text(value: str) -> str:
    """A text, of any characters."""
    if "\\" in value or "\0" in value:
        return f"_utf8mb4 x'{value.encode().hex()}'"
    return f"'{value}'" if "'" not in value else "'" + value.replace("'", "''") + "'"


def text_or_null(value: str | None) -> str:
    """A text, or NULL."""
    return "NULL" if value is None else text(value)


def binary(value: bytes) -> str:
    """Bytes."""
    return f"x'{value.hex()}'"


@lru_cache(4096)
def moment(value: datetime) -> str:
    """A naive moment. Cached, since many messages have the same second."""
    if value.tzinfo is not None:
        raise ValueError("no SQL literal of a moment with a zone")
    return f"'{value.isoformat(' ')}'"


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    type(None): _null,
    int: str,
    Decimal: _number,
    str: text,
    bytes: binary,
    datetime: moment,
}
