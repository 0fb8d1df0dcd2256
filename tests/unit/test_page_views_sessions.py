"""Sessions, in pieces as in one go."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from page_views.sessions import LENGTH, LONGEST, Seen, Session, Told, told

GAP = 1200


def begins(*times: int, gap: int = GAP) -> list[int]:
    rows = told([Seen("u", at, "/") for at in times], gap, 0, 0)
    return [one.seen.at for one in rows if isinstance(one, Told) and one.begins]


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


def test_a_session_tells_of_its_first_and_its_last_view() -> None:
    rows = [
        Seen("u", 100, "/in", "news", "mail", 7, 8),
        Seen("u", 400, "/a"),
        Seen("u", 900, "/out"),
        Seen("u", 9000, "/"),
    ]
    found = [one for one in told(rows, GAP, 9300, 0) if isinstance(one, Session)]
    assert found == [
        Session(Seen("u", 100, "/in", "news", "mail", 7, 8), 900, 3, "/out", closes=2400),
        Session(Seen("u", 9000, "/"), 9000, 1, "/"),
    ]


def test_of_users_only_those_are_known_later_whose_sessions_may_go_on() -> None:
    rows = [Seen("a", 100, "/"), Seen("b", 1300, "/"), Seen("b", 1400, "/x")]
    known = [one for one in told(rows, GAP, 1500, 0) if isinstance(one, Session)]
    assert known == [
        Session(Seen("a", 100, "/"), 100, 1, "/", closes=1500),
        Session(Seen("b", 1300, "/"), 1400, 2, "/x"),
    ]


def test_a_session_that_a_shorter_gap_ends_is_told_with_the_next_window_not_with_one_that_is_closed() -> None:
    known = Session(Seen("a", 100, "/"), 9000, 2, "/out")
    for until in (9900, 12_000):
        assert list(told([known], 60, until, 9600)) == [known._replace(closes=9900)]
    assert next(told([known, Seen("a", 9650, "/")], 60, 9900, 9600)) == known._replace(closes=9900)
    assert list(told([known], 60, 9600, 9600)) == [known], "while no window closes"


def in_pieces(views: Sequence[Seen], ends: Sequence[int]) -> tuple[list[Seen], list[Session], set[int]]:
    """As windows close one after another: views that begin, sessions that are over; and when they were told."""
    known: list[Session] = []
    begun, over, late = list[Seen](), list[Session](), set[int]()
    before = 0
    for end in ends:
        rows: list[Seen | Session] = [*known, *(view for view in views if before <= view.at < end)]
        rows.sort(key=lambda row: (row.user, isinstance(row, Seen), row.at if isinstance(row, Seen) else 0))
        results = list(told(rows, GAP, end, before))
        sessions = [one for one in results if isinstance(one, Session)]
        known = [one for one in sessions if one.closes is None]
        over += [one for one in sessions if one.closes is not None]
        late |= {one.closes for one in sessions if one.closes is not None and not before < one.closes <= end}
        begun += [one.seen for one in results if isinstance(one, Told) and one.begins]
        before = end
    return sorted(begun, key=str), sorted(over, key=str), late


def test_sessions_are_the_same_and_told_in_their_time_whether_windows_close_one_by_one_or_together() -> None:
    rng = Random(5)
    views = [Seen(f"u{rng.randrange(20)}", rng.randrange(4 * LONGEST), f"/{rng.randrange(9)}") for _ in range(6000)]
    views += [Seen("always", at, "/") for at in range(0, 4 * LONGEST, 600)]
    views.sort(key=lambda view: view.at)
    last = 4 * LONGEST + 2 * GAP + LENGTH
    singly, together = in_pieces(views, range(LENGTH, last + LENGTH, LENGTH)), in_pieces(views, [last])
    assert singly[:2] == together[:2]
    assert singly[2] == set(), "none is told in another window than the one that ends it"
    assert len(together[0]) == len(together[1]) > 100
    assert sum(one.views for one in together[1]) == len(views)
    assert max(one.last - one.first.at for one in together[1]) < LONGEST
