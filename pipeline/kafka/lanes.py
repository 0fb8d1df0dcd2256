"""The Kafka sink that writes once: lanes, each with a transaction of its own, and the marks of what is out.

Spark runs a batch again after a crash, whole, and a lost checkpoint brings all batches again. So rows are known by the
place of the record that they come from (their mark), and a lane commits, in the transaction that writes its rows, that
everything before an offset is out: as the offset of a consumer group of the lane's own. Whoever writes to the lane next
asks that group first and drops what is before. Rows are dealt to a constant number of lanes by their key.

Transactions of a lane have one id. Making a producer of it ends what a dead one left open, and shuts a living one out:
only then is the group asked. Workers are a pool, so the next batch's lane may be written by another process, whose
producer shuts this one's out: a process keeps a producer only as long as it wrote the batch before.

Two drivers shut each other's producers out. The marks say whose they are: who finds another's where its own should be
was overtaken, and ends.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from pipeline.kafka.lane import Lane, Mark, Row
from pipeline.kafka.places import Place
from pipeline.runtime.errors import Fatal

COUNT = 4
"""Lanes of an output. Never to be changed: rows that a dead batch had written already would be dealt to other lanes."""


class Overtaken(Fatal):
    """Another process runs the same service, and began after this one."""


class Written(NamedTuple):
    """What became of a lane's rows: written now, by kind, or dropped since they were out.

    `committed`: the marks say so now.
    """

    lane: int
    rows: Mapping[str, int]
    repeated: int
    committed: bool


@dataclass(frozen=True)
class Lanes:
    """One write to an output, as the tasks of a batch share it. Picklable.

    `name`: of service, flow and output; transactions and groups are called `<name>.<lane>-of-<count>`. `client`:
    settings of Kafka's client. `run`: this driver's own name. `number`: of this write among its writes to this output.
    `ours`: lanes that this driver has committed already, where nobody else's marks may be found. `identities`: of the
    topics that marks speak of; a mark of one that has been made anew since counts for nothing. `through`: everything
    before these places is out once this write has gone through. `settle`: also a lane without rows says
    so. `keep`: marks are committed that have not moved, too.
    """

    name: str
    client: Mapping[str, object] = field(repr=False)
    run: str
    number: int
    ours: frozenset[int]
    identities: Mapping[str, str]
    through: Mapping[Place, int]
    settle: bool
    keep: bool
    count: int = COUNT

    def of(self, key: bytes | None, topic: str, partition: int) -> int:
        """The lane of a row: by its key, or, where it has none, by the partition of its record."""
        return zlib.crc32(f"{topic}:{partition}".encode() if key is None else key) % self.count

    def write(self, lane: int, rows: Iterable[Row]) -> Written:
        """Write those of the lane's rows that are not out yet; once per lane and write, with all of its rows.

        They go out in the order they are given in. Raises `Transient` or `Halted` where that did not go through: the
        whole may be tried again, by a later write; `Overtaken` where this driver is to end.
        """
        numbered = iter(rows)
        first = next(numbered, None)
        if first is None and not self.settle:
            return Written(lane, {}, 0, committed=False)
        held = self._taken(lane)
        written = self._written(held, lane, chain([] if first is None else [first], numbered))
        _held[self._lane(lane)] = _Held(held, (self.run, self.number))
        return written

    def out(self, lane: int) -> Mapping[Place, int]:
        """The offsets before which everything is out that this lane is dealt, where something is; before `write`.

        For whoever keeps notes of what is out. Nobody else writes to the lane from here on, unless this driver is
        overtaken. Raises as `write` does.
        """
        held = self._taken(lane)
        marks = self._marks(held, lane)
        _held[self._lane(lane)] = _Held(held, (self.run, self.number - 1))
        return {place: mark.offset for place, mark in marks.items()}

    def _lane(self, lane: int) -> str:
        return f"{self.name}.{lane}-of-{self.count}"

    def _taken(self, lane: int) -> Lane:
        """The lane as this process has it from the write before, or anew."""
        held = _held.pop(self._lane(lane), None)
        if held is None or held.last != (self.run, self.number - 1):
            return Lane(self._lane(lane), self.client, next(iter(self.identities)))
        return held.lane

    def _marks(self, held: Lane, lane: int) -> dict[Place, Mark]:
        marks = {place: mark for place, mark in held.marks(self.through).items() if self._counts(place, mark)}
        if lane in self.ours and any(mark.run != self.run for mark in marks.values()):
            raise Overtaken(f"another process runs as {self.name} and has taken over: one of the two is too many")
        return marks

    def _written(self, held: Lane, lane: int, rows: Iterable[Row]) -> Written:
        marks = self._marks(held, lane)
        fresh = _Fresh(rows, {place: mark.offset for place, mark in marks.items()})
        wanted = {place: self._mark(place, offset, marks.get(place)) for place, offset in self.through.items()}
        held.write(fresh, {place: mark for place, mark in wanted.items() if self.keep or mark != marks.get(place)})
        return Written(lane, dict(fresh.passed), fresh.dropped, committed=True)

    def _counts(self, place: Place, mark: Mark) -> bool:
        return place in self.through and mark.identity == self.identities.get(place[0], "")

    def _mark(self, place: Place, offset: int, known: Mark | None) -> Mark:
        """The new mark, never behind the one that is known: after a lost checkpoint batches begin far behind."""
        return Mark(max(offset, known.offset if known else 0), self.identities.get(place[0], ""), self.run)


class _Held(NamedTuple):
    lane: Lane
    last: tuple[str, int]
    """The driver, and its write, that this was written for last."""


_held: dict[str, _Held] = {}
"""The lanes that this process wrote last, by name. One is taken out to be written, and after an error stays out."""


class _Fresh:
    """The rows that are not out yet, and how many there were of both kinds."""

    def __init__(self, rows: Iterable[Row], out: Mapping[Place, int]) -> None:
        self._rows, self._out = rows, out
        self.passed: Counter[str] = Counter()
        self.dropped = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            if row.offset < self._out.get((row.topic, row.partition), 0):
                self.dropped += 1
            else:
                self.passed[row.kind] += 1
                yield row
