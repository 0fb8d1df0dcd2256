"""What a task does with the records of a batch: views and letters to their topics, and what waits to a segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from page_views import keys
from page_views.names import BAD_FILE, FAULT, FILE
from page_views.segment import Segments, Views
from page_views.sessions import Seen
from page_views.view import View, clean, read, told
from pipeline.kafka.lane import Row
from pipeline.kafka.lanes import Lanes, Written
from pipeline.kafka.letters import letter
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Dealt, Range, Read
from pipeline.kafka.reading import read as records
from pipeline.runtime.errors import Rejected

MOST_LETTERS, MOST_BYTES = 1_000, 8 << 20
"""Letters that are put off, so that views are sent many at once."""


class Taken(NamedTuple):
    """What came of a task's records. `views`: how many wait in the segment. `newest`: the newest view's time, in
    seconds; 0 where there is none.
    """

    written: Written
    segment: str
    views: int
    newest: int


@dataclass(frozen=True)
class Take:
    """Task n takes what is dealt to it, and writes to lane n, views to `topic`.

    `client`: Kafka's. `watermark`: in seconds; views before it are late. `batch`: its number.
    """

    client: Mapping[str, object] = field(repr=False)
    lanes: Lanes
    topic: str
    dealt: Dealt
    segments: Segments
    watermark: int
    batch: int

    def __call__(self, number: int, _: object) -> Taken:
        views = Views()
        written = self.lanes.write(number, self._rows(self.dealt[number], views))
        segment = self.segments.write(self.batch, str(number), views.parts()) if views.number else ""
        return Taken(written, segment, views.number, views.newest)

    def _rows(self, ranges: Mapping[Place, Range], views: Views) -> Iterator[Row]:
        letters = _PutOff()
        for record in records(self.client, ranges, headers=True):
            try:
                view = taken(record, self.watermark)
            except Rejected as rejected:
                yield from letters.and_now(_letter(record, rejected))
                continue
            user = view.user.encode()
            views.add(user, seen(view))
            yield Row(self.topic, user, told(view), record.topic, record.partition, record.offset)
        yield from letters.rest


def lane_of(place: Place) -> int:
    """A partition always to the same lane, whose marks know what is out of it."""
    return place[1]


def taken(record: Read, watermark: int) -> View:
    """The view of a record. Raises `Rejected`."""
    if record.headers and _header(record, FAULT) == BAD_FILE:
        raise Rejected(BAD_FILE)
    view = read(record.value, record.timestamp)
    if view.time < watermark:
        raise Rejected("late", "time")
    return view


def seen(view: View) -> Seen:
    """A view as windows and sessions need it."""
    found = view.address
    source, _ = keys.source(found.utm_source, found.utm_medium, found.utm_campaign, found.referrer_host)
    browser, _ = keys.browser(view.browser, view.os, view.screen)
    return Seen(view.user, view.time, found.path, found.utm_source, found.utm_medium, source, browser)


def _letter(record: Read, rejected: Rejected) -> Row:
    came = None if record.value is None else clean(record.value)
    told = (rejected.reason, rejected.detail or None, _header(record, FILE))
    return letter(record.key, came, record.topic, record.partition, record.offset, record.timestamp, *told)


def _header(record: Read, name: str) -> str | None:
    return next(
        (value.decode(errors="replace") for key, value in record.headers if key == name and value is not None), None
    )


class _PutOff:
    """Letters that are not sent yet."""

    def __init__(self) -> None:
        self.rest: list[Row] = []
        self._bytes = 0

    def and_now(self, one: Row) -> list[Row]:
        """One more, and all of them once they are many."""
        self.rest.append(one)
        self._bytes += len(one.value or b"")
        if len(self.rest) < MOST_LETTERS and self._bytes < MOST_BYTES:
            return []
        due, self.rest, self._bytes = self.rest, [], 0
        return due
