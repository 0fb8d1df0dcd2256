"""Messages of our topics to rows of the tables: pure, but for a secret that the rows are made with."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from page_views import keys
from page_views.keys import Secretive
from page_views.outgoing import ToldSession, Window
from page_views.star import BROWSERS, DATES, PAGES, SESSIONS, SOURCES, VIEWS, WINDOWS
from page_views.view import Told
from pipeline.kafka.reading import Read
from pipeline.lake.table import Table


@dataclass
class Rows:
    """Rows of a table of facts, and what they speak of: by dimension, key → row."""

    table: Table
    facts: list[tuple[Any, ...]] = field(default_factory=list)
    dimensions: dict[str, dict[int, tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(dict))

    def arrow(self) -> pa.Table:
        """The facts in Arrow's columns."""
        return as_arrow(self.table, self.facts)

    def page(self, path: str) -> int:
        key, found = keys.page(path)
        self.dimensions[PAGES.name][key] = (key, found.path, found.section)
        return key

    def day(self, moment: str) -> int:
        key = int(moment[:10].replace("-", ""))
        if key not in self.dimensions[DATES.name]:
            self.dimensions[DATES.name][key] = _day(key, date.fromisoformat(moment[:10]))
        return key


def as_arrow(table: Table, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """Rows as columns of the table's types; moments may be text."""
    columns = list(zip(*rows, strict=True)) or [()] * len(table.columns)
    arrays = [_array(column, kind.type) for column, kind in zip(columns, table.columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=table.columns)


def views(records: Iterable[Read], secret: Secretive) -> Rows:
    """Views of the topic `page_views`."""
    found = Rows(VIEWS)
    sources, browsers = found.dimensions[SOURCES.name], found.dimensions[BROWSERS.name]
    for record in records:
        view = _view.decode(record.value or b"")
        source, from_ = keys.source(view.utm_source, view.utm_medium, view.utm_campaign, view.referrer_host)
        browser, with_ = keys.browser(view.browser, view.os, view.screen_resolution)
        sources[source], browsers[browser] = (source, *from_), (browser, *with_)
        found.facts.append(
            (
                f"{record.partition}-{record.offset}",
                view.time,
                secret.key(view.anonymous_user_id),
                found.day(view.time),
                found.page(view.path),
                source,
                browser,
            )
        )
    return found


def sessions(records: Iterable[Read], secret: Secretive) -> Rows:
    """Sessions of the topic `page_view_sessions`; their sources and browsers are known by their views."""
    found = Rows(SESSIONS)
    for record in records:
        one = _session.decode(record.value or b"")
        found.facts.append(
            (
                secret.key(one.id),
                one.begin,
                one.end,
                secret.key(one.anonymous_user_id),
                found.day(one.begin),
                one.views,
                found.page(one.landing_path),
                found.page(one.exit_path),
                one.source_key,
                one.browser_key,
            )
        )
    return found


def windows(records: Iterable[Read], _: Secretive) -> Rows:
    """Windows of the topic `aggregate_page_views`."""
    found = Rows(WINDOWS)
    for record in records:
        one = _window.decode(record.value or b"")
        masked = keys.source(one.utm_source, one.utm_medium, None, None)[1]
        found.facts.append(
            (
                one.start,
                one.end,
                found.day(one.start),
                found.page(one.path),
                masked.utm_source,
                masked.utm_medium,
                one.views,
                one.unique_users,
                one.sessions,
                base64.b64decode(one.sketch),
            )
        )
    return found


_view: Final = msgspec.json.Decoder(Told)
_session: Final = msgspec.json.Decoder(ToldSession)
_window: Final = msgspec.json.Decoder(Window)


def _array(column: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind) and column and isinstance(column[0], str):
        return pa.array(column, pa.string()).cast(kind)
    return pa.array(column, kind)


def _day(key: int, day: date) -> tuple[Any, ...]:
    _, week, weekday = day.isocalendar()
    return key, day, day.year, (day.month + 2) // 3, day.month, week, weekday, weekday > 5
