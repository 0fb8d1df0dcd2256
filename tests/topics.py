"""Topics of a Kafka broker: made, filled and read, for tests and demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from tests.kafka import admin

WITHIN = 30.0
"""Seconds until the broker has to have done what it is asked."""


class Sent(NamedTuple):
    """What to put into a topic; `partition` None leaves it to the key."""

    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    timestamp: int | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Found(NamedTuple):
    """A record that lies in a topic; `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Mapping[str, bytes | None]


def create(bootstrap: str, topics: Mapping[str, int], config: Mapping[str, str] = {}) -> None:
    """Make topics, by name their number of partitions, and wait until each has its leaders."""
    client = admin(bootstrap)
    wanted = [NewTopic(name, partitions, 1, config=dict(config)) for name, partitions in topics.items()]
    for done in client.create_topics(wanted, operation_timeout=WITHIN).values():
        done.result()


def delete(bootstrap: str, topics: Iterable[str]) -> None:
    """Delete topics."""
    client = admin(bootstrap)
    for done in client.delete_topics(list(topics), operation_timeout=WITHIN).values():
        done.result()


def produce(bootstrap: str, topic: str, records: Iterable[Sent | bytes], **settings: str | int) -> None:
    """Put records, and wait until each is acknowledged. KafkaException where one is not. `settings`: librdkafka's."""
    failed: list[KafkaError] = []
    client = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 5, **{n.replace("_", "."): v for n, v in settings.items()}}
    )

    def told(error: KafkaError | None, _: object) -> None:
        if error is not None:
            failed.append(error)

    for record in records:
        sent = record if isinstance(record, Sent) else Sent(record)
        while True:
            try:
                client.produce(
                    topic,
                    value=sent.value,
                    key=sent.key,
                    partition=-1 if sent.partition is None else sent.partition,
                    timestamp=sent.timestamp or 0,
                    headers=list(sent.headers),
                    on_delivery=told,
                )
                break
            except BufferError:
                client.poll(0.1)
        client.poll(0)
    if client.flush(WITHIN):
        raise KafkaException(KafkaError._TIMED_OUT)
    if failed:
        raise KafkaException(failed[0])


def read(bootstrap: str, topic: str, *, committed: bool = True) -> list[Found]:
    """All that lies in a topic now, partition by partition, in order; `committed`: without open and aborted work."""
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": "tests.topics",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed" if committed else "read_uncommitted",
    }
    found: list[Found] = []
    consumer = Consumer(settings)
    try:
        known = consumer.list_topics(topic, timeout=WITHIN).topics[topic]
        if known.error is not None:
            raise KafkaException(known.error)
        open_ends = set(known.partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in open_ends])
        while open_ends:
            message = consumer.poll(WITHIN)
            if message is None:
                raise KafkaException(KafkaError._TIMED_OUT)
            error = message.error()
            if error is None:
                found.append(_found(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                open_ends.discard(message.partition() or 0)
            else:
                raise KafkaException(error)
    finally:
        consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def _found(message: Message) -> Found:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise KafkaException(KafkaError._BAD_MSG)
    headers: Any = dict(message.headers() or [])
    return Found(topic, partition, offset, message.key(), message.value(), message.timestamp()[1], headers)
