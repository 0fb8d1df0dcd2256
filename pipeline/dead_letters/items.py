"""A dead letter as the failover table keeps it: one DynamoDB item, below 400 KB whatever the message was.

Attributes: key (N), event_id (S, hex), stream, shard, sequence (S), sub_sequence (N), arrived, first_seen, last_seen
(S, ISO 8601, UTC), type (S or NULL), reason, error (S), attempts, schema, size (N), sha256 (S), payload (M).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from pipeline.messages.identity import letter_key
from pipeline.messages.records import EPOCH, Letter, Record

T = TypeVar("T")

SCHEMA = 1
MAX_TEXT = 1024
"""Characters that are kept of a text: more than any column holds, so that cutting makes no bad message a good one."""
MAX_FIELDS = 40
MOST = 10**38

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter in the table: `attempts` counts how often it was written, times are aware and UTC.

    `letter.record` has no data; a letter that was cut to fit has the shorter payload.
    """

    letter: Letter
    stream: str
    attempts: int
    first_seen: datetime
    last_seen: datetime

    @property
    def key(self) -> int:
        """The item's hash key."""
        return letter_key(self.letter.identity)


class UnreadableLetter(NamedTuple):
    """An item that is no letter of ours, though it has an `event_id`: its `key`, and what is wrong, without values."""

    key: str
    why: str


class _OddAttribute(Exception):
    """An attribute of an item is not what `to_item` writes."""


def to_item(stored: StoredLetter) -> Item:
    """The item that holds `stored`. Payload fields that are no scalar are left out, long texts are cut."""
    letter, record = stored.letter, stored.letter.record
    return {
        "key": {"N": str(stored.key)},
        "event_id": {"S": letter.identity.hex()},
        "stream": _text(stored.stream),
        "shard": _text(record.shard),
        "sequence": _text(record.sequence),
        "sub_sequence": _number(record.sub_sequence),
        "arrived": _moment(record.arrived),
        "type": {"NULL": True} if letter.type is None else _text(letter.type),
        "reason": _text(letter.reason),
        "error": _text(letter.error),
        "attempts": _number(stored.attempts),
        "first_seen": _moment(stored.first_seen),
        "last_seen": _moment(stored.last_seen),
        "schema": _number(SCHEMA),
        "payload": {"M": _payload(letter.payload)},
        "size": _number(letter.size),
        "sha256": _text(letter.sha256),
    }


def from_item(item: Mapping[str, Any]) -> StoredLetter | UnreadableLetter:
    """The letter that `to_item` stored, or what is wrong with an item that somebody else wrote."""
    try:
        stored = _stored(item)
    except _OddAttribute as odd:
        return UnreadableLetter(str(item["key"]["N"]), f"its {odd}")
    return stored


def _stored(item: Mapping[str, Any]) -> StoredLetter:
    record = Record(
        shard=_read(item, "shard", "S", str),
        sequence=str(_read(item, "sequence", "S", int)),
        sub_sequence=_read(item, "sub_sequence", "N", int),
        arrived_ms=(_read(item, "arrived", "S", read_moment) - EPOCH) // timedelta(milliseconds=1),
        data=b"",
    )
    payload = _read(item, "payload", "M", dict)
    letter = Letter(
        identity=_read(item, "event_id", "S", bytes.fromhex),
        record=record,
        type=item.get("type", {}).get("S"),
        reason=_read(item, "reason", "S", str),
        error=_read(item, "error", "S", str),
        payload={name: _scalar(value) for name, value in payload.items()},
        size=_read(item, "size", "N", int),
        sha256=_read(item, "sha256", "S", str),
    )
    first, last = (_read(item, name, "S", read_moment) for name in ("first_seen", "last_seen"))
    stored = StoredLetter(letter, _read(item, "stream", "S", str), _read(item, "attempts", "N", int), first, last)
    if _read(item, "key", "N", int) != stored.key:
        raise _OddAttribute("key is not that of its event_id")
    return stored


def _read(item: Mapping[str, Any], name: str, kind: str, parse: Callable[[Any], T]) -> T:
    """The attribute `name`, of DynamoDB's type `kind`. Raises `_OddAttribute`, without the value."""
    if name not in item:
        raise _OddAttribute(f"{name} is missing")
    if kind not in item[name]:
        raise _OddAttribute(f"{name} is of the type {', '.join(item[name])}, not {kind}")
    try:
        return parse(item[name][kind])
    except ValueError:
        raise _OddAttribute(f"{name} cannot be read") from None


def read_moment(text: str) -> datetime:
    """ISO 8601 with a zone. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return moment


def _payload(fields: Mapping[str, object]) -> Item:
    values = {name[:MAX_TEXT]: _value(value) for name, value in list(fields.items())[:MAX_FIELDS]}
    return {name: value for name, value in values.items() if value is not None}


def _value(value: object) -> dict[str, Any] | None:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return _number(value)
        case str():
            return _text(value)
        case datetime():
            return _text(value.isoformat())
        case _:
            return None


def _scalar(value: Mapping[str, Any]) -> object:
    ((kind, content),) = value.items()
    if kind == "N":
        number = Decimal(content)
        return number if "." in content or "E" in content.upper() else int(number)
    return None if kind == "NULL" else content


def _moment(moment: datetime) -> dict[str, str]:
    return {"S": moment.astimezone(UTC).isoformat(timespec="milliseconds")}


def _text(text: str) -> dict[str, str]:
    """Half a surrogate pair, which JSON can hold, is no UTF-8: DynamoDB would refuse the item for ever."""
    return {"S": text[:MAX_TEXT].encode("utf-8", "replace").decode()}


def _number(value: int | Decimal) -> dict[str, str]:
    """A DynamoDB number has 38 digits and a limited exponent; any other becomes a text in scientific notation."""
    if type(value) is int and -MOST < value < MOST:
        return {"N": str(value)}
    number = Decimal(value)
    if number.is_finite() and len(number.as_tuple().digits) <= 38 and -130 <= number.adjusted() <= 125:
        return {"N": str(number)}
    return {"S": f"{number:.37E}"}
