"""Values of the topics, in Confluent's wire format: a zero byte, four of the schema's id, Avro.

A value that cannot be read raises `Rejected`:

| reason         | meaning                                                                     |
|----------------|-----------------------------------------------------------------------------|
| no_value       | a record without a value                                                    |
| no_header      | it does not begin with a zero byte and an id                                |
| unknown_schema | the registry knows no schema of this id                                     |
| other_schema   | of this id is the schema of something else, which ours cannot be read from  |
| cut            | it ends before its schema does                                              |
| too_long       | bytes behind what its schema says                                           |
| bad_avro       | bytes that its schema does not allow                                        |
| wrong_value    | fields that can be read, and hold no latest count of a channel              |
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final, NamedTuple

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, UnknownType

from channel_stats.harvest import LONGEST, MOST, NO_CHANNEL, NO_VALUE, Harvest, seconds
from channel_stats.latest import Count, Key, Period, moment
from channel_stats.schemas import Schema, newest
from pipeline.messages.fields import TEXT_TOO_LONG
from pipeline.runtime.errors import Rejected

MAGIC: Final = b"\0"
HEADER: Final = 5
"""Bytes in front of the Avro."""

Schemas = Callable[[int], Schema | None]
"""The schema of an id; None where the registry knows none. Raises `Transient`, `Halted`."""


class Told(NamedTuple):
    """What a value says: all its fields, and the harvest that they mean."""

    fields: dict[str, Any]
    harvest: Harvest


def encoder(period: Period, schema: Schema, schema_id: int) -> Callable[[Key, Count], bytes]:
    """Writes values of the period's topic by this schema, whose id is given."""
    parsed = fastavro.parse_schema(schema)
    header = MAGIC + schema_id.to_bytes(4, "big")

    def encode(key: Key, count: Count) -> bytes:
        buffer = io.BytesIO()
        buffer.write(header)
        said = {
            "yt_channel_id": key.channel,
            "harvest_ts": moment(count.at),
            period.field: key.span,
            "subs": count.subs,
        }
        fastavro.schemaless_writer(buffer, parsed, said)
        return buffer.getvalue()

    return encode


class Decoder:
    """Reads values by the schema that each was written with, into the newest one. Schemas are asked for once."""

    def __init__(self, period: Period, schemas: Schemas) -> None:
        self._period = period
        self._written = cache(partial(_parsed, schemas))
        self._read = fastavro.parse_schema(newest(period.name))

    def decode(self, value: bytes | None) -> Told:
        """Raises `Rejected`, and what asking for a schema raises."""
        if value is None:
            raise Rejected(NO_VALUE)
        if len(value) < HEADER or value[:1] != MAGIC:
            raise Rejected("no_header")
        schema = self._written(int.from_bytes(value[1:HEADER], "big"))
        if schema is None:
            raise Rejected("unknown_schema")
        if not schema:
            raise Rejected("other_schema")
        return self._meant(self._fields(value, schema))

    def _fields(self, value: bytes, schema: Schema) -> dict[str, Any]:
        stream = io.BytesIO(value)
        stream.seek(HEADER)
        try:
            found = fastavro.schemaless_reader(stream, schema, self._read)
        except SchemaResolutionError:
            raise Rejected("other_schema") from None
        except (EOFError, IndexError):
            raise Rejected("cut") from None
        except (ValueError, OverflowError, MemoryError, TypeError, KeyError, StopIteration):
            raise Rejected("bad_avro") from None
        if stream.tell() != len(value):
            raise Rejected("too_long")
        if not isinstance(found, dict):
            raise Rejected("other_schema")
        return found

    def _meant(self, fields: dict[str, Any]) -> Told:
        """The newest schema has the fields; what is in them anybody may have written."""
        channel, subs, at = fields["yt_channel_id"], fields["subs"], fields["harvest_ts"]
        if not channel:
            raise Rejected(NO_CHANNEL, "yt_channel_id")
        if len(channel) > LONGEST:
            raise Rejected(TEXT_TOO_LONG, "yt_channel_id")
        if not 0 <= subs <= MOST:
            raise Rejected("wrong_value", "subs")
        harvest = Harvest(channel, seconds(at), subs)
        if fields[self._period.field] != self._period.span(harvest.at):
            raise Rejected("wrong_value", self._period.field)
        return Told(fields, harvest)


def _parsed(schemas: Schemas, schema_id: int) -> Schema | None:
    """As `schemas` says; empty where that is no schema of Avro's."""
    schema = schemas(schema_id)
    if schema is None:
        return None
    try:
        found: Any = fastavro.parse_schema(schema)
    except (SchemaParseException, UnknownType, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {"type": found}
