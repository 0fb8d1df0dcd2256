"""A record for Kafka as a producer makes it, and the order in which records are sent."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Made(NamedTuple):
    """A record to send. `kind`: what the producer meant it to be, for whoever reconciles afterwards."""

    topic: str
    key: bytes | None
    value: bytes | None
    kind: str


class Due(NamedTuple):
    """A record and its place in the order of sending; of equal places the one made first comes first."""

    at: float
    number: int
    record: Made


def in_order(streams: Iterable[Iterable[Due]]) -> Iterator[Made]:
    """The records of all streams, by place."""
    return (due.record for due in heapq.merge(*(sorted(stream) for stream in streams)))
