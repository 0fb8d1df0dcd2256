"""Whether there is a session, and when its day ends, by the market's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from market.clock import Clock
from orchestration.session import Closed, end_of_day

TAIL = timedelta(minutes=3)


def clock(began: str, speed: float = 1.0) -> Clock:
    """One that says so now."""
    at = datetime.fromisoformat(began).replace(tzinfo=UTC).timestamp()
    return Clock(at, datetime.now(UTC).timestamp(), speed)


def minutes_of_day(began: str, samples: int | None = None) -> float:
    ends = end_of_day("XNYS", clock(began), TAIL, samples)
    return round((ends - datetime.now(UTC)).total_seconds() / 60, 1)


@pytest.mark.parametrize(
    ("began", "minutes"),
    [
        ("2026-11-25T14:15:00", 6.75 * 60 + 3),  # a quarter of an hour before the opening
        ("2026-11-25T18:00:00", 3 * 60 + 3),  # begun in mid-day
        ("2026-11-27T14:15:00", 3.75 * 60 + 3),  # the Friday after Thanksgiving
        ("2026-03-06T14:15:00", 6.75 * 60 + 3),  # the last Friday of winter time
        ("2026-03-09T13:15:00", 6.75 * 60 + 3),  # the first Monday of summer time
        ("2026-10-30T13:15:00", 6.75 * 60 + 3),  # the last Friday of summer time
        ("2026-11-02T14:15:00", 6.75 * 60 + 3),  # the first Monday of winter time
    ],
)
def test_a_day_ends_some_minutes_after_the_close(began: str, minutes: float) -> None:
    assert minutes_of_day(began) == minutes


@pytest.mark.parametrize(
    ("began", "opens"),
    [
        ("2026-11-26T15:00:00", "2026-11-27 14:30"),  # Thanksgiving
        ("2026-11-28T15:00:00", "2026-11-30 14:30"),  # a Saturday
        ("2026-11-27T18:00:00", "2026-11-30 14:30"),  # after the close of a half day
        ("2026-12-31T21:00:00", "2027-01-04 14:30"),  # over the turn of the year
        ("2026-11-25T08:29:00", "2026-11-25 14:30"),  # more than six hours too early
    ],
)
def test_a_closed_exchange_says_when_it_opens_again(began: str, opens: str) -> None:
    with pytest.raises(Closed, match=f"XNYS is closed: it opens again at {opens} UTC"):
        minutes_of_day(began)


@pytest.mark.parametrize(
    ("began", "samples", "minutes"),
    [("2026-11-25T14:15:00", 30, 15 + 30 + 3), ("2026-11-25T18:00:00", 30, 30 + 3), ("2026-11-25T20:50:00", 30, 13)],
)
def test_a_number_of_samples_ends_it_sooner_but_never_later(began: str, samples: int, minutes: float) -> None:
    assert minutes_of_day(began, samples) == minutes


def test_a_rehearsal_lasts_as_long_as_its_clock_says() -> None:
    ends = end_of_day("XNYS", clock("2026-11-27T14:15:00", speed=60), TAIL)
    assert (ends - datetime.now(UTC)).total_seconds() == pytest.approx(228, abs=1)
