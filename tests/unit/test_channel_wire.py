"""Avro in Confluent's format: what is written is read, by any version, and what cannot be read says why."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import Any

import fastavro
import pytest

from channel_stats.harvest import Harvest
from channel_stats.latest import DAILY, MONTHLY, Count, Key
from channel_stats.schemas import FOLDER, Schema, newest
from channel_stats.wire import Decoder, encoder
from pipeline.runtime.errors import Rejected
from tests.channels.next_version import GROWN

AT = 1_501_639_200
KEY, COUNT = Key("caf\u00e9 🎬", "2017-08-02"), Count(AT, 1947)
FOREIGN: Schema = {"type": "record", "name": "other", "fields": [{"name": "subs", "type": "int"}]}
PARTLY: Schema = {**newest("yt_daily"), "fields": newest("yt_daily")["fields"][:3]}
SCHEMAS: dict[int, Any] = {1: newest("yt_daily"), 2: GROWN, 3: FOREIGN, 4: PARTLY, 5: {"type": "string"}, 6: {"bad": 1}}


def written(schema_id: int, **fields: object) -> bytes:
    stream = io.BytesIO()
    said = {"yt_channel_id": "a", "harvest_ts": "2017-08-02T02:00:00", "date": "2017-08-02", "subs": 7, **fields}
    fastavro.schemaless_writer(stream, SCHEMAS[schema_id], said)
    return b"\0" + schema_id.to_bytes(4, "big") + stream.getvalue()


def read(value: bytes | None) -> tuple[Key, Count]:
    harvest = Decoder(DAILY, SCHEMAS.get).decode(value).harvest
    return Key(harvest.channel, DAILY.span(harvest.at)), Count(harvest.at, harvest.subs)


def test_what_is_written_has_the_header_and_is_read() -> None:
    value = encoder(DAILY, newest("yt_daily"), 1)(KEY, COUNT)
    assert value[:5] == b"\0\0\0\0\1"
    assert read(value) == (KEY, COUNT)
    said: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), newest("yt_daily"), None)
    assert said == {
        "yt_channel_id": KEY.channel,
        "harvest_ts": "2017-08-02T02:00:00",
        "date": "2017-08-02",
        "subs": 1947,
    }


OUT = {
    "yt_daily.1.avsc": "547ccaef1cafa26a9ba91021fb6834f03659f368185af7083cf12f2ae7914167",
    "yt_monthly.1.avsc": "a747dcbf47e706dfeabb7421fea121caea6097ade1a15fd0ae7a77e5e8b6dce8",
}
"""The versions of the schemas that are out, by their SHA-256; a new one is added, and none is changed."""


def test_no_version_of_a_schema_that_is_out_has_been_changed() -> None:
    assert {path.name: sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.avsc")} == OUT


def test_months_are_told_by_their_own_schema() -> None:
    value = encoder(MONTHLY, newest("yt_monthly"), 9)(Key("a", "2017-08"), COUNT)
    said: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), newest("yt_monthly"), None)
    assert (said["month"], said["subs"]) == ("2017-08", 1947)
    assert Decoder(MONTHLY, lambda _: newest("yt_monthly")).decode(value).harvest == Harvest("a", AT, 1947)


def test_the_next_version_is_read_by_this_one() -> None:
    assert read(written(2, views=12)) == (Key("a", "2017-08-02"), Count(AT, 7))


def test_a_schema_is_asked_for_once() -> None:
    asked: list[int] = []

    def schemas(schema_id: int) -> Schema | None:
        asked.append(schema_id)
        return SCHEMAS.get(schema_id)

    decoder = Decoder(DAILY, schemas)
    for _ in range(3):
        decoder.decode(written(1))
        decoder.decode(written(2, views=1))
    assert asked == [1, 2]


GOOD = written(1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no_value"),
        (b"", "no_header"),
        (GOOD[:4], "no_header"),
        (b"\1" + GOOD[1:], "no_header"),
        (GOOD[5:], "no_header"),
        (b'{"yt_channel_id": "a"}', "no_header"),
        (b"\0\0\0\0\7" + GOOD[5:], "unknown_schema"),
        (b"\0\xff\xff\xff\xff" + GOOD[5:], "unknown_schema"),
        (written(3), "other_schema"),
        (b"\0\0\0\0\5" + b"\2a", "other_schema"),
        (b"\0\0\0\0\6" + GOOD[5:], "other_schema"),
        (written(4), "other_schema"),
        (GOOD[:5], "cut"),
        (GOOD[:-1], "cut"),
        (GOOD[:12], "cut"),
        (GOOD + b"\0", "too_long"),
        (b"\0\0\0\0\1" + b"\xff" * 20, "cut"),
        (written(1, yt_channel_id=""), "no_channel"),
        (written(1, yt_channel_id="y" * 101), "text_too_long"),
        (written(1, subs=-1), "wrong_value"),
        (written(1, date="2017-08-03"), "wrong_value"),
        (written(1, harvest_ts="yesterday"), "bad_timestamp"),
    ],
)
def test_what_cannot_be_read_says_why(value: bytes | None, reason: str) -> None:
    with pytest.raises(Rejected) as raised:
        read(value)
    assert raised.value.reason == reason


def test_whatever_the_bytes_are_they_are_read_or_rejected() -> None:
    """Each byte of a good value is changed, each way."""
    for place in range(5, len(GOOD)):
        for byte in range(256):
            try:
                read(GOOD[:place] + bytes([byte]) + GOOD[place + 1 :])
            except Rejected:
                continue
