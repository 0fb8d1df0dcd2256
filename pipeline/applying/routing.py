"""Records → output partitions, and records → events, letters or skipped, by the `type` of their message."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final
from zlib import crc32

from pipeline.applying.domain import Domain
from pipeline.messages.decoding import decode
from pipeline.messages.fields import Fields, whole
from pipeline.messages.identity import identity
from pipeline.messages.records import Block, Event, Extent, Letter, Record, Skipped, block, whole_block
from pipeline.messages.usual import DOUBTS, MessageType, UsualDecoder, UsualKey
from pipeline.runtime.errors import Rejected, Unforeseen
from pipeline.runtime.redacted_errors import RedactedErrors

MISSING_TYPE: Final = "missing_type"
UNKNOWN_TYPE: Final = "unknown_type"


class Router:
    """Knows which domain understands which type; picklable where the domains are."""

    def __init__(self, stream: str, routes: Mapping[str, Domain]) -> None:
        self._stream = stream
        self.routes = dict(routes)
        domains = self.routes.values()
        self._types: dict[MessageType, str] = {domain.usual_message: domain.type for domain in domains}
        nullable = [name for kind in self._types for name in kind.nullable]
        self._usual_messages = UsualDecoder(self._types, nullable)
        self._usual_keys: UsualDecoder[UsualKey] = UsualDecoder([domain.usual_key for domain in domains], nullable)

    def __reduce__(self) -> tuple[type[Router], tuple[str, dict[str, Domain]]]:
        return Router, (self._stream, self.routes)

    def key_of(self, record: Record) -> int:
        """32-bit hash of the ordering key; of type and position where there is none to read. Takes any bytes.

        The usual message is not parsed for that: its key alone is picked out of it.
        """
        if record.flaw is None:
            try:
                return crc32(self._usual_keys.decode(record.data).key())
            except DOUBTS:
                pass
        type_ = ""
        try:
            with RedactedErrors():
                fields = _fields(record)
                type_ = self._type(fields)
                key = self.routes[type_].ordering_key(fields)
        except (Rejected, Unforeseen):
            key = None
        if key is None:
            key = f"{type_}:{record.shard}:{record.sequence}:{record.sub_sequence}".encode()
        return crc32(key)

    def split(self, extent: Extent, partitions: int) -> list[tuple[int, Block]]:
        """(partition, block) for every partition, empty blocks too, in stream order; of several, records have a key."""
        if partitions == 1:
            return [(0, whole_block(extent))]
        parts: list[list[Record]] = [[] for _ in range(partitions)]
        for r in extent.records:
            key = self.key_of(r)
            keyed = Record(r.shard, r.sequence, r.sub_sequence, r.arrived_ms, r.data, r.flaw, key)
            parts[key % partitions].append(keyed)
        return [(partition, block(extent, records)) for partition, records in enumerate(parts)]

    def interpret(self, record: Record) -> Event[Any] | Letter | Skipped:
        """What the record says. Its status comes first: with one other than 0 nothing else is looked at."""
        return self._usual(record) or self._read(record)

    def _usual(self, record: Record) -> Event[Any] | None:
        """The event of a message as it is mostly written; None where any doubt is left."""
        if record.flaw is not None:
            return None
        try:
            sent = self._usual_messages.decode(record.data)
            type_ = self._types[type(sent)]
            return Event(identity(self._stream, record, type_, sent.id), type_, record, sent.message())
        except DOUBTS:
            return None

    def _read(self, record: Record) -> Event[Any] | Letter | Skipped:
        """Field by field."""
        fields: Fields = {}
        type_: str | None = None
        try:
            fields = _fields(record)
            type_ = self._type(fields)
            if whole(fields, "status") != 0:
                return Skipped(type_)
            event_id = identity(self._stream, record, type_, fields.get("id"))
            return Event(event_id, type_, record, self.routes[type_].parse(fields))
        except Rejected as rejected:
            return self._letter(self._identity(record, type_, fields), record, type_, fields, rejected)

    def letter(self, event: Event[Any], rejected: Rejected) -> Letter:
        """The dead letter of an event that its domain, or the database, refused."""
        fields: Fields = {}
        with suppress(Rejected):  # nesting that was just within the interpreter's depth there may not be here
            fields = decode(event.record.data)
        return self._letter(event.identity, event.record, event.type, fields, rejected)

    def broken(self, record: Record, rejected: Rejected) -> Letter:
        """The dead letter of a record that `interpret` broke on: with what of it can be told."""
        fields: Fields = {}
        type_: str | None = None
        with suppress(Rejected, Unforeseen), RedactedErrors():
            fields = _fields(record)
            type_ = self._type(fields)
        return self._letter(self._identity(record, type_, fields), record, type_, fields, rejected)

    def _type(self, fields: Fields) -> str:
        type_ = fields.get("type")
        if type_ is None:
            raise Rejected(MISSING_TYPE, "type")
        if type(type_) is not str or type_ not in self.routes:
            raise Rejected(UNKNOWN_TYPE, "type")
        return type_

    def _identity(self, record: Record, type_: str | None, fields: Fields) -> bytes:
        """As the event's would be; where its own id is what is wrong with it, that of its position."""
        try:
            return identity(self._stream, record, type_, fields.get("id"))
        except Rejected:
            return identity(self._stream, record, None, None)

    def _letter(self, event_id: bytes, record: Record, type_: str | None, fields: Fields, rejected: Rejected) -> Letter:
        r = record
        payload: dict[str, object] = {}
        if type_ is not None:
            with suppress(Unforeseen), RedactedErrors():
                payload = self.routes[type_].payload(fields)
        return Letter(
            identity=event_id,
            record=Record(r.shard, r.sequence, r.sub_sequence, r.arrived_ms, b"", r.flaw, r.key),
            type=type_,
            reason=rejected.reason,
            error=str(rejected),
            payload=payload,
            size=len(r.data),
            sha256=sha256(r.data).hexdigest(),
        )


def _fields(record: Record) -> dict[str, object]:
    if record.flaw is not None:
        raise Rejected(record.flaw)
    return decode(record.data)
