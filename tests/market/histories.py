"""Made-up histories of a symbol, and orders in which they may arrive."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from market.candle import Candle, session_of

Row = dict[str, Any]
NEW_YORK = ZoneInfo("America/New_York")
FIRST = datetime(2023, 8, 25, 19, 40)
"""20 minutes before New York's close, so that most histories hold two sessions."""


def history(rng: random.Random, length: int) -> list[Row]:
    """Candles in order: 20 minutes of a day, then the days after, of 390 minutes; prices in cents, some equal."""
    rows: list[Row] = []
    at, price = FIRST, 178.0
    for _ in range(length):
        opening, price = price, round(price + rng.choice((-0.07, -0.02, 0, 0, 0.01, 0.05)), 2)
        high = round(max(opening, price) + rng.choice((0, 0, 0.03)), 2)
        low = round(min(opening, price) - rng.choice((0, 0, 0.02)), 2)
        volume = rng.choice((0, rng.randrange(100_000), rng.randrange(100_000) + 0.25))
        rows.append({"at": at, "open": opening, "high": high, "low": low, "close": price, "volume": volume})
        at += timedelta(minutes=1)
        if (at.hour, at.minute) == (20, 0):
            at += timedelta(days=1) - timedelta(minutes=390)
    return rows


def changed(rng: random.Random, row: Row) -> Row:
    """The same minute with other figures."""
    return {**row, "high": round(row["high"] + rng.choice((0.01, 0.5)), 2), "volume": row["volume"] + 1}


def shuffled(rng: random.Random, rows: Sequence[Row], lateness: int) -> list[Row]:
    """Rows, in order of time (of one minute: the one that counts last), in an order of arrival that LATENESS allows.

    No row comes after more than `lateness` newer minutes; the rows of one minute stay in their order.
    """
    waiting = list(rows)
    found: list[Row] = []
    while waiting:
        newer = {row["at"] for row in found if row["at"] > waiting[0]["at"]}
        free = [row for place, row in enumerate(waiting) if not place or row["at"] != waiting[place - 1]["at"]]
        near = free[: 1 if len(newer) >= lateness else rng.choice((2, lateness + 1))]
        row = rng.choice(near)
        waiting.remove(row)
        found.append(row)
    return found


def candle(row: Row) -> Candle:
    """What is read of a row."""
    at = int(row["at"].replace(tzinfo=UTC).timestamp())
    opening, high, low, close = (row[name] for name in ("open", "high", "low", "close"))
    traded = float(row["volume"])
    return Candle(at, opening, high, low, close, int(traded + 0.5), traded, session_of(at, NEW_YORK))
