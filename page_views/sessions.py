"""Which views begin a session: a user's first one, one after a pause, and one a day after the last that did.

Views are given by user and in order of time, the same in whichever order they came. What has to be known of a user to
go on later is the last view and the begin of its session, as long as the pause has not ended that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

LONGEST: Final = 24 * 3600
"""Seconds after which a session ends, though its user never pauses."""


class Seen(NamedTuple):
    """A view, or, where `begun` is given, what is known of a user from before: the last view, and its session's begin.

    `at` and `begun`: seconds since the epoch.
    """

    user: str
    at: int
    path: str | None = None
    source: str | None = None
    medium: str | None = None
    begun: int | None = None


class Told(NamedTuple):
    """A view and whether it begins a session, or, where `begun` is given, what is to be known of its user later."""

    seen: Seen
    begins: int
    begun: int | None = None


def told(rows: Iterable[Seen], gap: int, until: int) -> Iterator[Told]:
    """Each view, and after each user's last one what is to be known of them, where a view from `until` on needs that.

    `rows`: by user and time, what is known from before first. `gap`: the longest pause within a session, in seconds.
    """
    last: Seen | None = None
    begun = 0
    for row in rows:
        if last is not None and row.user != last.user:
            yield from _known(last, begun, gap, until)
            last = None
        if row.begun is not None:
            begun = row.begun
        else:
            begins = last is None or row.at - last.at > gap or row.at - begun >= LONGEST
            begun = row.at if begins else begun
            yield Told(row, int(begins))
        last = row
    if last is not None:
        yield from _known(last, begun, gap, until)


def _known(last: Seen, begun: int, gap: int, until: int) -> Iterator[Told]:
    if until - last.at <= gap:
        yield Told(last._replace(path=None, source=None, medium=None), 0, begun)
