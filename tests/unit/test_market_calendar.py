"""When the exchange is open: holidays, half days, and both changes of the clocks; and what time it is there."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from market.calendar import Calendar, Session
from market.clock import Clock
from market.settings import CalendarSettings
from pipeline.runtime.errors import Fatal
from pipeline.settings.errors import SettingsError

NEW_YORK = Calendar("XNYS")


def hours(day: date) -> str:
    session = NEW_YORK.session(day)
    return f"{session.opens:%H:%M} to {session.closes:%H:%M}" if session else "closed"


@pytest.mark.parametrize(
    ("day", "opens"),
    [
        (date(2026, 3, 6), "14:30 to 21:00"),
        (date(2026, 3, 9), "13:30 to 20:00"),  # summer time began on Sunday
        (date(2026, 10, 30), "13:30 to 20:00"),
        (date(2026, 11, 2), "14:30 to 21:00"),  # and ended
        (date(2026, 11, 26), "closed"),  # Thanksgiving
        (date(2026, 11, 27), "14:30 to 18:00"),
        (date(2026, 12, 24), "14:30 to 18:00"),
        (date(2026, 12, 25), "closed"),
        (date(2026, 7, 3), "closed"),  # Independence Day, on a Saturday
        (date(2026, 11, 28), "closed"),
    ],
)
def test_hours_are_those_of_the_exchange_in_utc(day: date, opens: str) -> None:
    assert hours(day) == opens


def test_the_next_session_is_the_one_that_goes_on_until_it_closes() -> None:
    friday = NEW_YORK.session(date(2026, 11, 27))
    assert friday is not None
    assert NEW_YORK.next(friday.opens - timedelta(days=1)) == friday
    assert NEW_YORK.next(friday.closes - timedelta(seconds=1)) == friday
    assert NEW_YORK.next(friday.closes).day == date(2026, 11, 30)
    assert NEW_YORK.next(datetime(2026, 12, 31, 22, tzinfo=UTC)).day == date(2027, 1, 4)


def test_sessions_go_on_over_the_turn_of_the_year_and_miss_none() -> None:
    days = [session.day for session in NEW_YORK.sessions(date(2026, 12, 23), date(2027, 1, 5))]
    assert [f"{day:%d}" for day in days] == ["23", "24", "28", "29", "30", "31", "04", "05"]


def test_a_market_that_never_closes_has_a_session_a_day() -> None:
    day = datetime(2026, 11, 28, tzinfo=UTC)
    assert Calendar("24/7").next(day) == Session(day.date(), day, day + timedelta(days=1))


def test_an_exchange_that_nobody_knows_is_said() -> None:
    with pytest.raises(Fatal, match="MARKET_CALENDAR NOWHERE"):
        Calendar("NOWHERE").session(date(2026, 11, 27))


def test_what_takes_seconds_to_load_is_not_loaded_with_the_module() -> None:
    loaded = "import sys, market.calendar; sys.exit('exchange_calendars' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0


def test_a_rehearsal_lies_anywhere_and_runs_faster() -> None:
    since = datetime.fromtimestamp(time.time() - 10, UTC)
    text = f"2026-11-25T14:30:00+00:00 {since.isoformat()} 60"
    clock = CalendarSettings.read({"MARKET_CLOCK": text}).market_clock
    passed = clock.moment() - datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
    assert timedelta(seconds=600) <= passed < timedelta(seconds=900)
    assert (clock.lasts(120), clock.lasts(-1)) == (2.0, 0.0)
    assert Clock.read(str(clock)) == clock


def test_without_one_the_time_is_the_system_s() -> None:
    settings = CalendarSettings.read({})
    assert settings.market_clock.now() == pytest.approx(time.time(), abs=1)
    assert str(settings.market_clock) == ""


@pytest.mark.parametrize("text", ["60", "now now 60", "2026-11-25 2026-11-28 0", "2026-11-25 2026-11-28 99999"])
def test_a_clock_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="MARKET_CLOCK is not a moment"):
        CalendarSettings.read({"MARKET_CLOCK": text})
