"""Records into topics, each once and in order, with no transaction: what lies in a partition is how far one has come.

A record that the brokers have not taken yet is never given up, so none is left out that a later one follows: whoever
reads a topic's end knows that all before it is there. Ended in the midst of it, a process leaves a beginning behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.kafka.errors import told

SLICE: Final = 0.2
"""Seconds between two looks at whether all is taken."""
PRODUCER: Final = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "message.timeout.ms": 0,
    "linger.ms": 5,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",  # as Java's producers deal keys to partitions
}


class Sender:
    """After a `PipelineError` it is of no use any more. `client`: settings of Kafka's client."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._producer = Producer({**client, **PRODUCER})
        self._failed: list[KafkaError] = []

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """Hand a record over. Raises `Transient`, `Halted`."""
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=self._heard)
            except BufferError:  # its queue is full
                self._producer.poll(SLICE)
                self._check()
            except KafkaException as error:
                raise told(error, f"sending to {topic}") from None
            else:
                return

    def settle(self, meanwhile: Callable[[int], object] = lambda left: None) -> None:
        """Wait until the brokers have taken all, however long; `meanwhile` hears how many are left, and may raise.

        Raises `Transient`, `Halted`.
        """
        while left := self._producer.flush(SLICE):
            self._check()
            meanwhile(left)
        self._check()

    def _heard(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)

    def _check(self) -> None:
        if self._failed:
            raise told(KafkaException(self._failed[0]), "sending records")
