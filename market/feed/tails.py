"""How far a topic has come: its newest candle, whoever sent it, in whatever order the last ones came."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from market.candle import read as read_candle
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Range, read
from pipeline.kafka.topics import Topics
from pipeline.runtime.errors import Rejected

LOOK: Final = 64
"""Records at the end of a partition among which the newest candle is looked for first."""
WIDER: Final = 16
"""How many times as many the next time, where none of them can be read."""


def newest(client: Mapping[str, Any], names: Collection[str], zone: ZoneInfo, now: float) -> dict[str, int]:
    """Topic → when its newest candle began, seconds since the epoch; none where it holds no candle.

    A candle that is ahead of `now` is somebody's mistake, and does not count. Raises `Transient`, `Halted`.
    """
    topics = Topics(client)
    places = [place for topic in topics.existing(names).values() for place in topic.places]
    first, end = topics.earliest(places), topics.latest(places)
    begin = dict(end)
    found: dict[str, int] = {}
    look = LOOK
    while wider := {place: _range(place, first, begin, look) for place in places if begin[place] > first[place]}:
        for record in read(client, wider):
            at = _began(record.value, record.topic, record.timestamp, zone)
            if at is not None and at <= now:
                found[record.topic] = max(at, found.get(record.topic, at))
        begin |= {place: wanted.begin for place, wanted in wider.items()}
        places = [place for place in places if place[0] not in found]
        look *= WIDER
    return found


def _range(place: Place, first: Mapping[Place, int], begin: Mapping[Place, int], look: int) -> Range:
    return Range(max(first[place], begin[place] - look), begin[place])


def _began(value: bytes | None, topic: str, arrived_ms: int, zone: ZoneInfo) -> int | None:
    try:
        return read_candle(value, topic, arrived_ms // 1000, zone).at
    except Rejected:
        return None
