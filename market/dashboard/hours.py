"""Whether the exchange is open, and up to when candles are due."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from market.clock import Clock
from market.dashboard.sessions import Around


class Hours(msgspec.Struct, frozen=True):
    """At one moment; all of them seconds since the epoch, at the market.

    `due`: candles that have ended by then should be there, but for the time that they take. `opens`: when the session
    began that goes on, or the next one begins.
    """

    now: float
    open: bool
    due: float
    opens: float


class Opening:
    """Knows the hours of any moment; for any thread. `around`: the sessions around a moment.

    `patience`: seconds after the opening until the first candle is due.
    """

    def __init__(self, around: Callable[[float], Around], clock: Clock, patience: float) -> None:
        self._around, self._clock, self._patience = around, clock, patience
        self._known = Around(0.0, 0.0, 0.0)
        self._asking = threading.Lock()

    def hours(self) -> Hours:
        """Of now. Raises `Fatal` where there is no such exchange."""
        now = self._clock.now()
        with self._asking:
            if now >= self._known.closes:
                self._known = self._around(now)
            known = self._known
        begun = now >= known.opens + self._patience
        return Hours(now, now >= known.opens, now if begun else min(known.closed, now), known.opens)
