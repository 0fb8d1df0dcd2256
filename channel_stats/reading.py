"""The Avro of a topic, record by record, without Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from channel_stats.latest import Period
from channel_stats.registry import AWAY, Registry
from channel_stats.schemas import Schema, versions
from channel_stats.wire import Decoder, Told
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Range, Read, read
from pipeline.kafka.topics import Topics
from pipeline.runtime.errors import Rejected
from pipeline.runtime.starting import PATIENCE, wait_for
from pipeline.runtime.stopping import StopSignal

PAUSE: Final = 1.0
"""Seconds between two looks at what has come."""
FOR_EVER: Final = float("inf")


class Stopped(Exception):
    """A stop was asked for while the registry was waited for."""


class Item(NamedTuple):
    """A record, and what it says, or why that cannot be told."""

    record: Read
    told: Told | None
    rejected: Rejected | None


@dataclass(frozen=True)
class Reader:
    """Reads the topic of a period. `client`: Kafka's."""

    client: Mapping[str, Any] = field(repr=False)
    topics: Topics
    registry: Registry
    period: Period

    def answers(self, stop: StopSignal, *, follow: bool = False) -> bool:
        """Wait for the registry, with `follow` however long it is away. False if stopped.

        Raises `Fatal` where it stays away, `Halted` where it is another one, which would know no schema of any record.
        """
        first = versions(self.period.name)[0]
        return wait_for(AWAY, lambda: self.registry.id_of(self.period.name, first), stop, _patience(follow))

    def pieces(self, stop: StopSignal, *, follow: bool = False) -> Iterator[Iterator[Item]]:
        """All that the topic holds now, each partition's in order; with `follow`, then what has come since, until
        `stop`. A schema that is not known yet is asked for as in `answers`.

        Each piece is to be read before the next one is asked for. Raises `Transient`, also while there is no such
        topic, `Halted`, `Fatal`, `TaskDied`, and so do the pieces.
        """
        decode = Decoder(self.period, partial(self._schema, stop, _patience(follow))).decode
        through: dict[Place, int] = {}
        while True:
            ranges = self._since(through)
            through |= {place: one.end for place, one in ranges.items()}
            yield self._items(ranges, decode, stop)
            if not follow or stop.wait(PAUSE):
                return

    def _items(
        self, ranges: Mapping[Place, Range], decode: Callable[[bytes | None], Told], stop: StopSignal
    ) -> Iterator[Item]:
        for record in read(self.client, ranges):
            if stop.wait(0):
                return
            try:
                item = _item(record, decode)
            except Stopped:
                return
            yield item

    def _schema(self, stop: StopSignal, seconds: float, schema_id: int) -> Schema | None:
        found: list[Schema | None] = []
        if not wait_for(AWAY, lambda: found.append(self.registry.schema(schema_id)), stop, seconds):
            raise Stopped
        return found[0]

    def _since(self, through: Mapping[Place, int]) -> dict[Place, Range]:
        """What the topic holds and has not been read."""
        places = self.topics.existing([self.period.name])[self.period.name].places
        begins, ends = self.topics.earliest(places), self.topics.latest(places)
        found = {place: Range(max(begins[place], through.get(place, 0)), ends[place]) for place in places}
        return {place: one for place, one in found.items() if one.begin < one.end}


def _patience(follow: bool) -> float:
    return FOR_EVER if follow else PATIENCE


def _item(record: Read, decode: Callable[[bytes | None], Told]) -> Item:
    try:
        return Item(record, decode(record.value), None)
    except Rejected as rejected:
        return Item(record, None, rejected)
