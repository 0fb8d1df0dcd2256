"""The Avro of a topic, record by record, without Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from channel_stats.latest import Period
from channel_stats.registry import Registry
from channel_stats.schemas import versions
from channel_stats.wire import Decoder, Told
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Range, Read, read
from pipeline.kafka.topics import Topics
from pipeline.runtime.errors import Rejected
from pipeline.runtime.stopping import StopSignal

PAUSE: Final = 1.0
"""Seconds between two looks at what has come."""


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

    def probe(self) -> None:
        """Raises `Halted` where the registry is another one, which would know no schema of any record."""
        self.registry.id_of(self.period.name, versions(self.period.name)[0])

    def pieces(self, stop: StopSignal, *, follow: bool = False) -> Iterator[Iterator[Item]]:
        """All that the topic holds now, each partition's in order; with `follow`, then what has come since, until
        `stop`.

        Each piece is to be read before the next one is asked for. Raises `Transient`, also while there is no such
        topic, `Halted`, `TaskDied`, and so do the pieces.
        """
        decode = Decoder(self.period, self.registry.schema).decode
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
            yield _item(record, decode)

    def _since(self, through: Mapping[Place, int]) -> dict[Place, Range]:
        """What the topic holds and has not been read."""
        places = self.topics.existing([self.period.name])[self.period.name].places
        begins, ends = self.topics.earliest(places), self.topics.latest(places)
        found = {place: Range(max(begins[place], through.get(place, 0)), ends[place]) for place in places}
        return {place: one for place, one in found.items() if one.begin < one.end}


def _item(record: Read, decode: Callable[[bytes | None], Told]) -> Item:
    try:
        return Item(record, decode(record.value), None)
    except Rejected as rejected:
        return Item(record, None, rejected)
