"""What the tables of the page views have to hold once all views are in effect, told again; read by PyIceberg alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from page_views import keys, names
from page_views.keys import Secretive
from pipeline.lake.lake import Lake
from tests.page_views import told_again

Rows = list[dict[str, Any]]
KEYS = {
    names.VIEW_FACTS: "view_id",
    names.SESSION_FACTS: "session_key",
    names.PAGES: "page_key",
    names.SOURCES: "source_key",
    names.BROWSERS: "browser_key",
    names.DATES: "date_key",
}


def tables(lake: Lake) -> dict[str, Rows]:
    """All rows of all tables."""
    catalog = lake.catalog()
    return {name: catalog.load_table(name).scan().to_arrow().to_pylist() for name in names.TABLES}


def differences(lake: Lake, lines: Sequence[bytes], gap: int, secret: str, open_: Sequence[bytes]) -> list[str]:
    """What is not as a batch computation has it. `open_`: views besides, which no window and session is of yet."""
    found, key = tables(lake), Secretive(secret).key
    views = Counter(_plain(_masked(one, key(one.user))) for one in map(told_again.view, [*lines, *open_]))
    told = told_again.sessions(lines, gap)
    sessions = Counter({_plain(one._replace(user=key(one.user))): count for one, count in told.items()})
    return [
        *_unlike("view", views, Counter(map(_View(found), found[names.VIEW_FACTS]))),
        *_unlike("session", sessions, Counter(map(_Session(found), found[names.SESSION_FACTS]))),
        *told_again.differences(map(_Window(found), found[names.WINDOW_SUMS]), told_again.windows(lines, gap)),
        *(f"{name} has a key twice" for name, column in KEYS.items() if _twice(found[name], column)),
    ]


def _unlike(what: str, wanted: Counter[Any], found: Counter[Any]) -> list[str]:
    return [
        f"the {what} {one} is there {found[one]} times, not {wanted[one]}"
        for one in wanted | found
        if wanted[one] != found[one]
    ]


def _masked(one: told_again.View, user: str) -> told_again.View:
    source = keys.source(one.source, one.medium, None, None)[1]
    path = keys.page(one.path)[1].path
    return one._replace(user=user, path=path, source=source.utm_source, medium=source.utm_medium)


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple("" if value is None else value for value in row)


def _twice(rows: Rows, column: str) -> bool:
    return len({row[column] for row in rows}) != len(rows)


class _Star:
    def __init__(self, found: Mapping[str, Rows]) -> None:
        self._pages = {row["page_key"]: row["path"] for row in found[names.PAGES]}
        self._sources = {row["source_key"]: (row["utm_source"], row["utm_medium"]) for row in found[names.SOURCES]}
        self._browsers = {row["browser_key"] for row in found[names.BROWSERS]}
        self._dates = {row["date_key"]: row["date"] for row in found[names.DATES]}

    def _source(self, row: Mapping[str, Any], at: str) -> tuple[str, str]:
        """Where a fact's dimensions are all there."""
        assert row["browser_key"] in self._browsers
        assert self._dates[row["date_key"]] == row[at].date()
        source: tuple[str, str] = self._sources[row["source_key"]]
        return source


class _View(_Star):
    def __call__(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        source = self._source(row, "viewed_at")
        return row["user_key"], int(row["viewed_at"].timestamp()), self._pages[row["page_key"]], *source


class _Session(_Star):
    def __call__(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        moments = [int(row[name].timestamp()) for name in ("began_at", "ended_at")]
        pages = [self._pages[row[name]] for name in ("landing_page_key", "exit_page_key")]
        return row["user_key"], *moments, row["views"], *pages, *self._source(row, "began_at")


class _Window(_Star):
    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "start": f"{row['window_start']:%Y-%m-%dT%H:%M:%S}.000Z",
            "path": self._pages[row["page_key"]],
            "utmSource": row["utm_source"] or None,
            "utmMedium": row["utm_medium"] or None,
            "views": row["views"],
            "uniqueUsers": row["unique_users"],
            "sessions": row["sessions"],
        }
