"""Files of batches: so many accepted views each, in the order of the offsets of `page_views`, numbered without a gap.

They are made of the topic, not of the stream's batches, so they hold what is in effect whatever is killed. A note in
their folder says how far they are, what the open one holds, and first, before anything is written, which records come
next: whoever begins again reads the same ones, partition after partition, and writes the same files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from page_views.names import VIEWS
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Range, read
from pipeline.kafka.topics import Topic, Topics
from pipeline.runtime.errors import Fatal, Halted

NOTE: Final = ".progress.json"

log = structlog.get_logger()


class Batch(msgspec.Struct):
    """A batch as far as it is there. `earliest`, `latest`: as views tell them."""

    views: int = 0
    earliest: str = ""
    latest: str = ""
    users: set[str] = msgspec.field(default_factory=set)

    def take(self, user: str, time: str) -> None:
        """One more view."""
        self.views += 1
        self.earliest = min(self.earliest or time, time)
        self.latest = max(self.latest, time)
        self.users.add(user)

    def told(self) -> bytes:
        """As others read it."""
        said = {"min date": self.earliest, "max date": self.latest, "unique users": len(self.users)}
        return msgspec.json.encode(said)


class Progress(msgspec.Struct):
    """`identity`: of the topic. `through`: partition → everything before is taken. `next`: to be taken first.

    `number`: of the open batch.
    """

    identity: str = ""
    through: dict[int, int] = msgspec.field(default_factory=dict)
    next: dict[int, Range] = msgspec.field(default_factory=dict)
    number: int = 1
    batch: Batch = msgspec.field(default_factory=Batch)


class _View(msgspec.Struct, rename="camel"):
    anonymous_user_id: str
    time: str


class Batches:
    """Files in `folder` of `size` views each. `client`: Kafka's. `topic`: of views."""

    def __init__(self, folder: Path, size: int, client: Mapping[str, object], topic: str = VIEWS) -> None:
        self._folder, self._size, self._client, self._topic = folder, size, client, topic
        self._topics = Topics(client)
        self._views = msgspec.json.Decoder(_View)

    def take(self) -> None:
        """Take all views that the topic holds by now. Raises `Transient`, `Halted`, `Fatal`."""
        progress = self._progress()
        topic = self._topics.existing([self._topic])[self._topic]
        if topic.identity != progress.identity:
            progress.identity, progress.through, progress.next = topic.identity, {}, {}
        self._take_next(progress)
        progress.next = self._ranges(topic, progress.through)
        if progress.next:
            self._note(progress)
            self._take_next(progress)

    def _take_next(self, progress: Progress) -> None:
        if not progress.next:
            return
        for partition, wanted in sorted(progress.next.items()):
            for record in read(self._client, {(self._topic, partition): wanted}):
                view = self._views.decode(record.value or b"{}")
                progress.batch.take(view.anonymous_user_id, view.time)
                if progress.batch.views >= self._size:
                    self._write(f"{progress.number}.json", progress.batch.told())
                    progress.number += 1
                    progress.batch = Batch()
            progress.through[partition] = wanted.end
        progress.next = {}
        self._note(progress)

    def _ranges(self, topic: Topic, through: Mapping[int, int]) -> dict[int, Range]:
        earliest, latest = self._topics.earliest(topic.places), self._topics.latest(topic.places)
        found = {
            place[1]: self._range(place, through.get(place[1], 0), earliest[place], latest[place]) for place in latest
        }
        return {partition: one for partition, one in found.items() if one.begin < one.end}

    def _range(self, place: Place, begin: int, earliest: int, latest: int) -> Range:
        if begin < earliest:
            log.warning("views dropped before they were in a file", partition=place[1], offsets=earliest - begin)
        return Range(max(begin, earliest), latest)

    def _progress(self) -> Progress:
        try:
            return msgspec.json.decode((self._folder / NOTE).read_bytes(), type=Progress)
        except FileNotFoundError:
            return Progress()
        except msgspec.MsgspecError:
            raise Fatal(f"{self._folder / NOTE} is not what this service writes there") from None
        except OSError as error:
            raise self._refused(error) from None

    def _note(self, progress: Progress) -> None:
        self._write(NOTE, msgspec.json.encode(progress))

    def _write(self, name: str, content: bytes) -> None:
        """Whole or not at all."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            new = self._folder / f".{name.removeprefix('.')}.new"
            with new.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._folder / name)
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> Halted:
        halted = Halted(f"BATCHES_DIR {self._folder}: {error.strerror}")
        halted.waits_for = "the folder of batches"
        return halted
