"""When days are begun: by the exchange's calendar, whatever day it is today."""

from __future__ import annotations

from datetime import datetime

import pendulum
import pytest
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction

from orchestration import timetable
from orchestration.timetable import TradingDays

EVER = TimeRestriction(earliest=pendulum.datetime(2026, 1, 1), latest=None, catchup=False)


def at(text: str) -> pendulum.DateTime:
    return pendulum.instance(datetime.fromisoformat(f"{text}+00:00"))


def begun(text: str, hours: float) -> DagRunInfo:
    """A run that begins then and goes on to the close."""
    return DagRunInfo(run_after=at(text), data_interval=DataInterval(at(text), at(text).add(hours=hours)))


def following(
    now: str, monkeypatch: pytest.MonkeyPatch, last: DataInterval | None = None, restriction: TimeRestriction = EVER
) -> DagRunInfo | None:
    monkeypatch.setattr(timetable, "now", lambda: at(now))
    days = TradingDays("XNYS", 15)
    return days.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)


@pytest.mark.parametrize(
    ("now", "begin", "hours"),
    [
        ("2026-03-06T12:00", "2026-03-06T14:15", 6.75),  # the last Friday of winter time
        ("2026-03-07T12:00", "2026-03-09T13:15", 6.75),  # the first Monday of summer time
        ("2026-10-30T12:00", "2026-10-30T13:15", 6.75),  # the last Friday of summer time
        ("2026-10-31T12:00", "2026-11-02T14:15", 6.75),  # the first Monday of winter time
        ("2026-11-26T12:00", "2026-11-27T14:15", 3.75),  # Thanksgiving, and the half day after it
        ("2026-11-28T12:00", "2026-11-30T14:15", 6.75),  # a weekend
        ("2026-12-24T19:00", "2026-12-28T14:15", 6.75),  # Christmas on a Friday
        ("2026-12-31T22:00", "2027-01-04T14:15", 6.75),  # the turn of the year
        ("2027-07-02T21:00", "2027-07-06T13:15", 6.75),  # a holiday that is kept a day later
    ],
)
def test_a_day_begins_before_the_opening_and_ends_with_the_close(
    now: str, begin: str, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert following(now, monkeypatch) == begun(begin, hours)


def test_every_day_of_two_years_follows_the_one_before_beyond_the_end_of_the_usual_calendar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library's own calendar ends a year after it was loaded."""
    found: list[DagRunInfo] = []
    last: DataInterval | None = None
    while not found or found[-1].run_after < at("2029-01-01T00:00"):
        now = found[-1].run_after if found else at("2027-01-01T12:00")
        info = following(f"{now:YYYY-MM-DD}T{now:HH:mm}", monkeypatch, last)
        assert info is not None
        last = info.data_interval
        found.append(info)
    begins = [info.run_after for info in found]
    assert begins == sorted(set(begins))
    assert len([begin for begin in begins if begin.year == 2027]) == 251
    assert len([begin for begin in begins if begin.year == 2028]) == 251
    assert {begin.in_timezone("America/New_York").format("HH:mm") for begin in begins} == {"09:15"}
    assert not [begin for begin in begins if begin.weekday() > 4]


def test_a_scheduler_that_comes_back_in_mid_day_begins_the_day_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    friday = begun("2026-11-20T14:15", 6.75).data_interval
    assert following("2026-11-25T18:00", monkeypatch, friday) == begun("2026-11-25T14:15", 6.75)


def test_a_scheduler_that_was_only_started_anew_does_not_begin_it_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    today = begun("2026-11-25T14:15", 6.75).data_interval
    assert following("2026-11-25T18:00", monkeypatch, today) == begun("2026-11-27T14:15", 3.75)


@pytest.mark.parametrize("catchup", [True, False])
def test_days_that_are_over_are_not_made_up_for(catchup: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    spring = begun("2026-03-06T14:15", 6.75).data_interval
    restriction = EVER._replace(catchup=catchup)
    assert following("2026-11-28T12:00", monkeypatch, spring, restriction) == begun("2026-11-30T14:15", 6.75)
    assert following("2026-11-28T12:00", monkeypatch, None, restriction) == begun("2026-11-30T14:15", 6.75)


def test_none_begins_before_the_first_or_after_the_last_day_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    late = EVER._replace(earliest=at("2026-11-25T14:20"))
    assert following("2026-11-24T22:00", monkeypatch, None, late) == begun("2026-11-27T14:15", 3.75)
    ended = EVER._replace(latest=at("2026-11-27T12:00"))
    assert following("2026-11-26T12:00", monkeypatch, None, ended) is None


def test_a_market_that_never_closes_has_a_day_each_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "now", lambda: at("2026-11-28T12:00"))
    days = TradingDays("24/7", 0)
    first = days.next_dagrun_info(last_automated_data_interval=None, restriction=EVER)
    assert first == begun("2026-11-28T00:00", 24)
    second = days.next_dagrun_info(last_automated_data_interval=first.data_interval, restriction=EVER)
    assert second == begun("2026-11-29T00:00", 24)


def test_it_comes_back_the_same_from_airflows_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "now", lambda: at("2026-11-28T12:00"))
    days = decode_timetable(encode_timetable(TradingDays("XLON", 30)))
    assert isinstance(days, TradingDays)
    assert days.summary == "XLON days"
    info = days.next_dagrun_info(last_automated_data_interval=None, restriction=EVER)
    assert info is not None
    assert info.run_after == at("2026-11-30T07:30")
