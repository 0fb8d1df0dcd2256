"""When records arrived, by looking at them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from pipeline.kafka.errors import by_fate
from pipeline.kafka.places import Place

LOOK = 3.0
"""Seconds that all partitions together may take to show their first record."""


def first_arrivals(client: Mapping[str, Any], positions: Mapping[Place, int]) -> dict[Place, int]:
    """When the first record at or after each position arrived, in ms since the epoch, where it is found in time.

    Raises `Transient`, `Halted`.
    """
    options = {"group.id": "lag", "enable.auto.commit": False, "max.partition.fetch.bytes": 4096}
    found: dict[Place, int] = {}
    if not positions:
        return found
    with by_fate("first records"), closing(Consumer({**client, **options})) as consumer:
        consumer.assign([TopicPartition(*place, offset) for place, offset in positions.items()])
        deadline = time.monotonic() + LOOK
        while len(found) < len(positions) and (left := deadline - time.monotonic()) > 0:
            message = consumer.poll(left)
            if message is None or message.error():
                continue
            place = (str(message.topic()), int(message.partition() or 0))
            if place not in found:
                found[place] = message.timestamp()[1]
                consumer.pause([TopicPartition(*place)])
    return found
