"""Topics that are full before anything is clocked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests import topics
from tests.kafka import admin

OPENING, OPENING_UTC = datetime(2023, 8, 25, 9, 30), datetime(2023, 8, 25, 13, 30, tzinfo=UTC)
HARVESTED = datetime(2017, 1, 1)
FIRST_MS = 1_692_970_200_000
VIEWS_FROM = FIRST_MS // 1000
NAMES = 50
PIECE = 10_000


def trades(number: int) -> Iterator[bytes]:
    """A thousand a second, of `NAMES` names, up to two seconds out of order."""
    random = Random(number)
    for place in range(number):
        at = FIRST_MS + place + random.randrange(2_000)
        price, quantity = random.uniform(1, 500), random.randrange(1, 1000)
        yield f"S{random.randrange(NAMES)},SELL,{price:.2f},{quantity},{at},x".encode()


def views(number: int, each: int, seconds: int) -> Iterator[tuple[bytes, bytes]]:
    """By visitor, in so many seconds, up to two minutes out of order; `each`: views of one, who then leaves."""
    random = Random(number)
    for place in range(number):
        at = VIEWS_FROM + place * seconds // number + random.randrange(120)
        query = random.choice(("", "", "?utm_source=news&utm_medium=email", "?utm_source=google&utm_medium=cpc"))
        page = f"https://shop.example.org/products/{random.randrange(40)}{query}"
        visitor = place // (200 * each) * 200 + place % 200
        user = f"visitor-{visitor}".encode()
        yield user, b"%s,%s,%d,Chrome,Windows,1920x1080" % (user, page.encode(), at)


def candle(random: Random, minute: int) -> bytes:
    """The candle of a minute since the opening."""
    opening, closing = random.uniform(99, 101), random.uniform(99, 101)
    prices = {"open": opening, "high": max(opening, closing) + 1, "low": min(opening, closing) - 1, "close": closing}
    written = {name: f"{price:.2f}" for name, price in prices.items()}
    began = str(OPENING + timedelta(minutes=minute))
    return json.dumps({"datetime": began, **written, "volume": str(random.randrange(100_000))}).encode()


def candles(number: int) -> Iterator[bytes]:
    """Of one symbol, minute by minute."""
    random = Random(number)
    return (candle(random, minute) for minute in range(number))


def harvests(number: int, channels: int, hours: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value: of all channels in turn, each every so many hours, from 2017 on; subscribers grow, shuffled."""
    random = Random(number)
    subs = [random.randrange(10**6) for _ in range(channels)]
    order = list(range(channels))
    for turn in range(-(-number // channels)):
        random.shuffle(order)
        at = (HARVESTED + timedelta(hours=hours * turn)).isoformat()
        for channel in order[: number - turn * channels]:
            subs[channel] += random.randrange(100)
            name = f"channel-{channel}"
            value = f'{{"harvest_ts": "{at}", "subs": {subs[channel]}, "yt_channel_id": "{name}"}}'
            yield name.encode(), value.encode()


def make(bootstrap: str, names: Iterable[str], partitions: int = 1) -> None:
    """Make topics, and wait until clients see them: a broker opens the files of thousands one by one."""
    names = list(names)
    for first in range(0, len(names), 500):
        topics.create(bootstrap, dict.fromkeys(names[first : first + 500], partitions))
    client = admin(bootstrap)
    while not set(names) <= client.list_topics(timeout=60).topics.keys():
        time.sleep(0.5)


def settle(bootstrap: str, topic: str) -> None:
    """A transaction: a new broker takes a second to make the topics that it keeps transactions and groups in."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "first"})
    producer.init_transactions(60)
    producer.begin_transaction()
    group = Consumer({"bootstrap.servers": bootstrap, "group.id": "first"}).consumer_group_metadata()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 0)], group, 60)
    producer.commit_transaction(60)


def fill(bootstrap: str, topic: str, values: Iterable[bytes]) -> None:
    """Put records, and wait until they are there."""
    _fill(bootstrap, topic, ({"value": value} for value in values))


def fill_keyed(bootstrap: str, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    """The same with keys, which say where a record goes."""
    _fill(bootstrap, topic, ({"key": key, "value": value} for key, value in records))


def _fill(bootstrap: str, topic: str, records: Iterable[dict[str, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    rest = iter(records)
    while some := list(islice(rest, PIECE)):
        if (taken := producer.produce_batch(topic, some)) < len(some):
            raise RuntimeError(f"{len(some) - taken} records were not taken")
        producer.flush(60)


def fill_each(bootstrap: str, names: Iterable[str], value: bytes) -> None:
    """Put one record into each topic. KafkaException where one does not arrive."""
    failed: list[KafkaError] = []
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 100, "queue.buffering.max.messages": 1_000_000})

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for name in names:
        producer.produce(name, value, on_delivery=delivered)
        producer.poll(0)
    producer.flush(120)
    if failed:
        raise KafkaException(failed[0])
