"""A lane as one process holds it: a transactional producer, and the marks of what is out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from pipeline.kafka.errors import by_fate
from pipeline.kafka.patience import within
from pipeline.kafka.places import Place
from pipeline.runtime.errors import Transient
from pipeline.runtime.retries import retried

PATIENCE = 30.0
"""Seconds that the brokers may take for a call; then the batch is tried again."""
END = 15.0
"""Seconds that the end of a transaction may take, once its rows are with the brokers."""
TRANSACTION = 120
"""Seconds after which the brokers abort the transaction of a producer that has died: so long others wait at most."""
TO_ALL = {"enable.sparse.connections": False}
"""Connect to all brokers at once. Else a client asks for a coordinator before any connection is up, every other time,
and looks again half a second later: a lane that another process had written was taken over in 0.11 to 0.6 s, and is in
0.02 s.
"""
PRODUCER = {
    **TO_ALL,
    "transaction.timeout.ms": TRANSACTION * 1000,
    "linger.ms": 20,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",  # as Java's producers deal keys to partitions
    "message.max.bytes": 1_000_000_000,  # the topic's own limit counts
    "queue.buffering.max.messages": 400_000,
    "queue.buffering.max.kbytes": 1_048_576,
}
MOST_ROWS, MOST_BYTES = 200_000, 32 << 20
"""What a producer holds before it is waited for: far from its own limits, beyond which it would lose the order."""

PIECE_ROWS, PIECE_BYTES = 1000, 4 << 20


class Row(NamedTuple):
    """What to write, and the place of the record that it comes from.

    `to`: the topic it goes to. `kind`: what it is counted as, "" for one that is no letter.
    """

    to: str
    key: bytes | None
    value: bytes | None
    topic: str
    partition: int
    offset: int
    headers: Sequence[tuple[str, bytes]] = ()
    kind: str = ""


@dataclass(frozen=True)
class Mark:
    """Everything before `offset` is out. `identity`: of the topic that is meant; `run`: of the driver that said so."""

    offset: int
    identity: str
    run: str

    @classmethod
    def read(cls, at: TopicPartition) -> Mark:
        """The mark that a group's offset is."""
        identity, _, run = (at.metadata or "").partition(" ")
        return cls(at.offset, identity, run)

    def at(self, place: Place) -> TopicPartition:
        """The group's offset that this is."""
        return TopicPartition(*place, self.offset, f"{self.identity} {self.run}")


class Lane:
    """Made where this process is to write to the lane `name`: shuts out whoever had it. Raises `PipelineError`.

    `topic`: one that is there.
    """

    def __init__(self, name: str, client: Mapping[str, Any], topic: str) -> None:
        self._name = name
        self._marks: dict[Place, Mark] = {}
        self._asked: set[Place] = set()
        self._held_rows = self._held_bytes = 0
        with by_fate(f"lane {name}"):
            self._producer = Producer({**client, **PRODUCER, "transactional.id": name})
            self._producer.list_topics(topic, PATIENCE)  # before any broker has answered, there is no coordinator
            self._producer.init_transactions(PATIENCE)
            # An administrator could ask a group too, but crashes the process where the group's coordinator is moving.
            self._consumer = Consumer({**client, **TO_ALL, "group.id": name})
            self._group = self._consumer.consumer_group_metadata()

    def marks(self, places: Iterable[Place]) -> Mapping[Place, Mark]:
        """What is out of these partitions, where something is. Raises `PipelineError`."""
        new = [place for place in places if place not in self._asked]
        if new:
            found = retried(partial(self._committed, new), _heals, PATIENCE, what=f"marks of lane {self._name}")
            self._marks.update({(at.topic, at.partition): Mark.read(at) for at in found if at.offset >= 0})
            self._asked.update(new)
        return self._marks

    def _committed(self, places: Sequence[Place]) -> list[TopicPartition]:
        with by_fate(f"marks of lane {self._name}"):
            return self._consumer.committed([TopicPartition(*place) for place in places], PATIENCE)

    def write(self, rows: Iterable[Row], marks: Mapping[Place, Mark]) -> None:
        """Rows and marks, both or none. After a `PipelineError` this lane is of no use any more."""
        with by_fate(f"lane {self._name}"):
            self._producer.begin_transaction()
            for to, some in groupby(rows, _target):
                self._produce(to, some)
            offsets = [mark.at(place) for place, mark in marks.items()]
            self._flush()
            within(END, partial(self._end, offsets), f"lane {self._name}")
        self._marks.update(marks)
        self._held_rows = self._held_bytes = 0

    def _flush(self) -> None:
        if self._producer.flush(PATIENCE):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def _end(self, offsets: list[TopicPartition]) -> None:
        self._producer.send_offsets_to_transaction(offsets, self._group, PATIENCE)
        self._producer.commit_transaction(PATIENCE)

    def _produce(self, to: str, rows: Iterator[Row]) -> None:
        for chunk, size in _cut(rows):
            self._make_room(len(chunk), size)
            if any(row.headers for row in chunk):
                for row in chunk:
                    self._producer.produce(to, row.value, row.key, headers=list(row.headers))
            else:
                self._produce_at_once(to, [{"value": row.value, "key": row.key} for row in chunk])

    def _produce_at_once(self, to: str, messages: list[dict[str, Any]]) -> None:
        if self._producer.produce_batch(to, messages) < len(messages):
            raise KafkaException(next((m["_error"] for m in messages if "_error" in m), KafkaError(KafkaError._FAIL)))

    def _make_room(self, rows: int, size: int) -> None:
        if self._held_rows and (self._held_rows + rows > MOST_ROWS or self._held_bytes + size > MOST_BYTES):
            self._flush()
            self._held_rows = self._held_bytes = 0
        self._held_rows += rows
        self._held_bytes += size


def _heals(error: Exception) -> bool:
    return isinstance(error, Transient)


def _target(row: Row) -> str:
    return row.to


def _cut(rows: Iterable[Row]) -> Iterator[tuple[list[Row], int]]:
    """Rows in pieces, and how many bytes each has: about so many as go well into one call."""
    piece: list[Row] = []
    size = 0
    for row in rows:
        piece.append(row)
        size += len(row.value or b"") + len(row.key or b"")
        if len(piece) == PIECE_ROWS or size >= PIECE_BYTES:
            yield piece, size
            piece, size = [], 0
    if piece:
        yield piece, size
