"""Topics into tables: each view, session and window becomes a row, once.

The tables are made of the topics, not of the stream's batches: those hold what is in effect, whatever is killed, and a
row for each second's batch would be a file for each second. How far a table is, it notes itself, with the rows
(`pipeline/lake/append.py`). What facts speak of is added before them, so that no fact speaks of nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from pyiceberg.catalog import Catalog

from page_views import rows, star
from page_views.dimension import Dimension
from page_views.keys import Secretive
from page_views.names import AGGREGATES, SESSIONS, VIEWS
from page_views.rows import Rows
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Range, Read, read
from pipeline.kafka.topics import Topic, Topics
from pipeline.lake.append import Note, append_once, noted
from pipeline.lake.errors import translated
from pipeline.lake.lake import Lake
from pipeline.lake.table import Table, ensure
from pipeline.runtime.background import GoingOn
from pipeline.runtime.errors import Fatal, Halted, PipelineError, Transient
from pipeline.runtime.retries import retried

AT_ONCE: Final = 100_000
"""Records of a commit, at most."""
PATIENCE: Final = 60.0
"""Seconds that making the tables may be in vain."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Feed:
    """From a topic to a table. `rows`: what becomes of records."""

    topic: str
    table: Table
    rows: Callable[[Sequence[Read], Secretive], Rows]


FEEDS: Final = (
    Feed(VIEWS, star.VIEWS, rows.views),
    Feed(SESSIONS, star.SESSIONS, rows.sessions),
    Feed(AGGREGATES, star.WINDOWS, rows.windows),
)


@dataclass
class State:
    """`whole`: when all was in the tables last, in monotonic seconds. `trouble`: what keeps them waiting, or "".

    `rows`: of facts and windows, that were added since the process began.
    """

    whole: float
    trouble: str = ""
    rows: int = 0


class Loader:
    """`client`: Kafka's. `secret`: of the keys of users. `every`: seconds between two looks at the topics."""

    def __init__(
        self, lake: Lake, client: Mapping[str, object], secret: str, every: float, feeds: Sequence[Feed] = FEEDS
    ) -> None:
        # Consumers are kept by what they are made of: this thread must not share one with the others.
        self._lake, self._client = lake, {**client, "client.id": "page-views-tables"}
        self._topics, self._secret = Topics(client), Secretive(secret)
        self._every, self._feeds = every, feeds
        self._dimensions = {table.name: Dimension(table) for table in star.DIMENSIONS}
        self._turn = threading.Lock()
        self._catalog: Catalog | None = None
        self.state = State(time.monotonic())

    def begin(self) -> None:
        """Make the tables; then look again and again in the background. Raises `Fatal`."""
        try:
            retried(lambda: ensure(self._lake, star.TABLES), _heals, PATIENCE, what="the lakehouse")
        except Transient as error:
            raise Fatal(f"the lakehouse {self._lake.uri}: {error}") from error
        threading.Thread(target=self._go_on, name="tables", daemon=True).start()

    def take(self) -> int:
        """Load all that the topics hold by now; how many rows. Raises `Transient`, `Halted`, `Fatal`."""
        with self._turn:
            before = self.state.rows
            try:
                self._catalog = self._catalog or self._lake.catalog()
                for feed in self._feeds:
                    self._load(self._catalog, feed)
            except PipelineError as error:
                self.state.trouble = str(error)
                raise
            self.state.whole, self.state.trouble = time.monotonic(), ""
            return self.state.rows - before

    def _go_on(self) -> None:
        going_on, pause = GoingOn("the tables"), threading.Event()
        while not pause.wait(self._every):
            try:
                with going_on:
                    self.take()
            except (Transient, Halted, Fatal) as error:
                log.warning("tables wait", reason=str(error))

    def _load(self, catalog: Catalog, feed: Feed) -> None:
        while True:
            with translated():
                table = catalog.load_table(feed.table.name)
            topic = self._topics.existing([feed.topic])[feed.topic]
            note = noted(table, feed.topic, topic.identity)
            ranges = self._ranges(topic, note)
            if not ranges:
                return
            found = feed.rows(list(read(self._client, ranges)), self._secret)
            for name, some in found.dimensions.items():
                self._dimensions[name].add(catalog, some)
            through = note.through | {partition: one.end for (_, partition), one in ranges.items()}
            append_once(table, found.arrow(), feed.topic, Note(topic.identity, through))
            self.state.rows += len(found.facts)

    def _ranges(self, topic: Topic, note: Note) -> dict[Place, Range]:
        """What is to be read next, from as many partitions as there are, up to `AT_ONCE` records."""
        earliest, latest = self._topics.earliest(topic.places), self._topics.latest(topic.places)
        found, room = {}, AT_ONCE
        for place, end in latest.items():
            begin = note.through.get(place[1], 0)
            if begin < earliest[place]:
                log.warning(
                    "rows dropped before they were in a table", topic=topic.name, offsets=earliest[place] - begin
                )
                begin = earliest[place]
            if begin < end and room > 0:
                found[place] = Range(begin, min(end, begin + room))
                room -= found[place].end - begin
        return found


def _heals(error: Exception) -> bool:
    return isinstance(error, Transient)
