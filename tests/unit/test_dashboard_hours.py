from __future__ import annotations

from datetime import UTC, datetime

import pytest

from market.clock import Clock
from market.dashboard.hours import Opening
from market.dashboard.sessions import Around, around, found
from pipeline.runtime.errors import Fatal


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class Set(Clock):
    """A clock that is set."""

    def now(self) -> float:
        return self.began


def hours(text: str, patience: float = 180.0) -> tuple[bool, float, float]:
    known = Opening(lambda now: found("XNYS", now), Set(at(text)), patience).hours()
    return known.open, known.due, known.opens


@pytest.mark.parametrize(
    ("now", "is_open", "due", "opens"),
    [
        ("2026-11-25 20:59", True, "2026-11-25 20:59", "2026-11-25 14:30"),
        ("2026-11-25 21:00", False, "2026-11-25 21:00", "2026-11-27 14:30"),  # over Thanksgiving
        ("2026-11-27 14:31", True, "2026-11-25 21:00", "2026-11-27 14:30"),  # its first candle is under way
        ("2026-11-27 14:33", True, "2026-11-27 14:33", "2026-11-27 14:30"),
        ("2026-11-27 18:30", False, "2026-11-27 18:00", "2026-11-30 14:30"),  # a half day
        ("2026-03-09 13:30", True, "2026-03-06 21:00", "2026-03-09 13:30"),  # summer time has begun
    ],
)
def test_candles_are_due_until_now_while_it_is_open_and_until_the_close_after_it(
    now: str, is_open: bool, due: str, opens: str
) -> None:
    assert hours(now) == (is_open, at(due), at(opens))


def test_the_calendar_is_asked_once_until_the_session_ends() -> None:
    asked: list[float] = []

    def ask(now: float) -> Around:
        asked.append(now)
        return Around(0.0, 10.0, 20.0 * len(asked))

    opening = Opening(ask, Clock(began=0.0, since=0.0, speed=1e-12), 0.0)
    opening.hours(), opening.hours()
    assert len(asked) == 1
    later = Opening(ask, Set(30.0), 0.0)
    later.hours(), later.hours()
    assert len(asked) == 2


def test_a_process_of_its_own_is_asked_and_an_exchange_that_there_is_not_is_named() -> None:
    now = at("2026-11-27 15:00")
    assert around("XNYS", now) == found("XNYS", now)
    with pytest.raises(Fatal, match="MARKET_CALENDAR XMOON"):
        around("XMOON", now)
