"""A harvest as it is read: what counts as one, what it says, and the reason of what is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from channel_stats.harvest import Harvest, read
from pipeline.runtime.errors import Rejected
from producers import harvests as produced

AT = int(datetime(2017, 8, 2, 2, tzinfo=UTC).timestamp())


def value(**changes: object) -> bytes:
    fields = {"harvest_ts": "2017-08-02T02:00:00", "subs": 1947, "yt_channel_id": "new_york_times"}
    return json.dumps({**fields, **changes}).encode()


def test_a_harvest_as_the_contract_shows_it_is_read() -> None:
    written = b'{"harvest_ts": "2017-08-02T02:00:00", "subs": 1947, "yt_channel_id": "new_york_times"}'
    assert read(written) == Harvest("new_york_times", AT, 1947)


@pytest.mark.parametrize(
    "moment",
    [
        "2017-08-02T02:00:00Z",
        "2017-08-02 02:00:00",
        "2017-08-02T02:00",
        "2017-08-02T04:00:00+02:00",
        "2017-08-01T21:30:00-0430",
        "2017-08-02T02:00:00.999999",
        "2017-08-02T04:00:00,5+02",
    ],
)
def test_zones_are_heeded_and_fractions_cut(moment: str) -> None:
    assert read(value(harvest_ts=moment)).at == AT


def test_a_date_alone_is_its_midnight() -> None:
    assert read(value(harvest_ts="2017-08-02")).at == AT - 7200


@pytest.mark.parametrize(
    "channel", ["a", "y" * 100, "😀" * 100, "trailing ", " ", "News", "caf\u00e9", "a\u0000b", "back\\slash 'quoted'"]
)
def test_a_channel_of_1_to_100_characters_is_taken_as_it_is(channel: str) -> None:
    assert read(value(yt_channel_id=channel)).channel == channel
    assert read(value(yt_channel_id=channel, more=[1, {}])).channel == channel


@pytest.mark.parametrize("subs", [0, 1, 2**31 - 1])
def test_subs_are_integers_from_0_to_the_largest_that_the_column_holds(subs: int) -> None:
    assert read(value(subs=subs)).subs == subs


@pytest.mark.parametrize(
    ("written", "reason", "field"),
    [
        (None, "no_value", ""),
        (b"", "empty", ""),
        (b"\xff", "not_utf8", ""),
        (b"{", "not_json", ""),
        (b"[]", "not_an_object", ""),
        (b"[" * 100_000, "not_json", ""),
        (value(harvest_ts="yesterday"), "bad_timestamp", "harvest_ts"),
        (value(harvest_ts="9999-12-31T23:59:59-01:00"), "bad_timestamp", "harvest_ts"),
        (value(harvest_ts="0999-12-31T23:59:59"), "bad_timestamp", "harvest_ts"),
        (value(harvest_ts="2017-08-02T24:00:00"), "bad_timestamp", "harvest_ts"),
        (value(harvest_ts=0), "wrong_type", "harvest_ts"),
        (value(harvest_ts=None), "missing_field", "harvest_ts"),
        (value(subs=-1), "out_of_range", "subs"),
        (value(subs=2**31), "out_of_range", "subs"),
        (value(subs=10**400), "out_of_range", "subs"),
        (value(subs="1947"), "wrong_type", "subs"),
        (value(subs=True), "wrong_type", "subs"),
        (value(subs=7.0), "wrong_type", "subs"),
        (value(subs=1).replace(b'"subs": 1', b'"subs": 1e3'), "wrong_type", "subs"),
        (value(subs=1).replace(b'"subs": 1', b'"subs": NaN'), "wrong_type", "subs"),
        (value(subs=None), "missing_field", "subs"),
        (value(yt_channel_id=""), "no_channel", "yt_channel_id"),
        (value(yt_channel_id="y" * 101), "text_too_long", "yt_channel_id"),
        (value(yt_channel_id="\ud83d"), "bad_text", "yt_channel_id"),
        (value(yt_channel_id=7), "wrong_type", "yt_channel_id"),
        (b"{}", "missing_field", "yt_channel_id"),
    ],
)
def test_what_is_no_harvest_says_why(written: bytes | None, reason: str, field: str) -> None:
    with pytest.raises(Rejected) as raised:
        read(written)
    assert (raised.value.reason, raised.value.detail) == (reason, field)


REASONS = {
    "no value": "no_value",
    "empty": "empty",
    "not UTF-8": "not_utf8",
    "not JSON": "not_json",
    "a list": "not_an_object",
    "no moment": "missing_field",
    "a moment of text": "bad_timestamp",
    "a moment of 0": "wrong_type",
    "the 31st of June": "bad_timestamp",
    "an empty channel": "no_channel",
    "no channel": "missing_field",
    "a channel of 101 characters": "text_too_long",
    "half a character": "bad_text",
    "subs below zero": "out_of_range",
    "subs of 2^31": "out_of_range",
    "subs as text": "wrong_type",
    "subs with an exponent": "wrong_type",
    "subs with a point": "wrong_type",
    "subs that are true": "wrong_type",
    "no subs": "missing_field",
}
"""What the producer calls broken, and what it is called as a letter."""


def test_what_the_producer_calls_unusual_is_read_as_the_same_and_what_it_calls_broken_is_not() -> None:
    harvest = produced.Harvest("🎬 films", AT, 7)
    for name, written in produced.UNUSUAL:
        assert read(written(harvest)) == Harvest("🎬 films", AT, 7), name
    reasons = {}
    for name, broken in produced.BROKEN:
        with pytest.raises(Rejected) as raised:
            pytest.fail(f"{name}: {read(broken(harvest))}")
        reasons[name] = raised.value.reason
    assert reasons == REASONS
