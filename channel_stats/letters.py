"""Letters of Avro that cannot be read, once, whoever stores it, however often and however many at the same time.

Who writes has a transactional producer by a name of the topic's letters, which shuts others out; then it looks which
letters lie there already, and writes the rest. One that was shut out in the midst of it begins again, and looks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from pipeline.kafka.lane import Lane, Row
from pipeline.kafka.letter_box import LetterBox
from pipeline.kafka.letters import ROOM, letters_of
from pipeline.kafka.reading import Read
from pipeline.kafka.topics import LARGEST, Topics
from pipeline.runtime.errors import Rejected, Transient
from pipeline.runtime.retries import retried

PATIENCE: Final = 120.0
"""Seconds that others who write letters of the same topic, and brokers, are waited for."""


class Unread(NamedTuple):
    """A record that cannot be read, and why."""

    record: Read
    why: Rejected


class Letters:
    """Those of a topic. `client`: Kafka's. Raises `Transient`, `Halted`, `Fatal`."""

    def __init__(self, client: Mapping[str, Any], topics: Topics, topic: str) -> None:
        self._client, self._topics, self._to = client, topics, letters_of(topic)
        self._name = f"channel-stats.store.{self._to}"
        self._box = LetterBox(self._name, client, topics, [self._to])
        self._topic = topic

    def write(self, unread: Sequence[Unread]) -> int:
        """Write those that are not there yet; how many."""
        if not unread:
            return 0
        self._make()
        return retried(partial(self._written, unread), _passes, PATIENCE, what=f"letters of {self._topic}")

    def _written(self, unread: Sequence[Unread]) -> int:
        lane = Lane(self._name, self._client, self._to)
        known = {letter.of for letter in self._box.all()}
        rows = [_row(self._to, one) for one in unread if (one.record.topic, *one.record[3:5]) not in known]
        if rows:
            lane.write(rows, {})
        return len(rows)

    def _make(self) -> None:
        largest = self._topics.largest([self._topic])[self._topic]
        source = self._topics.existing([self._topic])[self._topic]
        self._topics.make([self._to], source.partitions, source.replication, {LARGEST: str(largest + ROOM)})


def _row(to: str, one: Unread) -> Row:
    record = one.record
    said = {
        "reason": one.why.reason,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "field": one.why.detail or None,
    }
    headers = [(name, str(value).encode()) for name, value in said.items() if value is not None]
    return Row(to, *record[:5], headers, one.why.reason)


def _passes(error: Exception) -> bool:
    return isinstance(error, Transient)
