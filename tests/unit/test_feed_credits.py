"""What a plan allows is never overdrawn, in whichever minute the provider counts."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from random import Random

import pytest

from market.feed.credits import NEVER, Credits
from market.feed.pace import Pace
from tests.market.feeding import ByHand, by_hand

MORNING = datetime(2023, 8, 25, 13, 30, tzinfo=UTC)


def spend(credits: Credits, clock: ByHand, cost: int, answer: float = 0.0) -> float:
    """Wait until it may be spent, and spend it; the seconds that were waited."""
    wait = credits.wait(cost)
    clock.moved(wait)
    assert credits.wait(cost) == 0
    clock.moved(answer)
    credits.spent(cost)
    return wait


def test_credits_come_back_a_minute_after_the_answer() -> None:
    clock = by_hand(MORNING)
    credits = Credits(8, 0, clock.now)
    assert spend(credits, clock, 5, answer=2) == 0
    assert spend(credits, clock, 3, answer=0) == 0
    clock.moved(20)
    assert credits.wait(5) == 40
    assert credits.wait(6) == 40  # 5 and 3 were answered at once, and come back together
    clock.moved(40)
    assert credits.wait(8) == 0


@pytest.mark.parametrize("seed", range(20))
def test_no_minute_wherever_it_begins_sees_more_than_the_plan_allows(seed: int) -> None:
    random, clock = Random(seed), by_hand(MORNING)
    credits = Credits(8, 0, clock.now)
    seen: list[tuple[float, int]] = []
    for _ in range(300):
        cost = random.randint(1, 8)
        clock.moved(random.choice([0, 0, 0.5, 30]) + credits.wait(cost))
        clock.moved(credits.wait(cost))
        sent, took = clock.now(), random.choice([0.01, 3, 20])
        seen.append((sent + random.random() * took, cost))  # where the provider counts it
        clock.moved(took)
        credits.spent(cost)
    for at, _ in seen:
        assert sum(cost for other, cost in seen if at <= other < at + 60) <= 8


def test_a_day_has_an_end_and_begins_anew_at_midnight_utc() -> None:
    clock = by_hand(datetime(2023, 8, 25, 23, 58, tzinfo=UTC))
    credits = Credits(8, 10, clock.now)
    spend(credits, clock, 8)
    assert (credits.left_today, credits.wait(3)) == (2, NEVER)
    clock.moved(121)
    assert (credits.left_today, credits.wait(8)) == (10, 0)


def test_what_others_use_of_the_same_key_counts() -> None:
    clock = by_hand(MORNING)
    credits = Credits(8, 100, clock.now)
    credits.used(3, 95)
    assert (credits.wait(5), credits.wait(6)) == (0, NEVER)
    credits.spent(1, left=1)
    assert credits.wait(1) == 0
    assert credits.wait(2) == 60


def test_a_provider_that_says_no_is_believed() -> None:
    clock = by_hand(MORNING)
    credits = Credits(8, 100, clock.now)
    credits.exhausted()
    assert credits.wait(1) == 60
    credits.day_is_over()
    assert (credits.wait(1), credits.left_today) == (NEVER, 0)


def test_where_credits_suffice_every_symbol_is_due_every_minute() -> None:
    clock = by_hand(MORNING)
    pace = Pace(Credits(55, 0, clock.now), 50)
    assert [pace.due(left) for left in range(390, 0, -1)] == [50] * 390
    assert pace.minutes(390) == 1


@pytest.mark.parametrize(("symbols", "per_minute", "per_day"), [(8, 8, 800), (2, 8, 800), (50, 8, 800), (3, 8, 1170)])
def test_the_day_s_credits_last_until_its_end(symbols: int, per_minute: int, per_day: int) -> None:
    clock = by_hand(MORNING)
    credits = Credits(per_minute, per_day, clock.now)
    pace = Pace(credits, symbols)
    due = []
    for left in range(389, 0, -1):
        due.append(pace.due(left))
        credits.spent(due[-1])
        clock.moved(60)
    spent = sum(due)
    assert spent <= per_day - symbols  # the last call of the day is kept for
    assert spent >= min(389 * min(symbols, per_minute), per_day - symbols - 2 * per_minute)
    gaps = [after - before for before, after in pairwise(minute for minute, one in enumerate(due) if one)]
    assert max(gaps) - min(gaps) <= 1 + max(gaps) // 2, "some minutes wait far longer than others"
