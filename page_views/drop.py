"""The drop folder: each line of a file becomes a record of `page_views_raw`, once.

A file is put in pieces, each in a transaction, together with a mark: how many lines of this file (name, size, SHA-256)
are in, and whether that is all. Marks lie in a compacted topic of their own. Whoever begins shuts out whoever did
so before, and then reads the marks: a file that is marked as done does nothing, one that is half in goes on behind its
last line. Files are left where they are.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from page_views.lines import Broken, Changed, Identity, ViewFile, is_view_file
from page_views.names import BAD_FILE, FAULT, FILE, FILES, READS
from page_views.view import clean
from pipeline.kafka.lane import Lane, Row
from pipeline.kafka.reading import EARLIEST, Range, read
from pipeline.kafka.topics import Topics
from pipeline.runtime.background import GoingOn
from pipeline.runtime.errors import Fatal, Halted, Transient
from pipeline.runtime.retries import retried

EVERY: Final = 1.0
"""Seconds between two looks into the folder."""
PIECE: Final = 50_000
"""Lines of a transaction."""
PATIENCE: Final = 60.0
"""Seconds that the first look may be in vain."""
SETTLED: Final = 10.0
"""Seconds that a topic may take to be known to all brokers."""
CONFIG: Final = {"cleanup.policy": "compact"}

log = structlog.get_logger()


class Mark(NamedTuple):
    """How far a file is in the topic."""

    lines: int
    done: bool


class DropFolder:
    """`client`: Kafka's. `replication`: of the topic of marks, where that is missing. `topic`: where lines are put."""

    def __init__(self, folder: Path, client: Mapping[str, object], replication: int, topic: str = READS) -> None:
        self._folder, self._client, self._topic = folder, client, topic
        self._marks_topic = FILES.replace(READS, topic)
        self._topics, self._replication = Topics(client), replication
        self._lane: Lane | None = None
        self._marks: dict[Identity, Mark] = {}
        self._seen: dict[str, tuple[int, int, int]] = {}

    def begin(self) -> None:
        """Put all files that are there; then look again and again in the background. Raises `Fatal`."""
        try:
            retried(self.take, _heals, PATIENCE, what="the drop folder")
        except (Transient, Halted) as error:
            raise Fatal(f"PAGE_VIEWS_DIR {self._folder}: {error}") from error
        threading.Thread(target=self._go_on, name="drop folder", daemon=True).start()

    def take(self) -> int:
        """Put all files that are there, whole and new; how many. Raises `Transient`, `Halted`, `Fatal`."""
        taken = 0
        for path in self._there():
            try:
                with path.open("rb") as file:
                    taken += self._put(ViewFile(path.name, file))
            except FileNotFoundError:
                log.info("file is gone before it was read", file=path.name)
            except Changed:
                log.info("file is still being written", file=path.name)
                self._seen.pop(path.name, None)
            except OSError as error:
                self._seen.pop(path.name, None)
                raise Halted(f"{path.name}: {error.strerror}") from error
        return taken

    def _go_on(self) -> None:
        going_on, pause = GoingOn("the drop folder"), threading.Event()
        while not pause.wait(EVERY):
            try:
                with going_on:
                    self.take()
            except (Transient, Halted) as error:
                log.warning("files wait", folder=str(self._folder), reason=str(error))

    def _there(self) -> Iterator[Path]:
        """Files that are new or have changed since they were looked at, by name."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if is_view_file(path))
        except OSError as error:
            raise Halted(f"the folder cannot be read: {error.strerror}") from error
        for path in paths:
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            state = (found.st_ino, found.st_size, found.st_mtime_ns)
            if path.is_file() and self._seen.get(path.name) != state:
                self._seen[path.name] = state
                yield path

    def _put(self, file: ViewFile) -> bool:
        identity = file.identity()
        file.check()
        try:
            return self._put_as(identity, file)
        except (Transient, Halted):
            self._lane = None
            self._seen.pop(identity.name, None)
            raise

    def _put_as(self, identity: Identity, file: ViewFile) -> bool:
        lane = self._ours()
        mark = self._marks.get(identity, Mark(0, done=False))
        if mark.done:
            return False
        try:
            file.probe()
            rows = self._rows(identity.name, file, mark.lines)
        except Broken:
            rows = iter([self._fault(identity.name)])
        while not mark.done:
            piece = list(islice(rows, PIECE))
            file.check()
            last = max((row.offset for row in piece), default=mark.lines)
            mark = Mark(last, done=len(piece) < PIECE)
            lane.write([*piece, self._marking(identity, mark)], {})
            self._marks[identity] = mark
        log.info("file taken", file=identity.name, lines=mark.lines)
        return True

    def _rows(self, name: str, file: ViewFile, behind: int) -> Iterator[Row]:
        return (self._row(name, *line) for line in file.lines() if line[0] > behind)

    def _row(self, name: str, number: int, line: bytes) -> Row:
        user = line.partition(b",")[0].strip(b' "')
        return Row(self._topic, user, clean(line), "", 0, number, [(FILE, f"line {number} of {name}".encode())])

    def _fault(self, name: str) -> Row:
        return Row(self._topic, None, None, "", 0, 0, [(FILE, name.encode()), (FAULT, BAD_FILE.encode())])

    def _marking(self, identity: Identity, mark: Mark) -> Row:
        return Row(self._marks_topic, json.dumps(identity).encode(), json.dumps(mark).encode(), "", 0, 0)

    def _ours(self) -> Lane:
        """The lane, and all marks, once nobody else can set one."""
        if self._lane is None:
            self._topics.make([self._marks_topic], 1, self._replication, CONFIG)
            lane = Lane(f"page-views.{self._marks_topic}", self._client, self._marks_topic)
            self._marks = dict(self._found())
            self._lane = lane
        return self._lane

    def _found(self) -> Iterable[tuple[Identity, Mark]]:
        place = (self._marks_topic, 0)
        ends = retried(lambda: self._topics.latest([place]), _heals, SETTLED, what="a topic that was just made")
        end = ends[place]
        if end:
            for record in read(self._client, {place: Range(EARLIEST, end)}):
                yield Identity(*json.loads(record.key or b"")), Mark(*json.loads(record.value or b""))


def _heals(error: Exception) -> bool:
    return isinstance(error, Transient)
