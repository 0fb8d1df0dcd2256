"""What waits for a window to close: segments, and the note of which count."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from page_views import segment
from page_views.segment import COLUMNS, PARTS, Segments, Views, in_order, session_row
from page_views.sessions import Seen, Session
from page_views.waiting import NOTE, State, Waiting
from pipeline.kafka.lanes import Lanes, Overtaken
from pipeline.runtime.errors import Fatal
from pipeline.structured.tasks import columns


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
        found.append(read(segments, segments.write(1, "0", first.parts()), segments.write(1, "1", rest.parts())))
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
    before = segments.write(0, "left", [columns([session_row(known)], COLUMNS)])
    rows = segments.read([segments.write(1, "0", views(Seen("u", 50, "/a"), Seen("u", 40, "/b")).parts())], part)
    both = [*in_order(segments.read([before], 0)), *in_order(rows)]
    assert both == [known, Seen("u", 40, "/b"), Seen("u", 50, "/a")]


def test_a_user_is_in_the_part_whose_number_is_that_of_the_lane_of_sessions(tmp_path: Path) -> None:
    users = [f"user {number} é" for number in range(200)]
    segments = Segments(str(tmp_path))
    name = segments.write(0, "0", views(*(Seen(user, 1, "/") for user in users)).parts())
    for part in range(PARTS):
        assert {lanes().of(one.user.encode(), "", 0) for one in in_order(segments.read([name], part))} == {part}


def lanes() -> Lanes:
    return Lanes("x", {}, "run", 1, frozenset(), {}, {}, settle=False, keep=False, count=PARTS)


def left(waiting: Waiting, *states: State) -> None:
    """As batches do, one after another."""
    for state in states:
        waiting.leave(waiting.before(state.batch), state)


def test_a_batch_that_comes_again_finds_what_the_one_before_it_has_left(tmp_path: Path) -> None:
    waiting = Waiting(str(tmp_path))
    assert waiting.before(0) == State()
    states = [State(number, 100 + number, (f"{number}.arrow",)) for number in range(3)]
    left(waiting, *states)
    assert Waiting(str(tmp_path)).before(3) == states[2]
    assert Waiting(str(tmp_path)).before(2) == states[1]
    again = State(2, 7)
    left(waiting, again)
    assert (waiting.before(3), waiting.before(2)) == (again, states[1])


def test_a_batch_does_not_begin_without_what_the_one_before_it_has_left(tmp_path: Path) -> None:
    waiting = Waiting(str(tmp_path))
    left(waiting, *(State(number) for number in range(4)))
    for batch in (2, 5):
        with pytest.raises(Fatal, match=f"what batch {batch} begins with: remove .*/page-views to begin anew"):
            waiting.before(batch)
    (folder(tmp_path) / NOTE).write_text("")
    with pytest.raises(Fatal, match="what batch 4 begins with"):
        waiting.before(4)


def test_the_first_batch_begins_with_nothing_and_what_a_lost_checkpoint_has_left_is_removed(tmp_path: Path) -> None:
    waiting = Waiting(str(tmp_path))
    name = waiting.segments.write(9, "0", Views().parts())
    left(waiting, State(0), State(1, 900, (name,)))
    assert waiting.before(0) == State()
    assert [path.name for path in folder(tmp_path).iterdir()] == [NOTE]
    waiting.leave(State(), State(0, 1))
    assert waiting.before(1) == State(0, 1)


def test_who_was_overtaken_neither_leaves_a_note_nor_removes_what_is_another_s(tmp_path: Path) -> None:
    ours, other = Waiting(str(tmp_path)), Waiting(str(tmp_path))
    left(ours, State(0))
    before = ours.before(1)
    left(other, State(1, 5), State(2, 6))
    with pytest.raises(Overtaken, match="another process has written "):
        ours.leave(before, State(1, 7))
    assert other.before(3) == State(2, 6)
    ours.before(2)
    names = [other.segments.write(number, "0", Views().parts()) for number in (0, 2, 3)]
    ours.tidy()
    assert {path.name for path in folder(tmp_path).glob("*.arrow")} == set(names[1:])


def test_files_stay_as_long_as_a_batch_may_come_again_that_begins_with_them(tmp_path: Path) -> None:
    waiting = Waiting(str(tmp_path))
    waiting.before(0)
    names = [waiting.segments.write(0, f"{number}", Views().parts()) for number in range(4)]
    waiting.leave(State(), State(0, 1, tuple(names[:1])))
    left(waiting, State(1, 1, (), tuple(names[1:2])))
    waiting.tidy()
    assert {path.name for path in folder(tmp_path).iterdir()} == {NOTE, *names[:2]}
    left(waiting, State(2, 1, (), tuple(names[1:2])))
    waiting.tidy()
    assert {path.name for path in folder(tmp_path).iterdir()} == {NOTE, names[1]}


def test_what_is_gone_or_not_ours_is_said_and_nothing_is_begun_anew(tmp_path: Path) -> None:
    waiting = Waiting(str(tmp_path))
    with pytest.raises(Fatal, match=r"gone\.arrow is gone, or not to be seen from every machine: remove "):
        waiting.segments.read(["gone.arrow"], 0)
    left(waiting, State(0))
    for name, content in ((NOTE, "{"), ("0-0-x.arrow", "no columns")):
        (folder(tmp_path) / name).write_text(content)
    with pytest.raises(Fatal, match="is not what this service writes there"):
        waiting.before(1)
    with pytest.raises(Fatal, match=r"0-0-x\.arrow cannot be read"):
        waiting.segments.read(["0-0-x.arrow"], 0)


def test_a_note_and_its_segments_lie_in_one_folder_whatever_its_name(tmp_path: Path) -> None:
    waiting = Waiting(f"{tmp_path}/a b/100%25 é#?")
    waiting.before(0)
    name = waiting.segments.write(0, "0", Views().parts())
    waiting.leave(State(), State(0, 1, (name,)))
    assert {path.name for path in folder(tmp_path / "a b" / "100%25 é#?").iterdir()} == {NOTE, name}
    assert Waiting(f"file://{tmp_path}/a b/100%25 é#?").before(1) == State(0, 1, (name,))


def test_a_segment_holds_more_than_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "PIECE", 7)
    seen = [Seen(f"u{number % 30}", number, "/") for number in range(1000)]
    assert sorted(read(Segments(str(tmp_path)), Segments(str(tmp_path)).write(0, "0", views(*seen).parts()))) == sorted(
        seen
    )


def folder(root: Path) -> Path:
    return root / "page-views" / "waiting"
