"""Sessions: a user's views with no pause longer than a gap, and none that lasts longer than a day.

Views are given by user and in order of time, the same in whichever order they came. What has to be known of a user to
go on later is the session as it is by now, as long as a pause has not ended it. A session is told once it is over, and
by what ends it: the end of the window in which a view would begin another one, or did. So when it is told does not
depend on which windows closed together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

LONGEST: Final = 24 * 3600
"""Seconds after which a session ends, though its user never pauses."""
LENGTH: Final = 300
"""Seconds of a window, in which views become known together."""


class Seen(NamedTuple):
    """A view. `at`: seconds since the epoch. `source_key`, `browser_key`: of the dimensions."""

    user: str
    at: int
    path: str
    source: str | None = None
    medium: str | None = None
    source_key: int = 0
    browser_key: int = 0


class Session(NamedTuple):
    """A session as far as it is known. `first`: its first view. `last`, `exit`: time and path of its last one.

    `closes`: the end of the window with which it is over; None while it may go on.
    """

    first: Seen
    last: int
    views: int
    exit: str
    closes: int | None = None

    @property
    def user(self) -> str:
        return self.first.user


class Told(NamedTuple):
    """A view, and whether it begins a session."""

    seen: Seen
    begins: bool


def told(rows: Iterable[Seen | Session], gap: int, until: int, since: int) -> Iterator[Told | Session]:
    """Each view; each session that is over; and those that a view from `until` on may belong to, with `closes` None.

    `rows`: by user and time, the session that is known from before first. `gap`: the longest pause within a session, in
    seconds. `until`: the windows before are closed; `since`: those that had been before. No session is told with one of
    those, also where the gap has become shorter since.
    """
    session: Session | None = None
    for row in rows:
        if session is not None and row.user != session.user:
            yield _left(session, gap, until, since)
            session = None
        if isinstance(row, Session):
            session = row
            continue
        begins = session is None or row.at - session.last > gap or row.at - session.first.at >= LONGEST
        if session is not None and begins:
            yield session._replace(closes=min(_over(session, gap, since), _end(row.at)))
        if session is None or begins:
            session = Session(row, row.at, 1, row.path)
        else:
            session = session._replace(last=row.at, views=session.views + 1, exit=row.path)
        yield Told(row, begins)
    if session is not None:
        yield _left(session, gap, until, since)


def _left(session: Session, gap: int, until: int, since: int) -> Session:
    over = _over(session, gap, since)
    return session._replace(closes=over) if over <= until else session


def _over(session: Session, gap: int, since: int) -> int:
    """The end of the first window with which no view can belong to it any more."""
    return _end(max(session.last + gap, since))


def _end(at: int) -> int:
    return (at // LENGTH + 1) * LENGTH
