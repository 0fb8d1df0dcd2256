"""How far the notes on what a topic has told go: per lane and partition, the offset before which all of it is noted.

What is out goes to the topic first, and into the notes then. Where the process dies between the two, the marks of the
lane are ahead of these: what lies between them is read again, whatever batches come next, before anything else is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from channel_stats.harvest import read
from channel_stats.latest import Latest
from channel_stats.tables import AWAY, Tables, steadily
from pipeline.kafka.lanes import Lanes
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Range
from pipeline.kafka.reading import read as records
from pipeline.kafka.topics import Topics
from pipeline.mysql.database import Lane
from pipeline.runtime.errors import Rejected, waiting_for
from pipeline.runtime.slices import chunks

AT_ONCE: Final = 50_000
"""Records that are gathered before the notes take them."""

_ASKED: Final = "SELECT part, through FROM channel_stats_marks WHERE topic = %s AND lane = %s AND identity = %s"
_NOTED: Final = (
    "INSERT INTO channel_stats_marks (topic, lane, identity, part, through) VALUES (%s, %s, %s, %s, %s) "
    "ON DUPLICATE KEY UPDATE through = GREATEST(through, %s)"
)


@dataclass(frozen=True)
class Notes:
    """Those of a lane's channels. `lane`: one of `lanes`. Methods raise `PipelineError`."""

    tables: Tables
    lanes: Lanes
    lane: int

    def catch_up(self) -> None:
        """Take what is out and not noted: nothing, unless a process has died. From here on the notes are whole."""
        out = self.lanes.out(self.lane)
        noted = self._noted(out)
        behind = {place: end for place, end in out.items() if noted.get(place, 0) < end}
        if behind:
            for some in chunks(records(self.lanes.client, self._held(behind, noted)), AT_ONCE):
                latest = Latest()
                for record in some:
                    self._gather(latest, record.value, record.partition, record.offset)
                self.tables.put(latest.counts(), told=True)
            self.go_on(behind)

    def go_on(self, through: Mapping[Place, int]) -> None:
        """Everything before these places is noted by now."""
        with waiting_for(AWAY), closing(self.tables.lane()) as lane:
            steadily(partial(self._go_on, lane, through))

    def _held(self, behind: Mapping[Place, int], noted: Mapping[Place, int]) -> dict[Place, Range]:
        """What the topic still holds of what is to be noted."""
        earliest = Topics(self.lanes.client).earliest(behind)
        found = {place: Range(max(noted.get(place, 0), earliest[place]), end) for place, end in behind.items()}
        return {place: one for place, one in found.items() if one.begin < one.end}

    def _gather(self, latest: Latest, value: bytes | None, partition: int, offset: int) -> None:
        try:
            harvest = read(value)
        except Rejected:
            return
        if self.lanes.of(harvest.channel.encode(), "", 0) == self.lane:
            latest.harvested(self.tables.period, harvest, partition, offset)

    def _noted(self, places: Mapping[Place, int]) -> dict[Place, int]:
        found: dict[Place, int] = {}
        with waiting_for(AWAY), closing(self.tables.lane()) as lane:
            for topic in {topic for topic, _ in places}:
                found |= dict(steadily(partial(self._asked, lane, topic)))
        return found

    def _asked(self, lane: Lane, topic: str) -> Iterator[tuple[Place, int]]:
        of = (self.tables.period.name, self.lane, self.lanes.identities[topic])
        with lane.transaction() as transaction:
            rows = transaction.query(_ASKED, of)
        return (((topic, int(part)), int(through)) for part, through in rows)

    def _go_on(self, lane: Lane, through: Mapping[Place, int]) -> None:
        with lane.transaction() as transaction:
            for (topic, part), offset in sorted(through.items()):
                of = (self.tables.period.name, self.lane, self.lanes.identities[topic])
                transaction.execute(_NOTED, (*of, part, offset, offset))
            transaction.commit()
