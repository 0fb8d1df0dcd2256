"""A harvest as collectors send it: bytes of a record → `Harvest`, by ANALYTICS.md's reading rules.

A record that is no harvest raises `Rejected(reason, field)`. Beside the reasons of `pipeline.messages.decoding` and
`pipeline.messages.fields`:

| reason     | meaning                                        |
|------------|------------------------------------------------|
| no_value   | a record without a value                       |
| no_channel | a name of a channel without a single character |
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from pipeline.messages.decoding import decode
from pipeline.messages.fields import MISSING_FIELD, OUT_OF_RANGE, WRONG_TYPE, Fields, as_timestamp, text, timestamp
from pipeline.runtime.errors import Rejected

NO_VALUE: Final = "no_value"
NO_CHANNEL: Final = "no_channel"

LONGEST: Final = 100
"""Characters (code points) of a channel's name."""
MOST: Final = 2**31 - 1
"""Subscribers, as the column holds them."""

_EPOCH: Final = datetime(1970, 1, 1)
_SECOND: Final = timedelta(seconds=1)


class Harvest(NamedTuple):
    """How many subscribers a channel had. `at`: whole seconds since the epoch, UTC."""

    channel: str
    at: int
    subs: int


class _Usual(msgspec.Struct):
    """A harvest as nearly all are written: decoded in one go."""

    yt_channel_id: str
    harvest_ts: str
    subs: int


_usual: Final = msgspec.json.Decoder(_Usual)


def read(value: bytes | None) -> Harvest:
    """The harvest that a record holds. Raises `Rejected`."""
    if value is None:
        raise Rejected(NO_VALUE)
    try:
        found = _usual.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _with_reason(decode(value))
    if not (0 <= found.subs <= MOST and 0 < len(found.yt_channel_id) <= LONGEST):
        return _with_reason(decode(value))
    return Harvest(found.yt_channel_id, seconds(found.harvest_ts), found.subs)


def _with_reason(fields: Fields) -> Harvest:
    """Field by field, which says what is wrong. Raises `Rejected`."""
    channel = text(fields, "yt_channel_id", LONGEST)
    if not channel:
        raise Rejected(NO_CHANNEL, "yt_channel_id")
    timestamp(fields, "harvest_ts")
    return Harvest(channel, seconds(str(fields["harvest_ts"])), _subs(fields))


def _subs(fields: Fields) -> int:
    """An integer that is written as one: neither "1947" nor 1e3."""
    subs = fields.get("subs")
    if type(subs) is not int:
        raise Rejected(MISSING_FIELD if subs is None else WRONG_TYPE, "subs")
    if not 0 <= subs <= MOST:
        raise Rejected(OUT_OF_RANGE, "subs")
    return subs


@lru_cache(maxsize=65_536)
def seconds(written: str) -> int:
    """A moment as it is written, in whole seconds since the epoch. Raises `Rejected`.

    Kept, since a harvest of many channels has one moment.
    """
    return (as_timestamp(written, "harvest_ts") - _EPOCH) // _SECOND
