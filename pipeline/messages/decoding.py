"""Bytes of a record → the fields of a message, numbers exactly as they were written.

Whole numbers become int, all others Decimal (and whole numbers of thousands of digits); of a repeated key the
last counts. What the fast decoder refuses is tried again by the standard one, which also knows what producers send
beyond JSON's grammar: a byte order mark, bare NaN, Infinity and -Infinity, escaped lone surrogates.
"""

from __future__ import annotations

import json
from decimal import MAX_EMAX, MIN_EMIN, ROUND_UP, Context, Decimal, InvalidOperation
from typing import Final

import msgspec

from pipeline.runtime.errors import Rejected

EMPTY: Final = "empty"
NOT_UTF8: Final = "not_utf8"
NOT_JSON: Final = "not_json"
NOT_AN_OBJECT: Final = "not_an_object"

_SATURATING: Final = Context(Emax=MAX_EMAX, Emin=MIN_EMIN, rounding=ROUND_UP, traps=[])


def decode(data: bytes) -> dict[str, object]:
    """The fields of one message.

    Raises `Rejected`: empty, not_utf8, not_json (also for brackets nested deeper than the interpreter goes),
    not_an_object. A text may hold a lone surrogate, written as an escape: its reader refuses it.
    """
    try:
        value = _fast.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation, RecursionError):
        value = _tolerant(data)
    if type(value) is not dict:
        raise Rejected(NOT_AN_OBJECT)
    return value


def _tolerant(data: bytes) -> object:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Rejected(NOT_UTF8) from None
    if not text or text.isspace():
        raise Rejected(EMPTY)
    try:
        value: object = _standard.decode(text)
    except (ValueError, RecursionError):
        raise Rejected(NOT_JSON) from None
    return value


def _integer(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:  # over the interpreter's limit of digits, whose conversion takes quadratic time
        return Decimal(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond ±10^18: to infinity or to the smallest
        return _SATURATING.create_decimal(text)


_fast: Final = msgspec.json.Decoder(float_hook=Decimal)
_standard: Final = json.JSONDecoder(parse_float=_decimal, parse_int=_integer, parse_constant=Decimal)
