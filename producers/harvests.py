"""Harvests of channels' subscribers, as collectors send them several times a day: the same bytes for the same seed.

Subscribers grow, now and then they shrink. At the rates that are chosen harvests come late, shuffled, again, twice for
one moment with other counts, unusually written, and broken.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Final, NamedTuple

from producers.made import Made

TOPIC: Final = "yt_raw_harvest"
DAY: Final = 86_400
ODD_NAMES: Final = (
    "new_york_times",
    "New_York_Times",
    "tagesschau",
    "tagesschau ",
    "café",
    "cafe",
    "cafe\u0301",
    "🎬 films",
    "x" * 100,
    'it\'s "quoted" \\ and 100%',
)
"""Channels that differ by case, accent or a blank at the end only, and others that are hard on a table."""


class Harvest(NamedTuple):
    """`at`: seconds since the epoch."""

    channel: str
    at: int
    subs: int

    def written(self, **changes: object) -> bytes:
        """As collectors write it, with some fields changed, or others added."""
        fields = {"harvest_ts": _utc(self.at), "subs": self.subs, "yt_channel_id": self.channel}
        return json.dumps({**fields, **changes}, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong, in shares of the harvests.

    `late`: come up to `rounds` rounds later. `repeated`: come again, some of them late. `equal`: come beside another of
    the same moment, which found more. `unusual`: written otherwise, and right. `broken`: stand beside them, and cannot
    be read. `keyless`: lie in any partition.
    """

    late: float = 0.05
    rounds: int = 12
    repeated: float = 0.05
    equal: float = 0.02
    unusual: float = 0.05
    broken: float = 0.01
    keyless: float = 0.02


NONE: Final = Mishaps(0, 0, 0, 0, 0, 0, 0)


def names(number: int) -> list[str]:
    """So many channels, the odd ones first."""
    return [*ODD_NAMES[:number], *(f"channel-{one}" for one in range(len(ODD_NAMES), number))]


def harvests(
    seed: int, channels: int, begin: int, days: int, per_day: int, mishaps: Mishaps = Mishaps()
) -> Iterator[Made]:
    """Harvests of so many channels and days from `begin` on (seconds since the epoch), round by round.

    What is held is a number for each channel, and what is late.
    """
    random = Random(f"harvests {seed}")
    subs = [int(10 ** random.uniform(2, 6)) for _ in range(channels)]
    known = names(channels)
    late: list[tuple[int, int, Made]] = []
    number = 0
    for turn in range(days * per_day):
        sent: list[Made] = []
        for one, channel in enumerate(known):
            subs[one] = max(0, subs[one] + int(random.gauss(subs[one] / 800, subs[one] / 400)))
            at = begin + turn * DAY // per_day + random.randrange(600)
            for delay, made in _made(random, Harvest(channel, at, subs[one]), mishaps):
                number += 1
                if delay:
                    heapq.heappush(late, (turn + delay, number, made))
                else:
                    sent.append(made)
        while late and late[0][0] <= turn:
            sent.append(heapq.heappop(late)[2])
        random.shuffle(sent)
        yield from sent
    yield from (made for _, _, made in sorted(late))


def _made(random: Random, harvest: Harvest, mishaps: Mishaps) -> Iterator[tuple[int, Made]]:
    """What is sent of a harvest, and how many rounds later."""
    draw = random.random
    value = random.choice(UNUSUAL)[1](harvest) if draw() < mishaps.unusual else harvest.written()
    key = None if draw() < mishaps.keyless else harvest.channel.encode()
    is_late = draw() < mishaps.late
    yield _delay(random, mishaps) if is_late else 0, Made(TOPIC, key, value, "late" if is_late else "harvest")
    if draw() < mishaps.repeated:
        yield _delay(random, mishaps) * (draw() < 0.5), Made(TOPIC, key, value, "repeat")
    if draw() < mishaps.equal:
        more = harvest._replace(subs=harvest.subs + 1 + random.randrange(9))
        yield 0, Made(TOPIC, key, more.written(), "equal")
    if draw() < mishaps.broken:
        yield 0, Made(TOPIC, key, random.choice(BROKEN)[1](harvest), "broken")


def _delay(random: Random, mishaps: Mishaps) -> int:
    return random.randint(1, max(1, mishaps.rounds))


def _utc(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()[:19]


def _ahead(hours: float) -> Callable[[Harvest], bytes]:
    zone = timezone(timedelta(hours=hours))
    return lambda harvest: harvest.written(harvest_ts=datetime.fromtimestamp(harvest.at, zone).isoformat())


UNUSUAL: Final[tuple[tuple[str, Callable[[Harvest], bytes]], ...]] = (
    ("Z", lambda harvest: harvest.written(harvest_ts=f"{_utc(harvest.at)}Z")),
    ("an offset", _ahead(-5)),
    ("an offset of half an hour", _ahead(5.5)),
    ("a fraction", lambda harvest: harvest.written(harvest_ts=f"{_utc(harvest.at)}.987654")),
    ("a blank for the T", lambda harvest: harvest.written(harvest_ts=_utc(harvest.at).replace("T", " "))),
    ("extra fields", lambda harvest: harvest.written(views=12, title="🎬", nested={"a": [1, None]})),
    ("escapes", lambda harvest: json.dumps(json.loads(harvest.written())).encode()),
    ("a byte order mark", lambda harvest: b"\xef\xbb\xbf" + harvest.written()),
)
"""Names of what is unusual, and how it is written."""
BROKEN: Final[tuple[tuple[str, Callable[[Harvest], bytes | None]], ...]] = (
    ("no value", lambda _: None),
    ("empty", lambda _: b""),
    ("not UTF-8", lambda harvest: b"\xff" + harvest.written()),
    ("not JSON", lambda harvest: harvest.written()[:-1]),
    ("a list", lambda harvest: b"[%b]" % harvest.written()),
    ("no moment", lambda harvest: harvest.written(harvest_ts=None)),
    ("a moment of text", lambda harvest: harvest.written(harvest_ts="yesterday")),
    ("a moment of 0", lambda harvest: harvest.written(harvest_ts=0)),
    ("the 31st of June", lambda harvest: harvest.written(harvest_ts="2017-06-31T02:00:00")),
    ("an empty channel", lambda harvest: harvest.written(yt_channel_id="")),
    ("no channel", lambda harvest: harvest.written(yt_channel_id=None)),
    ("a channel of 101 characters", lambda harvest: harvest.written(yt_channel_id="y" * 101)),
    (
        "half a character",
        lambda harvest: harvest.written().replace(b'"yt_channel_id": "', b'"yt_channel_id": "\\ud83d'),
    ),
    ("subs below zero", lambda harvest: harvest.written(subs=-1)),
    ("subs of 2^31", lambda harvest: harvest.written(subs=2**31)),
    ("subs as text", lambda harvest: harvest.written(subs="1947")),
    ("subs with an exponent", lambda harvest: harvest.written(subs=1).replace(b'"subs": 1', b'"subs": 1e3')),
    ("subs with a point", lambda harvest: harvest.written(subs=7.0)),
    ("subs that are true", lambda harvest: harvest.written(subs=True)),
    ("no subs", lambda harvest: harvest.written(subs=None)),
)
"""Names of what is wrong, and how it is written."""
