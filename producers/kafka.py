"""Puts records into Kafka's topics, each once and in order, and knows afterwards where each one lies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from producers.made import Made

PATIENCE: Final = 60.0
"""Seconds after which a record that the brokers have not taken is given up."""
SLICE: Final = 0.1
"""Seconds to wait where a rate is kept and nothing is due, or the client has no room."""
LARGEST: Final = 1_048_588
"""Bytes of the largest batch that brokers take as they are set up."""


class DeliveryError(Exception):
    """The brokers have not taken a record. Says why."""


class Delivered(NamedTuple):
    """Where a record lies, and what it was meant to be."""

    topic: str
    partition: int
    offset: int
    kind: str


@dataclass
class Delivery:
    """What has been taken so far."""

    records: list[Delivered] = field(default_factory=list)
    errors: list[KafkaError] = field(default_factory=list)

    def heard(self, record: Made) -> Callable[[KafkaError | None, Message], None]:
        """What the client calls once the record is taken, or is not."""

        def told(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.errors.append(error)
            else:
                place = (message.topic() or record.topic, message.partition() or 0, message.offset() or 0)
                self.records.append(Delivered(*place, record.kind))

        return told


def deliver(
    client: Mapping[str, Any],
    records: Iterable[Made],
    *,
    rate: float | None = None,
    on_progress: Callable[[int], None] = lambda taken: None,
) -> list[Delivered]:
    """Put records, `rate` of them a second (None: as fast as it goes), until the brokers have taken every one.

    `client`: librdkafka's settings. `on_progress` hears how many have been taken so far. Raises `DeliveryError`.
    """
    options = {"enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5, "message.max.bytes": LARGEST}
    producer = Producer({**client, **options, "delivery.timeout.ms": int(PATIENCE * 1000)})
    delivery = Delivery()
    for record in _paced(records, rate):
        _produce(producer, record, delivery)
        producer.poll(0)
        on_progress(len(delivery.records))
        _check(delivery)
    while producer.flush(SLICE):
        on_progress(len(delivery.records))
        _check(delivery)
    _check(delivery)
    on_progress(len(delivery.records))
    return delivery.records


def abort(client: Mapping[str, Any], records: Iterable[Made], name: str) -> int:
    """Put records in a transaction that is aborted, so that nobody may read them; how many. Raises `DeliveryError`.

    `name`: of the transaction; two at once need two.
    """
    producer = Producer({**client, "transactional.id": name, "message.max.bytes": LARGEST})
    delivery = Delivery()
    try:
        producer.init_transactions(PATIENCE)
        producer.begin_transaction()
        for record in records:
            _produce(producer, record, delivery)
        producer.flush(PATIENCE)
        producer.abort_transaction(PATIENCE)
    except KafkaException as error:
        raise DeliveryError(f"no transaction: {error.args[0].str()}") from None
    _check(delivery)
    return len(delivery.records)


def _produce(producer: Producer, record: Made, delivery: Delivery) -> None:
    while True:
        try:
            producer.produce(record.topic, record.value, record.key, on_delivery=delivery.heard(record))
        except BufferError:  # its queue is full
            producer.poll(SLICE)
            _check(delivery)
        except KafkaException as error:
            raise DeliveryError(f"{record.topic}: {error.args[0].str()}") from None
        else:
            return


def _check(delivery: Delivery) -> None:
    if delivery.errors:
        raise DeliveryError(f"the brokers have not taken {len(delivery.errors):,} records: {delivery.errors[0].str()}")


def _paced(records: Iterable[Made], rate: float | None) -> Iterator[Made]:
    began = time.monotonic()
    for number, record in enumerate(records):
        while rate is not None and (early := number / rate - (time.monotonic() - began)) > 0:
            time.sleep(min(early, SLICE))
        yield record
