"""A dead letter as the failover table keeps it: one DynamoDB item, below 400 KB whatever the message was.

Attributes: key (N), event_id (S, hex), stream, shard, sequence (S), sub_sequence (N), arrived, first_seen, last_seen
(S, ISO 8601, UTC), type (S or NULL), reason, error (S), attempts, schema, size (N), sha256 (S), payload (M).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pipeline.messages.identity import letter_key
from pipeline.messages.records import EPOCH, Letter, Record

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


def from_item(item: Mapping[str, Any]) -> StoredLetter:
    """The letter that `to_item` stored."""
    record = Record(
        shard=item["shard"]["S"],
        sequence=item["sequence"]["S"],
        sub_sequence=int(item["sub_sequence"]["N"]),
        arrived_ms=(datetime.fromisoformat(item["arrived"]["S"]) - EPOCH) // timedelta(milliseconds=1),
        data=b"",
    )
    letter = Letter(
        identity=bytes.fromhex(item["event_id"]["S"]),
        record=record,
        type=item["type"].get("S"),
        reason=item["reason"]["S"],
        error=item["error"]["S"],
        payload={name: _scalar(value) for name, value in item["payload"]["M"].items()},
        size=int(item["size"]["N"]),
        sha256=item["sha256"]["S"],
    )
    first, last = (datetime.fromisoformat(item[name]["S"]) for name in ("first_seen", "last_seen"))
    return StoredLetter(letter, item["stream"]["S"], int(item["attempts"]["N"]), first, last)


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
