"""When a trading day begins: before each opening of an exchange, so never on a holiday, and half days end early.

A run's interval goes from its begin to the close. Whatever `catchup` says, no day is made up for once it is over: there
is nothing to stream then, and the next day's feed fetches what was missed. A scheduler that comes back while the
exchange is open begins the day at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from market.calendar import Calendar, Session


def now() -> datetime:
    """What time it is."""
    return datetime.now(UTC)


class TradingDays(Timetable):
    """`calendar`: an exchange, as exchange_calendars names it. `start_before`: minutes before it opens."""

    def __init__(self, calendar: str, start_before: int) -> None:
        self._calendar, self._start_before = calendar, start_before
        self.description = f"{start_before} minutes before each opening of {calendar}"

    @property
    def summary(self) -> str:
        """For the list of DAGs."""
        return f"{self._calendar} days"

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The session that goes on or comes next, and that had no run yet."""
        last = last_automated_data_interval.end if last_automated_data_interval else None
        earliest, latest = restriction.earliest, restriction.latest
        after = max(moment for moment in (now(), last, earliest) if moment)
        session = Calendar(self._calendar).next(after)
        if earliest and self._begin(session) < earliest:
            session = Calendar(self._calendar).next(session.closes)
        begin = self._begin(session)
        if latest and begin > latest:
            return None
        return DagRunInfo(run_after=begin, data_interval=DataInterval(begin, pendulum.instance(session.closes)))

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """Of a run by hand: it looks itself which session there is."""
        return DataInterval.exact(run_after)

    def serialize(self) -> dict[str, Any]:
        """What `deserialize` makes it from again."""
        return {"calendar": self._calendar, "start_before": self._start_before}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """The timetable that `serialize` told of."""
        return cls(data["calendar"], data["start_before"])

    def _begin(self, session: Session) -> pendulum.DateTime:
        return pendulum.instance(session.opens - timedelta(minutes=self._start_before))
