"""Which views begin a session, in pieces as in one go."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from page_views.sessions import LONGEST, Seen, told

GAP = 1200


def begins(*times: int, gap: int = GAP) -> list[int]:
    return [one.seen.at for one in told([Seen("u", at, "/") for at in times], gap, 0) if one.begins]


def test_a_session_goes_on_as_long_as_no_pause_is_longer_than_the_gap() -> None:
    assert begins(0, 1200, 2400, 3601) == [0, 3601]
    assert begins(5, 5, 5) == [5]
    assert begins(0, 60, 121, gap=60) == [0, 121]


def test_a_user_who_never_stops_begins_anew_after_a_day() -> None:
    times = range(0, 3 * LONGEST, 1000)
    assert begins(*times) == [0, 87_000, 174_000]
    assert [86_400 <= later - before < 86_400 + 1000 for before, later in ((0, 87_000), (87_000, 174_000))] == [
        True
    ] * 2


def test_of_users_only_those_are_known_later_whose_sessions_may_go_on() -> None:
    rows = [Seen("a", 100, "/"), Seen("b", 1300, "/"), Seen("b", 1400, "/x")]
    known = [(one.seen, one.begun) for one in told(rows, GAP, 1500) if one.begun is not None]
    assert known == [(Seen("b", 1400), 1300)]


def in_pieces(views: Sequence[Seen], ends: Sequence[int]) -> list[tuple[str, int]]:
    """As windows close one after another."""
    known: list[Seen] = []
    found = []
    before = 0
    for end in ends:
        rows = [*known, *(view for view in views if before <= view.at < end)]
        rows.sort(key=lambda row: (row.user, row.at, row.begun is None))
        results = list(told(rows, GAP, end))
        known = [one.seen._replace(begun=one.begun) for one in results if one.begun is not None]
        found += [(one.seen.user, one.seen.at) for one in results if one.begins]
        before = end
    return sorted(found)


def test_sessions_are_the_same_whether_windows_close_one_by_one_or_together() -> None:
    rng = Random(5)
    views = [Seen(f"u{rng.randrange(20)}", rng.randrange(4 * LONGEST), "/") for _ in range(6000)]
    views += [Seen("always", at, "/") for at in range(0, 4 * LONGEST, 600)]
    last = 4 * LONGEST
    assert in_pieces(views, range(300, last + 300, 300)) == in_pieces(views, [last])
    assert len(in_pieces(views, [last])) > 100
