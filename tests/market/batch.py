"""A second implementation: the figures of a whole history at once, each written as one would explain it.

It shares nothing with `market`; it takes candles as plain dictionaries, in order of time.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

Row = Mapping[str, Any]
Document = dict[str, Any]

PERIODS = (12, 16, 26, 30, 200)


def documents(history: Sequence[Row], zone: str = "America/New_York", fast: int = 12, slow: int = 26) -> list[Document]:
    """A document per candle: `at` (naive, UTC), open, high, low, close, volume, maybe with a fraction."""
    closes = pd.Series([row["close"] for row in history], dtype="float64")
    average = {period: _ema(closes, period) for period in {*PERIODS, fast, slow}}
    macd = average[fast] - average[slow]
    signal = _ema(macd, 9)
    days = [row["at"].replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date() for row in history]
    found: list[Document] = []
    for index, row in enumerate(history):
        found.append(
            {
                "_id": row["at"],
                **{name: row[name] for name in ("open", "high", "low", "close")},
                "volume": int(row["volume"] + 0.5),
                **{f"ema_{period}": float(average[period].iloc[index]) for period in PERIODS},
                "macd": float(macd.iloc[index]),
                "signal": float(signal.iloc[index]),
                "sma_20": statistics.fmean(closes[index - 19 : index + 1]) if index >= 19 else None,
                "resistance": _fifth([one["high"] for one in history[max(0, index - 6) : index + 1]], max),
                "support": _fifth([one["low"] for one in history[max(0, index - 6) : index + 1]], min),
                "rsi_14": _rsi(history[: index + 1]),
                **_bands(closes[index - 19 : index + 1].tolist() if index >= 19 else []),
                "vwap": _vwap(
                    [one for one, day in zip(history[: index + 1], days, strict=False) if day == days[index]]
                ),
                "atr_14": _atr(history[: index + 1]),
            }
        )
    return found


def _ema(values: pd.Series[float], period: int) -> pd.Series[float]:
    return values.ewm(span=period, adjust=False).mean()


def _fifth(values: Sequence[float], best: Any) -> float:
    return values[4] if len(values) == 7 and values.index(best(values)) == 4 else 0.0


def _smoothed(values: Sequence[float]) -> float:
    mean = sum(values[:14]) / 14
    for value in values[14:]:
        mean = (13 * mean + value) / 14
    return mean


def _rsi(history: Sequence[Row]) -> float | None:
    changes = [after["close"] - before["close"] for before, after in pairwise(history)]
    if len(changes) < 14:
        return None
    up, down = _smoothed([max(change, 0) for change in changes]), _smoothed([max(-change, 0) for change in changes])
    return 100 - 100 / (1 + up / down) if down else (100.0 if up else None)


def _atr(history: Sequence[Row]) -> float | None:
    ranges = [
        max(after["high"] - after["low"], abs(after["high"] - before["close"]), abs(after["low"] - before["close"]))
        for before, after in pairwise(history)
    ]
    return _smoothed(ranges) if len(ranges) >= 14 else None


def _bands(closes: Sequence[float]) -> Document:
    if not closes:
        return {"bollinger_upper": None, "bollinger_lower": None}
    mean, width = statistics.fmean(closes), 2 * statistics.pstdev(closes)
    return {"bollinger_upper": mean + width, "bollinger_lower": mean - width}


def _vwap(session: Sequence[Row]) -> float | None:
    volume = sum(row["volume"] for row in session)
    paid = sum((row["high"] + row["low"] + row["close"]) / 3 * row["volume"] for row in session)
    return float(paid / volume) if volume else None


def difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first figure in which two documents differ by more than 1e-9 of it, or nothing."""
    if set(found) != set(wanted):
        return f"fields {set(found) ^ set(wanted)}"
    for name, value in wanted.items():
        other = found[name]
        if isinstance(value, float) and isinstance(other, float):
            if abs(other - value) > 1e-9 * max(1.0, abs(value)):
                return f"{name} of {wanted['_id']}: {other!r}, not {value!r}"
        elif other != value:
            return f"{name} of {wanted['_id']}: {other!r}, not {value!r}"
    return ""


def moment(text: str) -> datetime:
    """A naive moment, as documents have it."""
    return datetime.fromisoformat(text)
