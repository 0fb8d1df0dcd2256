"""Trades of a day as the exchange's feed sends them, all to one topic as CSV: the same bytes for the same seed.

At the rates that are chosen they come out of order, too late, again, and broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Final, NamedTuple

from producers.made import Due, Made, in_order
from producers.odd_candles import TEXT_BYTES

TOPIC: Final = "stocks"
WATERMARK: Final = 5.0
"""Seconds behind the newest trade after which a service closes windows."""
LATE: Final = 12.0
"""Seconds behind the newest trade: too late for every window."""
END_OF_TIME: Final = 253_402_300_799_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


class Trade(NamedTuple):
    """`at`: ms since the epoch."""

    name: str
    side: str
    price: str
    quantity: str
    at: int

    def written(self) -> str:
        """As the feed writes it, with the time for people, which is UTC here."""
        people = str(_EPOCH + self.at * _MS)[:23].removesuffix("+00:00")
        return f"{self.name},{self.side},{self.price},{self.quantity},{self.at},{people}"


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong. `shuffled`: seconds by which a trade may be overtaken; the rest are shares of the trades.

    `late`: come some `LATE` seconds late. `repeated`: come again, which is another trade to those who read. `broken`:
    cannot be read, and stand beside the good ones. `short`: lack the time for people.
    """

    shuffled: float = 4.0
    late: float = 0.0
    repeated: float = 0.0
    broken: float = 0.0
    short: float = 0.1


def milliseconds(moment: datetime) -> int:
    """Since the epoch."""
    return (moment - _EPOCH) // _MS


def trades(
    seed: int, names: Sequence[str], begin: datetime, seconds: float, per_second: float, mishaps: Mishaps = Mishaps()
) -> Iterator[Made]:
    """Trades of so many seconds of event time from `begin` on, `per_second` for each name.

    A name's do not depend on the other names.
    """
    return in_order(
        _Stock(Random(f"trades {seed} {name}"), name, mishaps).sent(milliseconds(begin), seconds, per_second)
        for name in names
    )


def late_demonstration(name: str, begin: datetime) -> tuple[Made, Made, Made]:
    """A trade, one 20 s later, which closes the first one's windows, and one that comes 12 s late for all of its own.

    The third has to be sent once the second is in effect: a batch knows only of the batches before it how late it is.
    """
    at = milliseconds(begin) // 10_000 * 10_000
    first = Trade(name, "BUY ", "10.00", "100", at + 2_000)
    moving = Trade(name, "SELL", "11.00", "100", at + 20_000)
    late = Trade(name, "BUY ", "9999.00", "100", at + 20_000 - int(LATE * 1000))
    return _made(first, "trade"), _made(moving, "closing"), _made(late, "late")


def _made(trade: Trade, kind: str) -> Made:
    return Made(TOPIC, trade.name.encode(), trade.written().encode(), kind)


class _Stock:
    def __init__(self, random: Random, name: str, mishaps: Mishaps) -> None:
        self._random, self._name, self._mishaps = random, name, mishaps
        self._price = random.uniform(20, 400)
        self._numbers = count()

    def sent(self, begin: int, seconds: float, per_second: float) -> Iterator[Due]:
        draw, mishaps = self._random.random, self._mishaps
        passed = self._random.expovariate(per_second)
        while passed < seconds:
            trade = self._trade(begin + int(passed * 1000))
            late = draw() < mishaps.late
            place = passed + (WATERMARK + LATE * (1 + draw()) if late else draw() * mishaps.shuffled)
            text = trade.written() if draw() >= mishaps.short else trade.written().rpartition(",")[0]
            made = Made(TOPIC, self._name.encode(), text.encode(), "late" if late else "trade")
            yield Due(place, next(self._numbers), made)
            if draw() < mishaps.repeated:
                yield Due(place, next(self._numbers), made._replace(kind="late" if late else "repeat"))
            if draw() < mishaps.broken:
                _, change = BROKEN[int(draw() * len(BROKEN))]
                yield Due(place, next(self._numbers), Made(TOPIC, None, change(trade), "broken"))
            passed += self._random.expovariate(per_second)

    def _trade(self, at: int) -> Trade:
        self._price = max(self._price * self._random.gauss(1, 0.0004), 0.5)
        side = "SELL" if self._random.random() < 0.5 else "BUY "
        quantity = max(1, int(self._random.lognormvariate(4, 1)))
        return Trade(self._name, side, f"{self._price:.2f}", str(quantity), at)


def _with(**changes: str | int) -> Callable[[Trade], bytes]:
    return lambda trade: trade._replace(**changes).written().encode()  # type: ignore[arg-type]


def _of_columns(change: Callable[[list[str]], list[str]]) -> Callable[[Trade], bytes]:
    return lambda trade: ",".join(change(trade.written().split(","))).encode()


BROKEN: Final[tuple[tuple[str, Callable[[Trade], bytes | None]], ...]] = (
    ("no value", lambda _: None),
    ("empty", lambda _: b""),
    ("not UTF-8", lambda trade: b"\xff\xfe" + trade.written().encode()),
    ("JSON", lambda trade: b'{"name": "%s"}' % trade.name.encode()),
    ("a long text", lambda _: b"x" * TEXT_BYTES),
    ("four columns", _of_columns(lambda columns: columns[:4])),
    ("seven columns", _of_columns(lambda columns: [*columns, "more"])),
    ("quoted", _of_columns(lambda columns: [f'"{column}"' for column in columns])),
    ("no name", _with(name="")),
    ("a blank name", _with(name="  ")),
    ("side in small letters", _with(side="sell")),
    ("another side", _with(side="HOLD")),
    ("no side", _with(side="")),
    ("price NaN", _with(price="NaN")),
    ("price infinite", _with(price="Infinity")),
    ("price 1e400", _with(price="1e400")),
    ("no price", _with(price="")),
    ("price negative", _with(price="-0.01")),
    ("price of words", _with(price="ten")),
    ("quantity NaN", _with(quantity="NaN")),
    ("quantity negative", _with(quantity="-1")),
    ("no quantity", _with(quantity="")),
    ("no time", _of_columns(lambda columns: [*columns[:4], "", columns[5]])),
    ("a time of words", _of_columns(lambda columns: [*columns[:4], columns[5], columns[4]])),
    ("year 9999", _of_columns(lambda columns: [*columns[:4], str(END_OF_TIME)])),
)
"""Names of what is wrong, and how it is written."""
