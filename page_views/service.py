"""The service `page-views`: files and the topic `page_views_raw` → views, windows, sessions; topics and tables of them.

Files become records of the topic, once (`drop.py`), so that there is one source, whose records come again as they were.
A record is late by the watermark of its batch, which is on record with it: no window and no other output has it then.

Views wait until their window closes (`waiting.py`). Then they are put in order, user by user, behind the session that
is known of each user from before (`sessions.py`): so sessions are the same in whichever order views came. Tables are
made of the topics that are written (`loader.py`).

Spark plans the batches and gives tasks their turn; tasks read and write by themselves. With Spark's own windows by user
a view passed through the JVM four times (docs/performance.md, "The analytics").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from pyspark.sql import DataFrame, SparkSession

from page_views.batches import Batches
from page_views.closing import Close
from page_views.drop import DropFolder
from page_views.loader import Loader
from page_views.names import AGGREGATES, READS, SESSIONS, VIEWS
from page_views.segment import PARTS
from page_views.settings import ViewSettings
from page_views.sums import Tell
from page_views.taking import Take, lane_of
from page_views.waiting import State, Waiting
from page_views.watch import Watch
from pipeline.kafka.client import client_options
from pipeline.kafka.reading import deal
from pipeline.lake.lake import Lake
from pipeline.structured.service import FOR_NOW, Batch, Flow, Service
from pipeline.structured.tasks import reports

MOST: Final = 1_000
"""Segments of batches; with more of them what waits is put together, though no window closes."""

WATCH: Final = 10.0
"""Seconds between two looks at the tables' state."""

JVM: Final = FOR_NOW
"""The work is done in Python; compiling the JVM's for hours to come does not pay."""


class Out(NamedTuple):
    """Topics that are written."""

    views: str = VIEWS
    aggregates: str = AGGREGATES
    sessions: str = SESSIONS


@dataclass
class PageViews:
    """What becomes of each batch: views and letters, windows and sessions that are over, then files of batches.

    `client`: Kafka's. `gap`: of sessions, `lateness`: of views, in seconds. `batches`: None where no files are wanted.
    """

    client: Mapping[str, object] = field(repr=False)
    gap: int
    lateness: int
    waiting: Waiting
    batches: Batches | None
    out: Out

    def apply(self, batch: Batch) -> None:
        """Raises `PipelineError`."""
        before = self.waiting.before(batch.number)
        after = self._closed(batch, before, self._taken(batch, before))
        self.waiting.leave(before, after)
        batch.keeps(after.rows)
        if after.parts != before.parts:
            self.waiting.tidy()
        if self.batches is not None:
            self.batches.take()

    def _taken(self, batch: Batch, before: State) -> State:
        ranges = batch.ranges()
        if not ranges:
            return msgspec.structs.replace(before, batch=batch.number)
        lanes = batch.lanes(self.out.views)
        segments, dealt = self.waiting.segments, deal(ranges, lanes.count, lane_of)
        take = Take(self.client, lanes, self.out.views, dealt, segments, before.watermark, batch.number)
        taken = reports(_tasks(batch, lanes.count), take)
        batch.wrote(self.out.views, lanes, [one.written for one in taken])
        watermark = max(before.watermark, *(one.newest - self.lateness for one in taken))
        new = tuple(one.segment for one in taken if one.segment)
        rows = before.rows + sum(one.views for one in taken)
        return State(batch.number, watermark, before.batches + new, before.parts, rows)

    def _closed(self, batch: Batch, before: State, state: State) -> State:
        if state.until == before.until and len(state.batches) <= MOST:
            return state
        aggregates, sessions = self.out.aggregates, self.out.sessions
        through = state.until * 1000 + 1
        lanes = batch.lanes(sessions, {(sessions, 0): through}, PARTS)
        close = Close(self.waiting.segments, state, before.until, self.gap, lanes, sessions)
        closed = reports(_tasks(batch, PARTS), close)
        batch.wrote(sessions, lanes, [one.written for one in closed])
        lanes = batch.lanes(aggregates, {(aggregates, 0): through}, PARTS)
        tell = Tell(self.waiting.segments, tuple(one.sums for one in closed), lanes, aggregates)
        batch.wrote(aggregates, lanes, reports(_tasks(batch, PARTS), tell))
        left, rows = tuple(one.left for one in closed), sum(one.rows for one in closed)
        return State(state.batch, state.watermark, (), left, rows)


def service(settings: ViewSettings) -> Service:
    """The service, put together."""
    client = client_options(settings)
    batches = Batches(settings.batches_dir, settings.batch_events, client) if settings.batches_dir else None
    waiting = Waiting(settings.checkpoint_dir)
    views = PageViews(client, settings.session_gap, settings.views_lateness, waiting, batches, Out())
    flow = Flow("views", [READS], views.apply)
    folder = settings.page_views_dir
    drop = DropFolder(folder, client, settings.topic_replication) if folder else None
    lake = Lake.of(settings) if settings.lake_uri else None
    loader = Loader(lake, client, settings.secret, settings.tables_interval) if lake else None

    def prepare(_: SparkSession) -> None:
        if loader:
            loader.begin()
        if drop:
            drop.begin()

    return Service(
        "page-views",
        [flow],
        writes=Out(),
        packages=["page_views"],
        tasks=["page_views.taking", "page_views.closing"],
        needs=[("the lakehouse", lake.probe)] if lake else [],
        prepare=prepare,
        jvm=JVM,
        finish=loader.take if loader else None,
        watch=(lambda told: Watch(loader, told)) if loader else None,
        watch_interval=WATCH,
    )


def _tasks(batch: Batch, count: int) -> DataFrame:
    return batch.frame.sparkSession.range(0, count, 1, count)
