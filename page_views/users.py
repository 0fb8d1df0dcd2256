"""Unique users of any span: the sketches of its windows put together, from the table or from the topic. No Spark."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from page_views import keys
from page_views.names import AGGREGATES, WINDOW_SUMS
from page_views.outgoing import Window
from page_views.sessions import LENGTH
from page_views.sums import SKETCH
from pipeline.kafka.reading import EARLIEST, Range, read
from pipeline.kafka.topics import Topics
from pipeline.lake.errors import translated
from pipeline.lake.lake import Lake


@dataclass(frozen=True)
class Span:
    """Which windows: from one moment to before another, of one path, source and medium where they are given."""

    begin: datetime
    end: datetime
    path: str | None = None
    source: str | None = None
    medium: str | None = None

    @classmethod
    def of(cls, begin: datetime, end: datetime, *which: str | None) -> Span:
        """Moments without a zone are UTC. Whole windows: a part of one cannot be told from the rest."""
        first, last = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (begin, end))
        return cls(_floor(first), _floor(last + timedelta(seconds=LENGTH, microseconds=-1)), *which)


@dataclass(frozen=True)
class Sums:
    """`lower`, `upper`: between them the true number of users is, in 95 of 100 cases."""

    windows: int
    views: int
    sessions: int
    users: int
    lower: int
    upper: int


@dataclass(frozen=True)
class Part:
    """What a window adds."""

    views: int
    sessions: int
    sketch: bytes


def summed(parts: Iterable[Part]) -> Sums:
    """All windows together."""
    from datasketches import hll_sketch, hll_union  # type: ignore[import-untyped]

    union, windows, views, sessions = hll_union(SKETCH), 0, 0, 0
    for part in parts:
        union.update(hll_sketch.deserialize(part.sketch))
        windows, views, sessions = windows + 1, views + part.views, sessions + part.sessions
    found = (union.get_estimate(), union.get_lower_bound(2), union.get_upper_bound(2))
    return Sums(windows, views, sessions, *map(round, found))


def of_table(lake: Lake, span: Span) -> Iterator[Part]:
    """Windows of the table, read by what they are asked for. Raises `Transient`, `Fatal`."""
    from pyiceberg import expressions

    sql: Any = expressions  # whose types know less than it takes
    wanted = sql.And(
        sql.GreaterThanOrEqual("window_start", span.begin.isoformat()),
        sql.LessThan("window_start", span.end.isoformat()),
    )
    which = {
        "page_key": None if span.path is None else keys.page(span.path)[0],
        "utm_source": span.source,
        "utm_medium": span.medium,
    }
    for column, value in which.items():
        if value is not None:
            wanted = sql.And(wanted, sql.EqualTo(column, value))
    with closing(lake.catalog()) as catalog, translated():
        table = catalog.load_table(WINDOW_SUMS)
        columns = ("views", "sessions", "sketch")
        for batch in table.scan(row_filter=wanted, selected_fields=columns).to_arrow_batch_reader():
            found = batch.select(list(columns)).to_pydict()
            yield from map(Part, *(found[column] for column in columns))


def of_topic(client: Mapping[str, object], span: Span, topic: str = AGGREGATES) -> Iterator[Part]:
    """Windows of the topic, as far back as it keeps them. Raises `Transient`, `Halted`."""
    topics = Topics(client)
    latest = topics.latest(topics.existing([topic])[topic].places)
    decoder = msgspec.json.Decoder(Window)
    for record in read(client, {place: Range(EARLIEST, end) for place, end in latest.items() if end}):
        one = decoder.decode(record.value or b"")
        if _is_in(one, span):
            yield Part(one.views, one.sessions, base64.b64decode(one.sketch))


def _is_in(window: Window, span: Span) -> bool:
    asked = ((span.path, window.path), (span.source, window.utm_source or ""), (span.medium, window.utm_medium or ""))
    return span.begin <= datetime.fromisoformat(window.start) < span.end and all(
        wanted is None or wanted == there for wanted, there in asked
    )


def _floor(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() // LENGTH * LENGTH, UTC)
