"""Whether there is a session to stream, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from market.calendar import Calendar
from market.clock import Clock

EARLIEST: Final = timedelta(hours=6)
"""So long before the opening a day may be begun by hand."""


class Closed(Exception):
    """There is no session now, nor soon; the text says when the next one is."""


def end_of_day(calendar: str, clock: Clock, stop_after: timedelta, samples: int | None = None) -> datetime:
    """The moment, in the system's time, at which the stream of the session that goes on, or is about to, is stopped.

    `stop_after`: from the close. `samples`: minutes to stream, where that is to be less than the session. Raises
    `Closed`, `Fatal`.
    """
    now = clock.moment()
    session = Calendar(calendar).next(now)
    if session.opens - now > EARLIEST:
        raise Closed(f"{calendar} is closed: it opens again at {session.opens:%Y-%m-%d %H:%M} UTC")
    ends = session.closes
    if samples is not None:
        ends = min(ends, max(now, session.opens) + timedelta(minutes=samples))
    seconds = clock.lasts((ends + stop_after - now).total_seconds())
    return datetime.now(UTC) + timedelta(seconds=seconds)
