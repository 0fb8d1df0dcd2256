"""What counts of a channel's harvests: the latest of each day, and of each month.

Of two harvests of a period the one with the later moment counts, and of two with the same moment the one with more
subscribers. That is an order, so the latest of many is the same in whichever order, however often and in however many
pieces they come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from channel_stats.harvest import Harvest


class Count(NamedTuple):
    """So many subscribers at a moment, in seconds since the epoch. The greater one counts."""

    at: int
    subs: int


class Key(NamedTuple):
    """A channel, and a day ("2017-08-02") or month ("2017-08") of it."""

    channel: str
    span: str


class Placed(NamedTuple):
    """A count, and the place of a harvest that says so. Of equal counts the first one known is kept."""

    latest: Count
    partition: int
    offset: int


@dataclass(frozen=True)
class Period:
    """Days or months. `name`: of topic and table alike. `field`: of the span in Avro; `column`: in the table.

    `digits`: of a moment as text, those that are its span.
    """

    name: str
    field: str
    column: str
    digits: int

    def span(self, at: int) -> str:
        """The day or month of a moment in seconds since the epoch."""
        return moment(at)[: self.digits]


DAILY: Final = Period("yt_daily", "date", "date", 10)
MONTHLY: Final = Period("yt_monthly", "month", "year_and_month", 7)
PERIODS: Final = {period.name: period for period in (DAILY, MONTHLY)}


@lru_cache(maxsize=65_536)
def moment(at: int) -> str:
    """Seconds since the epoch as "2017-08-02T02:00:00"."""
    return datetime.fromtimestamp(at, UTC).isoformat()[:19]


class Latest(dict[Key, Placed]):
    """The latest count of each key among those that were added."""

    def harvested(self, period: Period, harvest: Harvest, partition: int, offset: int) -> None:
        """Take a harvest into account."""
        key = Key(harvest.channel, period.span(harvest.at))
        self.add(key, Placed(Count(harvest.at, harvest.subs), partition, offset))

    def add(self, key: Key, placed: Placed) -> None:
        """Take a count into account that is the latest one among some."""
        known = self.get(key)
        if known is None or placed.latest > known.latest:
            self[key] = placed

    def counts(self) -> list[tuple[Key, Count]]:
        """What they come to, without their places."""
        return [(key, placed.latest) for key, placed in self.items()]

    def changed(self, told: dict[Key, Count]) -> list[tuple[Key, Placed]]:
        """Those that are newer than what was told, by channel, and of a channel the newest span last."""
        return [(key, placed) for key, placed in sorted(self.items()) if key not in told or placed.latest > told[key]]
