"""Where candles come from, whoever gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

MINUTE: Final = 60
FIELDS: Final = ("open", "high", "low", "close", "volume")


class Bar(NamedTuple):
    """A finished candle as it was given. `at`: when its minute began, seconds since the epoch, UTC.

    `fields`: those of `FIELDS` that were given, untouched.
    """

    at: int
    fields: Mapping[str, str | float]

    def value(self) -> bytes:
        """As a record of its symbol's topic. UTC, so that an hour that comes twice in a market's year is two."""
        return json.dumps({"datetime": f"{moment(self.at):%Y-%m-%dT%H:%M:%SZ}", **self.fields}).encode()


class Page(NamedTuple):
    """What was given of each symbol: oldest first, without gaps between.

    `unknown`: symbols that there are none of, and what was said. A symbol that is in neither was not answered for, and
    is to be asked for again.
    """

    bars: Mapping[str, Sequence[Bar]]
    unknown: Mapping[str, str]


class Feed(Protocol):
    """Gives candles. Raises `PipelineError`: `Transient` where it may be asked again."""

    @property
    def largest(self) -> int:
        """Most candles of a symbol that one page holds."""

    def at_once(self, count: int) -> int:
        """How many symbols one call may ask `count` candles of."""

    def latest(self, symbols: Sequence[str], count: int) -> Page:
        """The newest finished candles, `count` of each symbol at most."""

    def history(self, symbols: Sequence[str], count: int, end: int) -> Page:
        """The newest candles that began at `end` or before, `count` of each symbol at most."""


def moment(at: float) -> datetime:
    """Seconds since the epoch as a moment, UTC."""
    return datetime.fromtimestamp(at, UTC)
