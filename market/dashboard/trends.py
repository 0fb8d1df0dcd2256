"""What may be drawn over the prices: lines that are figures of the documents, and their names for people."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from market.indicators import BOLLINGER, SMA_PERIOD, VWAP, Plan

_BANDS: Final = (f"{BOLLINGER}_upper", f"{BOLLINGER}_lower")
_EMA: Final = re.compile(r"ema_(\d+)", re.ASCII)


class Trend(msgspec.Struct, frozen=True):
    """One that may be chosen. `value`: its name in the address. `fields`: the figures that are its lines."""

    value: str
    label: str
    fields: tuple[str, ...]


USUAL: Final = (*(f"ema_{period}" for period in Plan().ema_periods), f"sma_{SMA_PERIOD}", *_BANDS, VWAP)
"""Figures of which the trends are offered before any document was seen."""


def trends(figures: Collection[str]) -> list[Trend]:
    """Those of which the figures are there, averages by their length first."""
    return list(_trends(figures))


def _trends(figures: Collection[str]) -> Iterator[Trend]:
    periods = sorted(int(found[1]) for figure in figures if (found := _EMA.fullmatch(figure)))
    for period in periods:
        yield Trend(f"ema_{period}", f"EMA {period}", (f"ema_{period}",))
    if (mean := f"sma_{SMA_PERIOD}") in figures:
        yield Trend(mean, f"SMA {SMA_PERIOD}", (mean,))
    if set(_BANDS) <= set(figures):
        yield Trend(BOLLINGER, "Bollinger", _BANDS)
    if VWAP in figures:
        yield Trend(VWAP, "VWAP", (VWAP,))
