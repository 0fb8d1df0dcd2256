"""What waits for a window to close: segments, and the note of which count."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from page_views.segment import PARTS, Segments, Views, in_order, sessions
from page_views.sessions import Seen, Session
from page_views.waiting import NOTE, State, Waiting
from pipeline.kafka.lanes import Lanes
from pipeline.runtime.errors import Fatal


def views(*seen: Seen) -> Views:
    found = Views()
    for one in seen:
        found.add(one.user.encode(), one)
    return found


def read(segments: Segments, *names: str) -> list[Seen | Session]:
    return [one for part in range(PARTS) for one in in_order(segments.read(names, part))]


def test_views_come_back_by_user_and_time_in_whichever_order_they_came(tmp_path: Path) -> None:
    rng = Random(1)
    seen = [
        Seen(f"u{rng.randrange(20)}", rng.randrange(9), rng.choice("ab"), rng.choice((None, "x"))) for _ in range(300)
    ]
    segments = Segments(str(tmp_path))
    found: list[list[Any]] = []
    for _ in range(2):
        rng.shuffle(seen)
        first, rest = views(*seen[:100]), views(*seen[100:])
        assert max(first.newest, rest.newest) == max(one.at for one in seen)
        found.append(read(segments, segments.write("1-0", first.parts()), segments.write("1-1", rest.parts())))
    by_user = [
        {user: [one for one in some if one.user == user] for user in {one.user for one in some}} for some in found
    ]
    assert by_user[0] == by_user[1]
    assert all([one.at for one in own] == sorted(one.at for one in own) for own in by_user[0].values())
    assert sorted(map(str, found[0])) == sorted(map(str, seen))
    users = [one.user for one in found[0]]
    assert len(dict.fromkeys(users)) == sum(user != before for user, before in zip(users, ["", *users], strict=False))


def test_a_session_comes_before_the_views_that_may_go_on_with_it(tmp_path: Path) -> None:
    known = Session(Seen("u", 50, "/in", "news", None, 1, 2), 90, 3, "/out")
    segments, part = Segments(str(tmp_path)), lanes().of(b"u", "", 0)
    before = segments.write("0-left", [sessions([known])])
    rows = segments.read([segments.write("1-0", views(Seen("u", 50, "/a"), Seen("u", 40, "/b")).parts())], part)
    both = [*in_order(segments.read([before], 0)), *in_order(rows)]
    assert both == [known, Seen("u", 40, "/b"), Seen("u", 50, "/a")]


def test_a_user_is_in_the_part_whose_number_is_that_of_the_lane_of_sessions(tmp_path: Path) -> None:
    users = [f"user {number} é" for number in range(200)]
    segments = Segments(str(tmp_path))
    name = segments.write("0-0", views(*(Seen(user, 1, "/") for user in users)).parts())
    for part in range(PARTS):
        assert {lanes().of(one.user.encode(), "", 0) for one in in_order(segments.read([name], part))} == {part}


def lanes() -> Lanes:
    return Lanes("x", {}, "run", 1, frozenset(), {}, {}, settle=False, keep=False, count=PARTS)


def test_a_batch_that_comes_again_finds_what_the_one_before_it_has_left(tmp_path: Path) -> None:
    waiting = Waiting(str(tmp_path))
    assert waiting.before(0) == State()
    states = [State(number, 100 + number, 0, (f"{number}.arrow",)) for number in range(3)]
    for state in states:
        waiting.leave(state)
    assert Waiting(str(tmp_path)).before(3) == states[2]
    assert Waiting(str(tmp_path)).before(2) == states[1]
    again = State(2, 7, 7)
    waiting.leave(again)
    assert (waiting.before(3), waiting.before(2)) == (again, states[1])
    assert waiting.before(0) == State(), "after a lost checkpoint"
    waiting.leave(State(0, 1, 1))
    assert waiting.before(3) == State(0, 1, 1)


def test_files_stay_as_long_as_a_batch_may_come_again_that_begins_with_them(tmp_path: Path) -> None:
    waiting = Waiting(str(tmp_path))
    names = [waiting.segments.write(f"{number}-0", Views().parts()) for number in range(4)]
    waiting.leave(State(0, 1, 0, tuple(names[:1])))
    waiting.leave(State(1, 1, 0, (), tuple(names[1:2])))
    waiting.tidy()
    folder = tmp_path / "page-views" / "waiting"
    assert {path.name for path in folder.iterdir()} == {NOTE, *names[:2]}
    waiting.leave(State(2, 1, 0, (), tuple(names[1:2])))
    waiting.tidy()
    assert {path.name for path in folder.iterdir()} == {NOTE, names[1]}


def test_what_is_gone_or_not_ours_is_said_and_nothing_is_begun_anew(tmp_path: Path) -> None:
    waiting = Waiting(str(tmp_path))
    with pytest.raises(Fatal, match=r"gone\.arrow is gone: remove the checkpoint"):
        waiting.segments.read(["gone.arrow"], 0)
    waiting.leave(State(0))
    (tmp_path / "page-views" / "waiting" / NOTE).write_text("{")
    with pytest.raises(Fatal, match="is not what this service writes there"):
        waiting.before(1)
