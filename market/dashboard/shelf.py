"""What is known of the database, kept for all viewers: a book per symbol that somebody looks at.

One thread reads: every `PAUSE` seconds what has changed of the symbols that were asked for lately, and nothing where
nobody looks. Viewers get what is known, and never wait for the database, except for a symbol that is asked for first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from market.dashboard.book import Book
from market.dashboard.source import Source
from pipeline.runtime.background import GoingOn
from pipeline.runtime.errors import PipelineError, Transient
from pipeline.runtime.stopping import StopSignal

PAUSE: Final = 0.5
"""Seconds between two looks; a page asks every 0.8 s, so a document is shown within 2 s."""
LOOKED_AT: Final = 15.0
"""Seconds for which a symbol is read after it was asked for."""
FORGOTTEN: Final = 300.0
"""Seconds after which a book that nobody asks for is dropped."""
LISTED: Final = 5.0
"""Seconds between two looks at which collections there are."""
SETTLED: Final = 30.0
"""Seconds after which no more documents of a version are expected."""
CHECKED: Final = 30.0
"""Seconds after which a book is held against the versions of all documents: some may have gone, or come late."""
FIRST: Final = 3.0
"""Seconds that an answer waits for a book that is read for the first time."""
STUCK: Final = 120.0
"""Seconds without a look, then the process is not healthy; a database that is away takes up to 30 to say so."""

STARTING, ANSWERS, AWAY, REFUSES = "starting", "answers", "away", "refuses"

log = structlog.get_logger()


class Standing(msgspec.Struct, frozen=True):
    """How it stands with the database. `since`: seconds since the epoch."""

    state: str
    since: float
    why: str = ""


@dataclass
class _Kept:
    """What is known of a symbol.

    Moments, in the clock's seconds: it was asked for, held against the database (`checked`), got a later version
    (`moved`), and changed while it was watched (`heard`).
    """

    asked: float
    book: Book | None = None
    read: bool = False
    checked: float = 0.0
    moved: float = 0.0
    heard: float | None = None


@dataclass(frozen=True)
class Shown:
    """What there is of a symbol. `book`: None where it has no candles. `heard`: when it changed, in seconds."""

    book: Book | None
    heard: float | None


class Shelf:
    """Methods may be called by any thread. `chosen`: topics that may be shown; all of the database where it is empty.

    `clock`: seconds since the epoch.
    """

    def __init__(self, source: Source, chosen: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        self._source, self._chosen, self._clock = source, tuple(chosen), clock
        self._changed = threading.Condition()
        self._kept: dict[str, _Kept] = {}
        self._topics: tuple[str, ...] = tuple(chosen)
        self._standing = Standing(STARTING, clock())
        self._listed = 0.0
        self._turned = clock()
        self._figures: dict[str, None] = {}

    @property
    def standing(self) -> Standing:
        """Of the database."""
        return self._standing

    @property
    def topics(self) -> tuple[str, ...]:
        """Those that may be shown."""
        return self._topics

    @property
    def figures(self) -> list[str]:
        """The names of all figures that were seen, prices aside."""
        return list(self._figures)

    @property
    def alive(self) -> bool:
        """Whether the thread that reads gets on."""
        return self._clock() - self._turned < STUCK

    @property
    def ready(self) -> bool:
        """Whether the database has answered yet."""
        return self._listed > 0

    @contextmanager
    def open(self, topics: Sequence[str]) -> Iterator[dict[str, Shown]]:
        """What there is of those of `topics` that may be shown and were read; nothing changes within."""
        with self._changed:
            wanted = [topic for topic in topics if topic in self._topics]
            for topic in wanted:
                self._kept.setdefault(topic, _Kept(0.0)).asked = self._clock()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._all_read(wanted), FIRST)
            kept = {topic: self._kept[topic] for topic in wanted}
            yield {topic: Shown(one.book, one.heard) for topic, one in kept.items() if one.read}

    def run(self, stop: StopSignal) -> None:
        """Look again and again, until a stop is asked for."""
        while not stop.wait(0):
            with GoingOn("dashboard"):
                self.look()
            self._turned = self._clock()
            with self._changed:
                self._changed.wait_for(lambda: not self._all_read(self._kept), PAUSE)

    def look(self) -> None:
        """Read what is due, once; what the database says of it becomes its standing."""
        now = self._clock()
        try:
            if now - self._listed >= LISTED or self._standing.state != ANSWERS:
                topics = self._source.topics()
                self._topics, self._listed = self._chosen or tuple(topics), now
            for topic, kept in self._due(now):
                self._read(topic, kept, now)
        except Transient as error:
            self._stands(AWAY, str(error))
        except PipelineError as error:
            self._stands(REFUSES, str(error))
        else:
            self._stands(ANSWERS)

    def _all_read(self, topics: Iterable[str]) -> bool:
        """Or the database does not say anything now."""
        away = self._standing.state in (AWAY, REFUSES)
        return away or all(self._kept[topic].read for topic in topics if topic in self._kept)

    def _due(self, now: float) -> list[tuple[str, _Kept]]:
        """Those to read. After a while without the database all of them are held against it."""
        with self._changed:
            for topic, one in list(self._kept.items()):
                if now - one.asked > FORGOTTEN or topic not in self._topics:
                    del self._kept[topic]
                elif self._standing.state != ANSWERS:
                    one.checked = 0.0
            return [(topic, one) for topic, one in self._kept.items() if now - one.asked < LOOKED_AT]

    def _stands(self, state: str, why: str = "") -> None:
        if state != self._standing.state:
            log.info("database", state=state, reason=why)
            with self._changed:
                self._standing = Standing(state, self._clock(), why)
                self._changed.notify_all()

    def _read(self, topic: str, kept: _Kept, now: float) -> None:
        if kept.book is None:
            self._begin(topic, kept, now)
        elif now - kept.checked >= CHECKED:
            self._check(topic, kept, kept.book, now)
        else:
            again = now - kept.moved < SETTLED
            found = self._source.changed(topic, kept.book.first, kept.book.newest_version, again=again)
            self._take(kept, kept.book, found, now)

    def _begin(self, topic: str, kept: _Kept, now: float) -> None:
        first = self._source.beginning(topic)
        book = None if first is None else Book(first)
        if first is not None and book is not None:
            book.take(self._source.documents(topic, first))
            self._figures.update(dict.fromkeys(book.figures))
        with self._changed:
            if kept.read and (kept.book, book) != (None, None):
                kept.heard = now
            kept.book, kept.read = book, True
            kept.checked = kept.moved = now
            self._changed.notify_all()

    def _check(self, topic: str, kept: _Kept, book: Book, now: float) -> None:
        """Documents that have gone, days that have passed: a new book. Documents that were overlooked: read now."""
        first = self._source.beginning(topic)
        found = self._source.versions(topic, book.first)
        known = book.versions
        if first != book.first or not known.keys() <= found.keys():
            self._begin(topic, kept, now)
            return
        kept.checked = now
        if overlooked := [day for day, version in found.items() if known.get(day) != version]:
            self._take(kept, book, self._source.these(topic, overlooked), now)

    def _take(self, kept: _Kept, book: Book, documents: Sequence[dict[str, object]], now: float) -> None:
        before = book.newest_version
        with self._changed:
            if book.take(documents):
                kept.heard = now
                self._figures.update(dict.fromkeys(book.figures))
            if book.newest_version != before:
                kept.moved = now
