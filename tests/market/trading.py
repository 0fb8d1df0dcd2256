"""Days of trading, and candles written into a database as the service writes them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from market import candle_store
from market.candle_store import Arrival, CandleStore
from market.indicators import Plan
from tests.market.histories import NEW_YORK, Row, candle

OPEN = time(9, 30)
MINUTES = 390
LATENESS = 10


def days(seed: int, dates: Sequence[date], minutes: int = MINUTES, price: float = 178.0) -> list[Row]:
    """So many candles of each day from the opening in New York on, in order; prices in cents."""
    rng = random.Random(seed)
    rows: list[Row] = []
    for day in dates:
        at = datetime.combine(day, OPEN, NEW_YORK).astimezone(UTC).replace(tzinfo=None)
        for minute in range(minutes):
            row = after(rng, price, at + timedelta(minutes=minute))
            rows.append(row)
            price = row["close"]
    return rows


def after(rng: random.Random, price: float, at: datetime) -> Row:
    """One candle that begins where the one before has ended."""
    close = round(price * (1 + rng.gauss(0, 0.0006)), 2)
    high = round(max(price, close) + abs(rng.gauss(0, 0.04)), 2)
    low = round(min(price, close) - abs(rng.gauss(0, 0.04)), 2)
    return {"at": at, "open": price, "high": high, "low": low, "close": close, "volume": rng.randrange(1_000, 90_000)}


class Trading:
    """The service that writes; `send` is a batch of it."""

    def __init__(self, uri: str, name: str) -> None:
        candle_store._memory.clear()
        store = CandleStore(uri, name, NEW_YORK, Plan(), LATENESS)
        self._store = replace(store, epoch=store.states.next_epoch())
        self._offsets: Counter[str] = Counter()
        self._known: dict[str, int] = {}

    def send(self, batch: Mapping[str, Sequence[Row]]) -> None:
        """Candles by topic, in the order of arrival; they are in the database when this returns."""
        arrived = {
            topic: [Arrival(0, offset, candle(row)) for offset, row in enumerate(rows, self._offsets[topic])]
            for topic, rows in batch.items()
        }
        self._offsets.update({topic: len(rows) for topic, rows in batch.items()})
        done = self._store.take(arrived, self._known)
        self._known = {**self._known, **{topic: outcome.version for topic, outcome in done.items()}}
        assert not [outcome.letters for outcome in done.values() if outcome.letters]
