"""What harvests should have come to, told again from their bytes; and what topics and tables have come to."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import fastavro

from tests.schema import Schema
from tests.topics import Found

Spans = dict[tuple[str, str], tuple[str, int]]
"""Channel and day or month → moment of the latest harvest, as it is told in Avro, and subscribers."""

DIGITS = {"yt_daily": 10, "yt_monthly": 7}
FIELDS = {"yt_daily": "date", "yt_monthly": "month"}
COLUMNS = {"yt_daily": "DATE_FORMAT(`date`, '%Y-%m-%d')", "yt_monthly": "year_and_month"}


class Told(NamedTuple):
    """A record of a topic."""

    channel: str
    span: str
    moment: str
    subs: int


def latest(values: Iterable[bytes], topic: str) -> Spans:
    """Of harvests that can be read."""
    found: Spans = {}
    for value in values:
        said = json.loads(value.decode("utf-8-sig"))
        moment = datetime.fromisoformat(said["harvest_ts"])
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
        text = f"{moment:%Y-%m-%dT%H:%M:%S}"
        key = said["yt_channel_id"], text[: DIGITS[topic]]
        found[key] = max(found.get(key, ("", 0)), (text, said["subs"]))
    return found


def told(records: Iterable[Found], topic: str, schemas: Callable[[int], Mapping[str, Any]]) -> list[Told]:
    """What the records of a topic say, in their order. `schemas`: by their ids."""
    found = []
    for record in records:
        value = record.value or b""
        stream = io.BytesIO(value[5:])
        said: Any = fastavro.schemaless_reader(stream, dict(schemas(int.from_bytes(value[1:5], "big"))), None)
        assert value[:1] == b"\0"
        assert not stream.read()
        assert record.key == said["yt_channel_id"].encode()
        found.append(Told(said["yt_channel_id"], said[FIELDS[topic]], said["harvest_ts"], said["subs"]))
    return found


def of_topic(records: Sequence[Told]) -> Spans:
    """What the last record of each key says."""
    return {(one.channel, one.span): (one.moment, one.subs) for one in records}


def unchanged(records: Sequence[Told]) -> list[str]:
    """Records that say nothing newer than the one of their key before them, a line each."""
    lines, known = [], Spans()
    for one in records:
        key, says = (one.channel, one.span), (one.moment, one.subs)
        if says <= known.get(key, ("", -1)):
            lines.append(f"{key} is told as {says} behind {known[key]}")
        known[key] = says
    return lines


def of_table(schema: Schema, table: str) -> Spans:
    """What the table holds."""
    moment = "DATE_FORMAT(harvest_ts, '%Y-%m-%dT%H:%i:%S')"
    rows = schema.query(f"SELECT channel, {COLUMNS[table]}, {moment}, subs FROM {table}")
    return {(channel, span): (at, subs) for channel, span, at, subs in rows}


def differences(found: Spans, right: Spans, what: str) -> list[str]:
    """What is not the same, a line each."""
    lines = [f"{what}: {key} should not be there" for key in sorted(found.keys() - right.keys())]
    for key, count in sorted(right.items()):
        if found.get(key) != count:
            lines.append(f"{what}: {key} is {found.get(key)}, and should be {count}")
    return lines
