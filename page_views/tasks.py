"""What tasks do with page views: records to views and letters, and views to those that begin a session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
from pyspark import TaskContext

from page_views import keys
from page_views.sessions import Seen, Session, Told, told
from page_views.view import View, clean, read
from page_views.view import told as as_json
from pipeline.runtime.errors import Rejected
from pipeline.structured.service import LETTER
from pipeline.structured.tasks import LETTERS, columns, tuples

WATERMARK: Final = "page_views.watermark"
"""The property of a job that tells its tasks the batch's watermark, in ms."""
VIEW: Final = "user STRING, at BIGINT, path STRING, source STRING, medium STRING, source_key BIGINT, browser_key BIGINT"
"""A view as windows need it; `at`: in seconds since the epoch."""
READ: Final = LETTER
"""A record that was read: a view in JSON by user, where there is no reason, or a letter."""
TOLD: Final = f"{VIEW}, begins INT, last BIGINT, views INT, exit STRING, closes BIGINT"
"""A view and whether it begins a session, or, where `last` is given, a session: of its first view, `at` and the rest.
"""
SEEN: Final = (
    *("user", "at", "path", "source", "medium", "source_key", "browser_key"),
    *("last", "views", "exit"),
)
"""What sessions are made of, among the columns `TOLD`."""
MOST: Final = 5_000
"""Rows that are told at once."""

_VIEW: Final = pa.schema(
    [
        ("user", pa.string()),
        ("at", pa.int64()),
        *((name, pa.string()) for name in ("path", "source", "medium")),
        *((name, pa.int64()) for name in ("source_key", "browser_key")),
    ]
)
_TOLD: Final = pa.schema(
    [
        *_VIEW,
        ("begins", pa.int32()),
        ("last", pa.int64()),
        ("views", pa.int32()),
        ("exit", pa.string()),
        ("closes", pa.int64()),
    ]
)


def in_time(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Views (columns `VIEW`) among records (columns value, arrived and fault) that are not late in this batch."""
    context = TaskContext.get()
    watermark = int((context.getLocalProperty(WATERMARK) if context else None) or 0)
    for batch in batches:
        rows = []
        for value, arrived, fault in tuples(batch):
            try:
                view = taken(value, arrived, fault, watermark)
            except Rejected:
                continue
            found = view.address
            source, _ = keys.source(found.utm_source, found.utm_medium, found.utm_campaign, found.referrer_host)
            browser, _ = keys.browser(view.browser, view.os, view.screen)
            rows.append((view.user, view.time, found.path, found.utm_source, found.utm_medium, source, browser))
        yield columns(rows, _VIEW)


def taken(value: bytes | None, arrived: int, fault: str | None, watermark: int) -> View:
    """The view of a record. `fault`: of the file that the record stands for. Raises `Rejected`."""
    if fault:
        raise Rejected(fault)
    view = read(value, arrived)
    if view.time * 1000 < watermark:
        raise Rejected("late", "time")
    return view


@dataclass(frozen=True)
class Read:
    """Records (columns key, value, topic, partition, offset, timestamp, arrived, fault, line) to columns `READ`."""

    watermark: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield columns([self._row(*row) for row in tuples(batch)], LETTERS)

    def _row(
        self,
        key: bytes | None,
        value: bytes | None,
        topic: str,
        partition: int,
        offset: int,
        timestamp: object,
        arrived: int,
        fault: str | None,
        line: str | None,
    ) -> tuple[Any, ...]:
        place = (topic, partition, offset, timestamp)
        try:
            view = taken(value, arrived, fault, self.watermark)
        except Rejected as rejected:
            came = None if value is None else clean(value)
            return key, came, *place, rejected.reason, rejected.detail or None, line
        return view.user.encode(), as_json(view), *place, None, None, None


@dataclass(frozen=True)
class Sessions:
    """Views and sessions from before (columns `SEEN` of `TOLD`, by user and time) to columns `TOLD`."""

    gap: int
    until: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows: list[tuple[Any, ...]] = []
        for one in told((_seen(row) for batch in batches for row in tuples(batch)), self.gap, self.until):
            rows.append(_row(one))
            if len(rows) == MOST:
                yield columns(rows, _TOLD)
                rows = []
        yield columns(rows, _TOLD)


def _seen(row: tuple[Any, ...]) -> Seen | Session:
    first = Seen(*row[: len(_VIEW)])
    last, views, exit = row[len(_VIEW) :]
    return first if last is None else Session(first, last, views, exit)


def _row(one: Told | Session) -> tuple[Any, ...]:
    if isinstance(one, Told):
        return (*one.seen, int(one.begins), None, None, None, None)
    return (*one.first, None, one.last, one.views, one.exit, one.closes)
