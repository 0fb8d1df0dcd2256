"""The identity of an event: 16 bytes, the same however often its message is read, unique within its table.

Changing anything here would apply messages twice that are read again across the change (golden vectors in the tests).
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from pipeline.messages.fields import is_storable
from pipeline.messages.records import Record
from pipeline.runtime.errors import Rejected

BAD_ID: Final = "bad_id"
LONGEST_ID: Final = 128
"""Characters, of a text as of an integer written out."""

_INTEGER_END: Final = 10**LONGEST_ID


def identity(stream: str, record: Record, type_: str | None, producer_id: object) -> bytes:
    """From the producer's own `id` where the message gives one, else from the record's position.

    A producer's id: a 128-bit hash of type and id as text, so 7, 7.0 and "7" are one. A position: 48 bits of arrival
    time in milliseconds, then an 80-bit hash of stream, shard, sequence and sub-sequence; so new identities go to the
    end of an index. Raises `Rejected(bad_id)` where the id is neither null nor a text of 1 to 128 characters nor an
    integer of as many.
    """
    if type_ is None or producer_id is None:
        return _of_position(stream, record)
    named = f"{len(type_)}:{type_}:{as_id(producer_id)}".encode()
    return blake2b(named, digest_size=16, person=b"producer id").digest()


def is_named(identity: bytes, record: Record) -> bool:
    """Whether the identity comes from the producer's own `id`: one of a position begins with the time of arrival."""
    return identity[:6] != record.arrived_ms.to_bytes(6, "big")


def letter_key(identity: bytes) -> int:
    """The key of an event's dead letter: a number of at most 38 digits, which is what DynamoDB holds."""
    return int.from_bytes(identity, "big") % 10**38


def as_id(value: object, name: str = "id") -> str:
    """A producer's own id, as text: 7, 7.0 and "7" are one. `name`: of the field. Raises `Rejected(bad_id)`."""
    if type(value) is str:
        written = value
    elif type(value) is int or type(value) is Decimal:
        written = _integer(value)
    else:
        written = ""
    if not (1 <= len(written) <= LONGEST_ID and is_storable(written)):
        raise Rejected(BAD_ID, name)
    return written


def _of_position(stream: str, record: Record) -> bytes:
    place = _of_shard(stream, record.shard).copy()
    place.update(f"{record.sequence}:{record.sub_sequence}".encode())
    return record.arrived_ms.to_bytes(6, "big") + place.digest()


@lru_cache(maxsize=4096)
def _of_shard(stream: str, shard: str) -> blake2b:
    """What the hashes of a shard's positions begin with. Never updated: copied."""
    return blake2b(f"{len(stream)}:{stream}:{len(shard)}:{shard}:".encode(), digest_size=10, person=b"position")


def _integer(value: int | Decimal) -> str:
    """Written out, but only what is short enough: 1e999999999 never is. Otherwise empty."""
    if isinstance(value, Decimal) and not value.is_finite():
        return ""
    short = -_INTEGER_END < value < _INTEGER_END
    return str(int(value)) if short and value == int(value) else ""
