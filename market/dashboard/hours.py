"""Whether the exchange is open, and up to when candles are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from market.calendar import Calendar, Session
from market.clock import Clock

LONGEST_PAUSE: Final = timedelta(days=31)
"""Within which an exchange was open before."""


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
    """Knows the hours of any moment. `patience`: seconds after the opening until the first candle is due."""

    def __init__(self, calendar: Calendar, clock: Clock, patience: float) -> None:
        self._calendar, self._clock, self._patience = calendar, clock, patience
        self._session: Session | None = None
        self._closed = 0.0

    def hours(self) -> Hours:
        """Of now. Raises `Fatal` where there is no such exchange."""
        now = self._clock.now()
        session = self._session
        if session is None or now >= session.closes.timestamp():
            session = self._calendar.next(datetime.fromtimestamp(now, UTC))
            self._closed, self._session = self._before(session), session
        opens = session.opens.timestamp()
        return Hours(now, now >= opens, now if now >= opens + self._patience else min(self._closed, now), opens)

    def _before(self, session: Session) -> float:
        """When the session before that one has closed, or 0."""
        earlier = self._calendar.sessions(session.day - LONGEST_PAUSE, session.day - timedelta(days=1))
        return earlier[-1].closes.timestamp() if earlier else 0.0
