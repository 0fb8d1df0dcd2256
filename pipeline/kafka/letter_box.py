"""The letters that lie in topics, and sending their records back once the cause is mended.

What has been sent back is told by a topic of the service's own, compacted, so that nothing of it is forgotten: per
partition of letters and reason, the offset before which all letters of that reason are sent. It is written in the
transaction that sends, so a letter is sent back once, whoever is killed or does it twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from pipeline.kafka.errors import by_fate
from pipeline.kafka.lane import PRODUCER, TRANSACTION
from pipeline.kafka.letters import topic_of
from pipeline.kafka.reading import headers_of
from pipeline.kafka.topics import Topics

PATIENCE: Final = 30.0
AT_ONCE: Final = 500
"""Letters of one transaction."""
CONFIG: Final = {"cleanup.policy": "compact"}


class Letter(NamedTuple):
    """`at`: topic, partition and offset of the letter; `of`: those of its record. `arrived`: the record's, in ms."""

    at: tuple[str, int, int]
    of: tuple[str, int, int]
    key: bytes | None
    value: bytes | None
    reason: str
    field: str
    error: str
    arrived: int


class LetterBox:
    """Letters of a service. `names`: topics of letters. Methods raise `Transient`, `Halted`; `Fatal` as `Topics`."""

    def __init__(self, service: str, client: Mapping[str, Any], topics: Topics, names: Sequence[str]) -> None:
        self._client, self._topics, self._names = dict(client), topics, sorted(names)
        self._marks = f"{service}.letters-resent"
        self._id = f"{service}.letters-resend"

    def open(self) -> Iterator[Letter]:
        """Those that have not been sent back, partition by partition, in order."""
        return self._open(self._sent())

    def all(self) -> Iterator[Letter]:
        """Every letter that lies there, those that have been sent back as well."""
        return map(_letter, self._read(self._names))

    def _open(self, sent: Mapping[tuple[str, int, str], int]) -> Iterator[Letter]:
        for letter in self.all():
            if letter.at[2] >= sent.get((*letter.at[:2], letter.reason), 0):
                yield letter

    def resend(self, reason: str | None) -> Iterator[int]:
        """Send those of a reason, or all, back to their topics; how many, transaction by transaction."""
        self._topics.make([self._marks], 1, self._replication(), CONFIG)
        with by_fate("sending letters back"):
            producer = Producer({**self._client, **PRODUCER, "transactional.id": self._id})
            producer.init_transactions(PATIENCE)
        sent = self._sent()
        wanted = (letter for letter in self._open(sent) if reason in (None, letter.reason))
        for some in _in_pieces(wanted):
            with by_fate("sending letters back"):
                producer.begin_transaction()
                for letter in some:
                    origin = "/".join(map(str, letter.at)).encode()
                    producer.produce(
                        topic_of(letter.at[0]), letter.value, letter.key, headers=[("resent-from", origin)]
                    )
                for (topic, partition, why), end in _ends(some).items():
                    key = json.dumps([topic, partition, why])
                    producer.produce(self._marks, str(end), key)
                producer.commit_transaction(TRANSACTION)
            yield len(some)

    def _replication(self) -> int:
        """As many as the letters have."""
        return min((topic.replication for topic in self._topics.describe(self._names).values()), default=1)

    def _sent(self) -> dict[tuple[str, int, str], int]:
        told = {message.key(): message.value() for message in self._read([self._marks])}
        sent = {}
        for key, end in told.items():
            topic, partition, reason = json.loads(key or b"")
            sent[topic, int(partition), reason] = int(end or b"0")
        return sent

    def _read(self, names: Sequence[str]) -> Iterator[Message]:
        """All committed messages that lie in the topics now; a topic that does not exist has none."""
        places = [place for topic in self._topics.describe(names).values() for place in topic.places]
        begins, ends = self._topics.earliest(places), self._topics.latest(places)
        left = {place: ends[place] for place in places if begins[place] < ends[place]}
        options = {"group.id": self._id, "enable.auto.commit": False, "enable.partition.eof": True}
        if not left:
            return
        with by_fate("letters"), closing(Consumer({**self._client, **options})) as consumer:
            consumer.assign([TopicPartition(*place, begins[place]) for place in left])
            while left:
                message = consumer.poll(PATIENCE)
                if message is None:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
                place, error = (str(message.topic()), int(message.partition() or 0)), message.error()
                if error is None and place in left and int(message.offset() or 0) < left[place]:
                    yield message
                elif error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                if place in left and (error is not None or int(message.offset() or 0) + 1 >= left[place]):
                    del left[place]


def _letter(message: Message) -> Letter:
    headers = {header[0]: _text(header[1]) for header in headers_of(message)}
    at = (str(message.topic()), int(message.partition() or 0), int(message.offset() or 0))
    of = (headers.get("topic", ""), _number(headers.get("partition")), _number(headers.get("offset")))
    return Letter(
        at,
        of,
        message.key(),
        message.value(),
        headers.get("reason", ""),
        headers.get("field", ""),
        headers.get("error", ""),
        _number(headers.get("timestamp")),
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else -1


def _in_pieces(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    piece: list[Letter] = []
    for letter in letters:
        piece.append(letter)
        if len(piece) == AT_ONCE:
            yield piece
            piece = []
    if piece:
        yield piece


def _ends(letters: Iterable[Letter]) -> dict[tuple[str, int, str], int]:
    return {(*letter.at[:2], letter.reason): letter.at[2] + 1 for letter in letters}
