"""Page views, told again: what is to come of all views of a run, by sets and sorted lists."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
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


class Session(NamedTuple):
    """`begin` and `end`: in seconds since the epoch."""

    user: str
    begin: int
    end: int
    views: int
    landing: str
    exit: str
    source: str | None
    medium: str | None


def sessions(lines: Iterable[bytes], gap: int) -> Counter[Session]:
    """Sessions of all these views, in whichever order they are."""
    by_user: dict[str, list[list[View]]] = defaultdict(list)
    begins = Counter(_begins(list(map(view, lines)), gap))
    for one in sorted(map(view, lines), key=_in_order):
        if begins[one]:
            begins[one] -= 1
            by_user[one.user].append([])
        by_user[one.user][-1].append(one)
    return Counter(
        Session(user, own[0].at, own[-1].at, len(own), own[0].path, own[-1].path, own[0].source, own[0].medium)
        for user, all_of_them in by_user.items()
        for own in all_of_them
    )


def session(told: Mapping[str, Any]) -> Session:
    """A session as the topic tells it."""
    begin, end = seconds(told["begin"]), seconds(told["end"])
    where = (told["landingPath"], told["exitPath"], told["utmSource"], told["utmMedium"])
    return Session(told["anonymousUserId"], begin, end, told["views"], *where)


def windows(lines: Iterable[bytes], gap: int) -> dict[Key, Numbers]:
    """Windows that views close which are no letters; `lines` may be in any order, of plain addresses.

    The newest view that there is beyond them has to be late enough to close them all.
    """
    views = list(map(view, lines))
    begins = _begins(views, gap)
    users: dict[Key, list[str]] = defaultdict(list)
    sessions: dict[Key, int] = defaultdict(int)
    for one in views:
        users[_key(one)].append(one.user)
    for one in begins:
        sessions[_key(one)] += 1
    return {key: Numbers(len(found), len(set(found)), sessions[key]) for key, found in users.items()}


def seconds(written: str) -> int:
    """A moment, as it is told, in seconds since the epoch."""
    return int(datetime.fromisoformat(written).timestamp())


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


class View(NamedTuple):
    """`at`: in whole seconds since the epoch."""

    user: str
    at: int
    path: str
    source: str | None
    medium: str | None


def view(line: bytes) -> View:
    """What a good line says."""
    user, url, at, *_ = next(csv.reader([line.decode().rstrip()]))
    address = urlsplit(url)
    named = {name.lower(): values[0].strip().lower() for name, values in parse_qs(address.query).items()}
    path = address.path.rstrip("/") or "/"
    return View(user, int(float(at)), path, named.get("utm_source") or None, named.get("utm_medium") or None)


def _begins(views: Iterable[View], gap: int) -> list[View]:
    found = []
    last: dict[str, tuple[int, int]] = {}
    for one in sorted(views, key=_in_order):
        before, begun = last.get(one.user, (None, one.at))
        if before is None or one.at - before > gap or one.at - begun >= DAY:
            found.append(one)
            begun = one.at
        last[one.user] = (one.at, begun)
    return found


def _in_order(one: View) -> tuple[str, int, str, str, str]:
    return one.user, one.at, one.path, one.source or "", one.medium or ""


def _key(one: View) -> Key:
    start = datetime.fromtimestamp(one.at // LENGTH * LENGTH, UTC)
    return Key(f"{start:%Y-%m-%dT%H:%M:%S}.000Z", one.path, one.source, one.medium)
