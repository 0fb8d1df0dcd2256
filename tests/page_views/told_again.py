"""Page views, told again: what is to come of all views of a run, by sets and sorted lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

LENGTH, LATENESS, DAY = 300, 600, 86_400
WITHIN = 0.02
"""Of the number of unique users."""


class Key(NamedTuple):
    """A window of a path, source and medium."""

    start: str
    path: str
    source: str | None
    medium: str | None


class Numbers(NamedTuple):
    """What is counted in it."""

    views: int
    users: int
    sessions: int


def windows(lines: Iterable[bytes], gap: int) -> dict[Key, Numbers]:
    """Windows that views close which are no letters; `lines` may be in any order, of plain addresses.

    The newest view that there is beyond them has to be late enough to close them all.
    """
    views = [_view(line) for line in lines]
    begins = _begins(views, gap)
    users: dict[Key, list[str]] = defaultdict(list)
    sessions: dict[Key, int] = defaultdict(int)
    for view in views:
        users[_key(view)].append(view.user)
    for view in begins:
        sessions[_key(view)] += 1
    return {key: Numbers(len(found), len(set(found)), sessions[key]) for key, found in users.items()}


def differences(found: Iterable[Mapping[str, Any]], expected: Mapping[Key, Numbers]) -> list[str]:
    """What is not the same, a line each. `found`: windows as they are told."""
    lines, seen = [], set[Key]()
    for one in found:
        key = Key(one["start"], one["path"], one["utmSource"], one["utmMedium"])
        wanted = expected.get(key)
        if key in seen:
            lines.append(f"{key} is there twice")
        elif wanted is None:
            lines.append(f"{key} should not be there")
        elif (one["views"], one["sessions"]) != (wanted.views, wanted.sessions):
            lines.append(f"{key}: {one['views']} views and {one['sessions']} sessions, not {wanted}")
        elif abs(one["uniqueUsers"] - wanted.users) > WITHIN * wanted.users:
            lines.append(f"{key}: {one['uniqueUsers']} users, not {wanted.users}")
        seen.add(key)
    return [*lines, *(f"{key} is missing" for key in expected.keys() - seen)]


class _View(NamedTuple):
    user: str
    at: int
    path: str
    source: str | None
    medium: str | None


def _view(line: bytes) -> _View:
    user, url, at, *_ = line.decode().split(",")
    address = urlsplit(url)
    named = {name.lower(): values[0].strip().lower() for name, values in parse_qs(address.query).items()}
    path = address.path.rstrip("/") or "/"
    return _View(user, int(float(at)), path, named.get("utm_source") or None, named.get("utm_medium") or None)


def _begins(views: Iterable[_View], gap: int) -> list[_View]:
    found = []
    last: dict[str, tuple[int, int]] = {}
    for view in sorted(views, key=lambda view: (view[0], view[1], view[2], view[3] or "", view[4] or "")):
        before, begun = last.get(view.user, (None, view.at))
        if before is None or view.at - before > gap or view.at - begun >= DAY:
            found.append(view)
            begun = view.at
        last[view.user] = (view.at, begun)
    return found


def _key(view: _View) -> Key:
    start = datetime.fromtimestamp(view.at // LENGTH * LENGTH, UTC)
    return Key(f"{start:%Y-%m-%dT%H:%M:%S}.000Z", view.path, view.source, view.medium)
