"""What counts of a channel's harvests: the same, in whichever order and pieces they come."""

from __future__ import annotations

from random import Random

from channel_stats.harvest import Harvest
from channel_stats.latest import DAILY, MONTHLY, Count, Key, Latest

AT = 1_501_639_200
"""2017-08-02T02:00:00Z."""


def found(harvests: list[Harvest]) -> Latest:
    latest = Latest()
    for offset, harvest in enumerate(harvests):
        latest.harvested(DAILY, harvest, 0, offset)
    return latest


def test_days_and_months_are_those_of_utc() -> None:
    assert (DAILY.span(AT), MONTHLY.span(AT)) == ("2017-08-02", "2017-08")
    assert (DAILY.span(AT - 7201), MONTHLY.span(AT - 2 * 86_400)) == ("2017-08-01", "2017-07")
    assert DAILY.span(-30_610_224_000) == "1000-01-01"


def test_the_later_moment_counts_and_of_one_moment_the_more_subscribers() -> None:
    older, newer, more = Harvest("a", AT, 9), Harvest("a", AT + 1, 3), Harvest("a", AT + 1, 4)
    for order in ([older, newer, more], [more, older, newer], [newer, more, older]):
        assert [placed.latest for placed in found(order).values()] == [Count(AT + 1, 4)]


def test_only_what_is_newer_than_what_was_told_has_changed() -> None:
    latest = found([Harvest("b", AT, 5), Harvest("a", AT + 86_400, 5), Harvest("a", AT, 5), Harvest("c", AT, 5)])
    told = {
        Key("a", "2017-08-02"): Count(AT, 5),
        Key("b", "2017-08-02"): Count(AT, 4),
        Key("c", "2017-08-02"): Count(AT + 1, 0),
    }
    assert [key for key, _ in latest.changed(told)] == [Key("a", "2017-08-03"), Key("b", "2017-08-02")]
    assert [key for key, _ in latest.changed({})][:2] == [Key("a", "2017-08-02"), Key("a", "2017-08-03")]


def test_pieces_in_any_order_come_to_the_same_as_all_at_once() -> None:
    random = Random(1)
    harvests = [
        Harvest(random.choice("abc"), AT + random.randrange(300_000), random.randrange(3)) for _ in range(2_000)
    ]
    right = {key: placed.latest for key, placed in found(harvests).items()}
    for _ in range(10):
        random.shuffle(harvests)
        whole = Latest()
        for first in range(0, len(harvests), 300):
            for key, placed in found(harvests[first : first + 300]).items():
                whole.add(key, placed)
        assert {key: placed.latest for key, placed in whole.items()} == right
