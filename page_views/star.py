"""The tables for BI: views and sessions as facts, windows with their sketches, and what they speak of as dimensions."""

from __future__ import annotations

from typing import Final

import pyarrow as pa  # type: ignore[import-untyped]

from page_views import names
from pipeline.lake.table import Table

_MOMENT: Final = pa.timestamp("us", tz="UTC")


def _columns(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns])


VIEWS: Final = Table(
    names.VIEW_FACTS,
    _columns(
        ("view_id", pa.string()),
        ("viewed_at", _MOMENT),
        ("user_key", pa.string()),
        ("date_key", pa.int32()),
        ("page_key", pa.int64()),
        ("source_key", pa.int64()),
        ("browser_key", pa.int64()),
    ),
    day="viewed_at",
    sort=("viewed_at",),
    says="A row per page view. view_id: its place in the topic page_views. user_key: a keyed hash of the user",
)
SESSIONS: Final = Table(
    names.SESSION_FACTS,
    _columns(
        ("session_key", pa.string()),
        ("began_at", _MOMENT),
        ("ended_at", _MOMENT),
        ("user_key", pa.string()),
        ("date_key", pa.int32()),
        ("views", pa.int32()),
        ("landing_page_key", pa.int64()),
        ("exit_page_key", pa.int64()),
        ("source_key", pa.int64()),
        ("browser_key", pa.int64()),
    ),
    day="began_at",
    sort=("began_at",),
    says="A row per session that is over; date, source and browser are those of its first view",
)
WINDOWS: Final = Table(
    names.WINDOW_SUMS,
    _columns(
        ("window_start", _MOMENT),
        ("window_end", _MOMENT),
        ("date_key", pa.int32()),
        ("page_key", pa.int64()),
        ("utm_source", pa.string()),
        ("utm_medium", pa.string()),
        ("views", pa.int64()),
        ("unique_users", pa.int64()),
        ("sessions", pa.int64()),
        ("sketch", pa.binary()),
    ),
    day="window_start",
    sort=("window_start",),
    says="A row per five minutes, page, source and medium. sketch: an HLL sketch of DataSketches, lgK 14, of its users",
)
PAGES: Final = Table(names.PAGES, _columns(("page_key", pa.int64()), ("path", pa.string()), ("section", pa.string())))
SOURCES: Final = Table(
    names.SOURCES,
    _columns(
        ("source_key", pa.int64()),
        ("utm_source", pa.string()),
        ("utm_medium", pa.string()),
        ("utm_campaign", pa.string()),
        ("referrer_host", pa.string()),
    ),
    says="Where views came from; an empty text where that is not known",
)
BROWSERS: Final = Table(
    names.BROWSERS,
    _columns(
        ("browser_key", pa.int64()), ("browser", pa.string()), ("os", pa.string()), ("screen_resolution", pa.string())
    ),
)
DATES: Final = Table(
    names.DATES,
    _columns(
        ("date_key", pa.int32()),
        ("date", pa.date32()),
        ("year", pa.int32()),
        ("quarter", pa.int32()),
        ("month", pa.int32()),
        ("week", pa.int32()),
        ("weekday", pa.int32()),
        ("is_weekend", pa.bool_()),
    ),
    says="Days in UTC; date_key 20180821; weekday 1 is Monday; week as ISO 8601 counts them",
)
TABLES: Final = (VIEWS, SESSIONS, WINDOWS, PAGES, SOURCES, BROWSERS, DATES)
DIMENSIONS: Final = (PAGES, SOURCES, BROWSERS, DATES)
