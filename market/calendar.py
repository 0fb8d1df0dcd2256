"""When an exchange is open: holidays, half days and the change to summer time and back are known.

    calendar = Calendar("XNYS")
    calendar.session(date(2026, 11, 27))    # the Friday after Thanksgiving: 14:30 to 18:00 UTC
    calendar.session(date(2026, 12, 25))    # None
    calendar.next(datetime.now(UTC))        # the session that goes on, or the next one

Knowledge of the exchanges takes seconds to load, and is loaded when something is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from pipeline.runtime.errors import Fatal

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar  # type: ignore[import-untyped]
    from pandas import Timestamp

LONGEST_PAUSE: Final = timedelta(days=31)
"""Within which an exchange opens again."""
_MARGIN: Final = timedelta(days=40)


class Session(NamedTuple):
    """A day on which the exchange is open. `opens`, `closes`: UTC; the minute that begins at `closes` is not of it."""

    day: date
    opens: datetime
    closes: datetime


class Calendar:
    """An exchange's sessions. `name`: as exchange_calendars has it: XNYS, XLON, or 24/7 for one that never closes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def session(self, day: date) -> Session | None:
        """The session of a day, as the exchange dates it; None where it is closed. Raises `Fatal` for no exchange."""
        return next(iter(self.sessions(day, day)), None)

    def sessions(self, first: date, last: date) -> list[Session]:
        """Those of the days from `first` to `last`, both included. Raises `Fatal`."""
        return [session for year in range(first.year, last.year + 1) for session in self._of(year, first, last)]

    def next(self, moment: datetime) -> Session:
        """The session that goes on at a moment, or the next one. Raises `Fatal`."""
        utc = moment.astimezone(UTC)
        first = utc.date() - timedelta(days=1)  # which may close after midnight
        coming = self.sessions(first, first + LONGEST_PAUSE)
        found = next((session for session in coming if session.closes > utc), None)
        if found is None:
            raise Fatal(f"{self.name} does not open within {LONGEST_PAUSE.days} days of {utc:%Y-%m-%d}")
        return found

    def _of(self, year: int, first: date, last: date) -> Iterator[Session]:
        """Those of one year, so that it is computed once."""
        begin, end = max(first, date(year, 1, 1)), min(last, date(year, 12, 31))
        schedule = _calendar(self.name, year).schedule.loc[f"{begin}" : f"{end}", ["open", "close"]]
        for day, opens, closes in schedule.itertuples():
            yield Session(day.date(), _utc(opens), _utc(closes))


def _utc(moment: Timestamp) -> datetime:
    return moment.to_pydatetime().astimezone(UTC)


@lru_cache(maxsize=8)
def _calendar(name: str, year: int) -> ExchangeCalendar:
    from exchange_calendars import get_calendar
    from exchange_calendars.errors import CalendarError  # type: ignore[import-untyped]

    try:
        return get_calendar(name, start=str(date(year, 1, 1) - _MARGIN), end=str(date(year, 12, 31) + _MARGIN))
    except (CalendarError, ValueError) as error:
        raise Fatal(f"MARKET_CALENDAR {name}: {str(error).splitlines()[0]}") from None
