"""A letter's payload as a record again, for messages that the stream has trimmed.

Only where it is surely all that was sent: a type whose letters keep every field, a reason that comes after reading (so
no field was left out for being wrong), nothing redacted or cut, and the same identity. Card payments never: their PIN
and codes are not kept.
"""

from __future__ import annotations

from typing import Final

import msgspec

from pipeline.applying.routing import Router
from pipeline.dead_letters.items import StoredLetter
from pipeline.messages.records import Event, Record
from pipeline.messages.redaction import LONGEST_TEXT
from pipeline.operations.description import ServiceDescription

_CHANGED: Final = ("*", "…")
"""What a redacted text has in it; one that was sent so is not told apart."""

_json = msgspec.json.Encoder(decimal_format="number")


def whole_record(stored: StoredLetter, bank: ServiceDescription, router: Router) -> Record | None:
    """The message at its old place in the stream, or None where the letter does not hold all of it."""
    letter = stored.letter
    if letter.type not in bank.kept_whole or letter.reason not in bank.after_reading:
        return None
    if any(_may_be_changed(value) for value in letter.payload.values()):
        return None
    record = msgspec.structs.replace(
        letter.record, data=_json.encode({**letter.payload, "type": letter.type}), flaw=None
    )
    said = router.interpret(record)
    return record if isinstance(said, Event) and said.identity == letter.identity else None


def _may_be_changed(value: object) -> bool:
    return isinstance(value, str) and (len(value) >= LONGEST_TEXT or any(mark in value for mark in _CHANGED))
