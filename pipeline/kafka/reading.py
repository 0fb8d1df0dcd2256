"""Reading known ranges of many partitions at once, in one process, with one consumer that is kept.

Spark's own source has a consumer for each partition, and makes it anew where there are more than 64: with thousands of
topics that takes minutes. This one asks each broker for all of its partitions together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.kafka.errors import by_fate, told
from pipeline.kafka.places import Place
from pipeline.runtime.errors import TaskDied, Transient

PATIENCE = 30.0
"""Seconds that the brokers may take for the next records."""
AT_ONCE = 1_000
EARLIEST = -2
"""As a begin: the first record that the partition still holds."""
CONSUMER = {
    "group.id": "ranges",  # which nothing is ever committed to
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "auto.offset.reset": "error",
    "queued.max.messages.kbytes": 16_384,
    "fetch.wait.max.ms": 100,
}
GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})


class Range(NamedTuple):
    """From an offset, or `EARLIEST`, to the one that it ends before."""

    begin: int
    end: int


Dealt = Sequence[Mapping[Place, Range]]
"""By a task's number, where its records lie."""


class Read(NamedTuple):
    """A record; `timestamp`: its own, in ms, not above 0 where it has none. `headers`: where they were asked for."""

    key: bytes | None
    value: bytes | None
    topic: str
    partition: int
    offset: int
    timestamp: int
    headers: Sequence[tuple[str, bytes | None]] = ()


def deal(ranges: Mapping[Place, Range], tasks: int, number: Callable[[Place], int]) -> Dealt:
    """Ranges to tasks. `number`: of a place; those whose number is the same go to one task, in each batch the same."""
    dealt: list[dict[Place, Range]] = [{} for _ in range(tasks)]
    for place, wanted in ranges.items():
        dealt[number(place) % tasks][place] = wanted
    return dealt


def read(client: Mapping[str, object], ranges: Mapping[Place, Range], *, headers: bool = False) -> Iterator[Read]:
    """All records of the ranges, without those of aborted transactions; each partition's in order.

    Raises `Transient`, `Halted`, and `TaskDied` where records are gone.
    """
    ends = {place: wanted.end for place, wanted in ranges.items()}
    if not ends:
        return
    with by_fate("reading records"):
        consumer = _consumer(tuple(sorted(client.items())))
        consumer.assign([TopicPartition(*place, _begin(wanted)) for place, wanted in ranges.items()])
        try:
            while ends:
                yield from _next(consumer, ends, headers)
        finally:
            consumer.unassign()


def headers_of(message: Message) -> Sequence[tuple[str, bytes | None]]:
    """A record's headers: none where the name of one is no UTF-8, of which the client tells no more."""
    try:
        told: Any = message.headers() or ()
    except (SystemError, UnicodeDecodeError):
        return ()
    return told  # type: ignore[no-any-return]


def _next(consumer: Consumer, ends: dict[Place, int], headers: bool) -> Iterator[Read]:
    """The next records; those partitions that are at their ends are taken out of `ends`."""
    found = consumer.consume(1, PATIENCE)
    if not found:
        raise Transient(f"reading records: none of {len(ends)} partitions within {PATIENCE:g} s")
    for message in (*found, *consumer.consume(AT_ONCE, 0)):  # which else would wait until it has as many
        place = (str(message.topic()), int(message.partition() or 0))
        error = message.error()
        if error is not None:
            _settle(error, place, ends)
            continue
        offset = int(message.offset() or 0)
        end = ends.get(place, 0)
        if offset < end:
            yield _record(message, place, offset, headers)
        if place in ends and offset >= end - 1:
            del ends[place]


def _settle(error: KafkaError, place: Place, ends: dict[Place, int]) -> None:
    if error.code() == KafkaError._PARTITION_EOF:
        ends.pop(place, None)
    elif error.code() in GONE:
        raise TaskDied(f"records of {place[0]} are gone that were to be read ({error.name()})")
    else:
        raise told(KafkaException(error), "reading records")


def _record(message: Message, place: Place, offset: int, headers: bool) -> Read:
    key: Any = message.key()
    value: Any = message.value()
    told = headers_of(message) if headers else ()
    return Read(key, value, *place, offset, message.timestamp()[1], told)


def _begin(wanted: Range) -> int:
    return OFFSET_BEGINNING if wanted.begin == EARLIEST else wanted.begin


@cache
def _consumer(options: tuple[tuple[str, Any], ...]) -> Consumer:
    return Consumer({**dict(options), **CONSUMER})
