"""What is computed of candles in order of time: one step of each recursion, and the figures of a document.

All in double, in one order of operations, so that it does not matter when a step is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from market.candle import Candle

SIGNAL_PERIOD: Final = 9
SMA_PERIOD: Final = 20
LEVEL_PERIOD: Final = 7
LEVEL_PLACE: Final = 4
"""Of the candles of LEVEL_PERIOD, from 0: the one that may be a support or a resistance."""
WILDER_PERIOD: Final = 14
BAND_WIDTH: Final = 2
WINDOW: Final = SMA_PERIOD
"""Most candles, the newest included, that a figure looks at beside what a `Step` carries."""

RSI: Final = "rsi"
BOLLINGER: Final = "bollinger"
VWAP: Final = "vwap"
ATR: Final = "atr"
TRENDS: Final = (RSI, BOLLINGER, VWAP, ATR)
FORMULAS: Final = 1
"""Raised where a figure is computed in another way, or one is added: every document is then computed anew."""

Figure = float | None


class Plan(msgspec.Struct, frozen=True):
    """Which figures a document has."""

    ema_periods: tuple[int, ...] = (12, 16, 26, 30, 200)
    macd_fast: int = 12
    macd_slow: int = 26
    trends: tuple[str, ...] = TRENDS

    @property
    def periods(self) -> tuple[int, ...]:
        """Of every EMA that is computed, those that only MACD needs last."""
        return tuple(dict.fromkeys((*self.ema_periods, self.macd_fast, self.macd_slow)))


class Step(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the recursions carry from one candle to the next.

    `count`: candles so far. `gain`, `loss`, `range`: Wilder's means of rises, falls and true ranges; sums of them while
    there are fewer than his period. `paid`, `traded`: sums since `session` began, of typical price × volume and of
    volume.
    """

    count: int
    emas: tuple[float, ...]
    macd: float
    signal: float
    gain: float
    loss: float
    range: float
    session: int
    paid: float
    traded: float


def step(plan: Plan, before: Step | None, previous: Candle | None, candle: Candle) -> Step:
    """The step of a candle; `before` and `previous`: step and candle of the one before it, None for the first."""
    typical = (candle.high + candle.low + candle.close) / 3
    paid = typical * candle.traded
    if before is None or previous is None:
        emas = (candle.close,) * len(plan.periods)
        macd = _macd(plan, emas)
        return Step(1, emas, macd, macd, 0.0, 0.0, 0.0, candle.session, paid, candle.traded)
    close = candle.close
    emas = tuple(_ema(period, was, close) for period, was in zip(plan.periods, before.emas, strict=True))
    macd = _macd(plan, emas)
    change = close - previous.close
    changes = before.count
    same = before.session == candle.session
    return Step(
        before.count + 1,
        emas,
        macd,
        _ema(SIGNAL_PERIOD, before.signal, macd),
        _wilder(changes, before.gain, max(change, 0.0)),
        _wilder(changes, before.loss, max(-change, 0.0)),
        _wilder(changes, before.range, max(candle.high, previous.close) - min(candle.low, previous.close)),
        candle.session,
        before.paid + paid if same else paid,
        before.traded + candle.traded if same else candle.traded,
    )


def figures(plan: Plan, window: Sequence[Candle], at: Step) -> dict[str, Figure]:
    """The figures of the last candle of `window`, which holds WINDOW candles, or all where there are fewer yet."""
    found: dict[str, Figure] = {
        f"ema_{period}": value for period, value in zip(plan.ema_periods, at.emas, strict=False)
    }
    closes = [candle.close for candle in window[-SMA_PERIOD:]]
    mean = sum(closes) / SMA_PERIOD if len(closes) == SMA_PERIOD else None
    found |= {"macd": at.macd, "signal": at.signal, f"sma_{SMA_PERIOD}": mean}
    found |= _levels(window[-LEVEL_PERIOD:])
    for trend in plan.trends:
        found |= _trend(trend, closes, mean, at)
    return found


def _macd(plan: Plan, emas: tuple[float, ...]) -> float:
    periods = plan.periods
    return emas[periods.index(plan.macd_fast)] - emas[periods.index(plan.macd_slow)]


def _ema(period: int, was: float, value: float) -> float:
    weight = 2 / (period + 1)
    return weight * value + (1 - weight) * was


def _wilder(number: int, was: float, value: float) -> float:
    """With value `number`, from 1: the sum before there are as many as his period, their mean then, smoothed after."""
    if number > WILDER_PERIOD:
        return (was * (WILDER_PERIOD - 1) + value) / WILDER_PERIOD
    return (was + value) / WILDER_PERIOD if number == WILDER_PERIOD else was + value


def _levels(window: Sequence[Candle]) -> dict[str, Figure]:
    if len(window) < LEVEL_PERIOD:
        return {"resistance": 0.0, "support": 0.0}
    highs = [candle.high for candle in window]
    lows = [candle.low for candle in window]
    highest, lowest = max(highs), min(lows)
    return {
        "resistance": highest if highs.index(highest) == LEVEL_PLACE else 0.0,
        "support": lowest if lows.index(lowest) == LEVEL_PLACE else 0.0,
    }


def _trend(trend: str, closes: Sequence[float], mean: float | None, at: Step) -> dict[str, Figure]:
    if trend == RSI:
        moved = at.gain + at.loss
        return {f"rsi_{WILDER_PERIOD}": 100 * at.gain / moved if at.count > WILDER_PERIOD and moved else None}
    if trend == ATR:
        return {f"atr_{WILDER_PERIOD}": at.range if at.count > WILDER_PERIOD else None}
    if trend == VWAP:
        return {"vwap": at.paid / at.traded if at.traded else None}
    if mean is None:
        return {"bollinger_upper": None, "bollinger_lower": None}
    width = BAND_WIDTH * math.sqrt(sum((close - mean) ** 2 for close in closes) / SMA_PERIOD)
    return {"bollinger_upper": mean + width, "bollinger_lower": mean - width}
