"""Candles of trading days as the bank's feed sends them, each symbol to its topic: the same bytes for the same seed.

Prices walk at random, volume is high in the morning and at the close. At the rates that are chosen candles come out of
order, too late, again, corrected, and broken (producers/odd_candles.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count, islice
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from market.symbols import topic_of
from producers.made import Due, Made, in_order
from producers.odd_candles import BROKEN, UNUSUAL

OPEN: Final = time(9, 30)
MINUTES: Final = 390
"""Of a trading day, which ends at 16:00."""
DETAINED: Final = 0.3
"""Share of the candles that are held up at all, where they are shuffled."""
NEW_YORK: Final = ZoneInfo("America/New_York")

Fields = dict[str, Any]


@dataclass(frozen=True)
class Disorder:
    """What goes wrong, in shares of the candles.

    `shuffled`: by how many newer candles of its symbol one may be overtaken. `late`: come after more than that.
    `repeated`: come again as they were. `corrected`: come again with other figures. `broken`: cannot be read, and stand
    beside the good ones. `unusual`: are written in another way that is right as well.
    """

    shuffled: int = 10
    late: float = 0.0
    repeated: float = 0.0
    corrected: float = 0.0
    broken: float = 0.0
    unusual: float = 0.0


def days_of(first: date, number: int) -> list[date]:
    """So many days from `first` on, Monday to Friday; holidays are not known here."""
    weekdays = (day for day in (first + timedelta(days=n) for n in count()) if day.weekday() < 5)
    return list(islice(weekdays, number))


def candles(
    seed: int, symbols: Sequence[str], days: Sequence[date], minutes: int = MINUTES, disorder: Disorder = Disorder()
) -> Iterator[Made]:
    """`minutes` candles of each day and symbol, symbols side by side. A symbol's do not depend on the other symbols."""
    sources = [_Symbol(Random(f"candles {seed} {symbol}"), symbol, disorder) for symbol in symbols]
    return in_order(source.sent(days, minutes) for source in sources)


class _Symbol:
    def __init__(self, random: Random, symbol: str, disorder: Disorder) -> None:
        self._random = random
        self._symbol, self._topic = symbol, topic_of(symbol)
        self._disorder = disorder
        self._price = random.uniform(20, 400)
        self._volume = random.uniform(5_000, 200_000)
        self._numbers = count()

    def sent(self, days: Sequence[date], minutes: int) -> Iterator[Due]:
        """Everything of this symbol."""
        draw = self._random.random
        for place, fields in enumerate(self._walk(days, minutes)):
            yield from self._candle(place, fields)
            if draw() < self._disorder.broken:
                broken = BROKEN[int(draw() * len(BROKEN))]
                yield self._due(place + draw(), broken.make(dict(fields), self._random), "broken", key=None)

    def _candle(self, place: int, fields: Fields) -> Iterator[Due]:
        draw, disorder = self._random.random, self._disorder
        reach = disorder.shuffled + 1 if disorder.shuffled else 0
        late = draw() < disorder.late
        at = place + (2 * reach + 1 + draw() * 5 if late else draw() * reach if draw() < DETAINED else 0)
        value = self._written(fields)
        yield self._due(at, value, "late" if late else "candle")
        if draw() < disorder.repeated:
            yield self._due(at + draw() * 3 * reach, value, "repeat")
        if not late and draw() < disorder.corrected:
            yield self._due(at + draw() * (place + reach - at), self._written(self._corrected(fields)), "correction")

    def _due(self, at: float, value: bytes | None, kind: str, key: str | None = "") -> Due:
        named = None if key is None else self._topic.encode()
        return Due(at, next(self._numbers), Made(self._topic, named, value, kind))

    def _walk(self, days: Sequence[date], minutes: int) -> Iterator[Fields]:
        for day in days:
            self._price *= self._random.gauss(1, 0.01)  # what happened overnight
            for minute in range(minutes):
                yield self._minute(datetime.combine(day, OPEN) + timedelta(minutes=minute), minute / MINUTES)

    def _minute(self, began: datetime, of_day: float) -> Fields:
        gauss = self._random.gauss
        opening = max(self._price * gauss(1, 0.0002), 0.5)
        closing = max(opening * gauss(1, 0.001), 0.5)
        high = max(opening, closing) * (1 + abs(gauss(0, 0.0005)))
        low = min(opening, closing) * (1 - abs(gauss(0, 0.0005)))
        busy = (0.4 + 1.6 * (2 * of_day - 1) ** 2) * self._random.lognormvariate(0, 0.4)
        self._price = closing
        prices = {"open": opening, "high": high, "low": low, "close": closing}
        written = {name: f"{price:.2f}" for name, price in prices.items()}
        return {"datetime": str(began), **written, "volume": str(int(self._volume * busy))}

    def _corrected(self, fields: Fields) -> Fields:
        """What an exchange sends afterwards: another close, within the candle or a new high or low, and more volume."""
        close = float(fields["close"]) * self._random.gauss(1, 0.001)
        high, low = max(float(fields["high"]), close), min(float(fields["low"]), close)
        volume = int(fields["volume"]) + self._random.randrange(1, 500)
        changed = {"close": f"{close:.2f}", "high": f"{high:.2f}", "low": f"{low:.2f}", "volume": str(volume)}
        return {**fields, **changed}

    def _written(self, fields: Fields) -> bytes:
        draw = self._random.random
        if draw() < self._disorder.unusual:
            fields = UNUSUAL[int(draw() * len(UNUSUAL))](dict(fields), self._symbol)
        return json.dumps(fields).encode()
