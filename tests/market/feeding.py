"""A feed against the stand-in of its provider, at a time that is moved by hand, into topics that are lists."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from market.calendar import Session
from market.clock import Clock
from market.feed.credits import Credits
from market.feed.filling import Filling
from market.feed.live import Live
from market.feed.pace import Pace
from market.feed.settings import FeedSettings
from market.feed.told import Told
from market.feed.twelve_data import TwelveData
from market.feed.waiting import Pauses
from market.symbols import topic_of
from pipeline.kafka.sending import Sender
from pipeline.runtime.stopping import StopSignal
from producers.provider import KEY, Provider, standing_in

FRIDAY = datetime(2023, 8, 25, 13, 30, tzinfo=UTC)
"""When a session of New York began."""


def sessions(number: int, last: datetime = FRIDAY, minutes: int = 390) -> list[Session]:
    """So many sessions of weekdays, up to the one that opens at `last`."""
    opens = (last - timedelta(days=back) for back in range(3 * number + 3))
    found = [Session(one.date(), one, one + timedelta(minutes=minutes)) for one in opens if one.weekday() < 5]
    return found[:number][::-1]


@dataclass(frozen=True)
class ByHand(Clock):
    """Stands still, but for whoever waits for a moment: then it is that moment at once."""

    times: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.times[-1]

    def lasts(self, seconds: float) -> float:
        self.times[-1] += max(0.0, seconds)
        return 0.0

    def moved(self, seconds: float) -> None:
        """Let time pass."""
        self.times[-1] += seconds


def by_hand(at: datetime) -> ByHand:
    """A clock that says this."""
    return ByHand(times=[at.timestamp()])


class Topics:
    """Lists of values in the place of Kafka's topics, and a sender into them that can break after so many records."""

    def __init__(self) -> None:
        self.values: dict[str, list[bytes]] = defaultdict(list)
        self.breaks_after: int | None = None
        self.breaks_with: Exception | None = None

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        if self.breaks_after is not None and self.breaks_with is not None:
            self.breaks_after -= 1
            if self.breaks_after < 0:
                self.breaks_after, broken = None, self.breaks_with
                raise broken
        self.values[topic].append(value)

    def settle(self, meanwhile: object) -> None:
        """All is taken."""

    def newest(self, symbols: Iterable[str]) -> Mapping[str, int]:
        return {symbol: self.times(symbol)[-1] for symbol in symbols if self.values[topic_of(symbol)]}

    def times(self, symbol: str) -> list[int]:
        """When the candles of a symbol began, in the order in which they lie there."""
        values = (json.loads(value) for value in self.values[topic_of(symbol)])
        return [int(datetime.fromisoformat(value["datetime"]).timestamp()) for value in values]

    def fields(self, symbol: str) -> list[tuple[int, Mapping[str, Any]]]:
        """All of a symbol: when it began, and what else it says."""
        values = (json.loads(value) for value in self.values[topic_of(symbol)])
        return [(int(datetime.fromisoformat(value.pop("datetime")).timestamp()), value) for value in values]


@dataclass
class Feeding:
    """A feed, put together as the product does it."""

    provider: Provider
    url: str
    clock: Clock
    topics: Topics = field(default_factory=Topics)
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 600.0

    def __post_init__(self) -> None:
        given = {"KAFKA_BROKERS": "127.0.0.1:1", "TWELVE_DATA_KEY": KEY, "TWELVE_DATA_URL": self.url}
        symbols = {"SYMBOLS": ",".join(self.provider.symbols), "CREDITS_PER_MINUTE": str(self.provider.per_minute)}
        per_credit = {"CANDLES_PER_CREDIT": str(self.provider.candles_per_credit)}
        day = {"CREDITS_PER_DAY": str(self.provider.per_day)}
        self.settings = FeedSettings.read({**given, **symbols, **per_credit, **day, **self.environment})
        self.start()

    def start(self) -> None:
        """As a new process begins: it knows nothing of what was."""
        self.stop = StopSignal()
        pauses = Pauses(self.clock, self.stop)
        self.told = Told(self.clock.now)
        self.credits = Credits(self.settings.credits_per_minute, self.settings.credits_per_day, self.clock.now)
        self.feed = TwelveData(
            self.settings, self.settings.candle_delay, self.patience, pauses, self.credits, self.told
        )
        self.filling = Filling(
            self.feed,
            lambda: cast(Sender, self.topics),
            self.topics.newest,
            self.settings.warm_candles,
            pauses,
            self.told,
        )
        pace = Pace(self.credits, len(self.settings.symbols))
        delay = self.settings.candle_delay
        self.live = Live(self.filling, self.settings.symbols, delay, pace, pauses, self.told)

    @property
    def symbols(self) -> Sequence[str]:
        return self.settings.symbols

    def as_given(self, symbol: str) -> bool:
        """Whether each candle in the topic is there once, in order, as the provider gives it in the end, and no gap."""
        found = self.topics.fields(symbol)
        known = [(at, dict(fields)) for at, fields in self.provider.candles(symbol)]
        times = [at for at, _ in known]
        first = times.index(found[0][0]) if found else 0
        return found == known[first : first + len(found)]


@contextmanager
def feeding(provider: Provider, **more: Any) -> Iterator[Feeding]:
    """A feed whose provider answers."""
    with standing_in(provider) as url:
        made = Feeding(provider, url, provider.clock, **more)
        try:
            yield made
        finally:
            made.feed.close()
