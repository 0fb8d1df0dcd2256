"""How old a harvest is once it is in effect, in each topic and table, while the service goes in its two rhythms."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, Producer

from benchmarks.analytics import backlog, channels, runs
from benchmarks.job import Job
from benchmarks.machine import Use
from benchmarks.results import Goal, Result
from channel_stats.latest import DAILY, MONTHLY
from demo.channel_ground import ChannelGround, channel_ground
from producers.harvests import TOPIC, Harvest

if TYPE_CHECKING:
    from benchmarks.analytics.bench import Bench

RATE: Final = 100
"""Harvests a second, each of a channel of its own."""
WITHIN: Final = {DAILY.name: 10.0, MONTHLY.name: 30.0}
"""Topic and table → seconds from a harvest's arrival until its count is there for others."""
LOOK: Final = 0.1
"""Seconds between two looks, by which ages come out too high at most."""
PATIENCE: Final = 120.0
FIRST: Final = 10**9
"""From here on are the harvests that the service begins with, which do not count."""


@dataclass
class Seen:
    """When each harvest was seen first (monotonic seconds), by its number. `look`: those that are there."""

    look: Callable[[], Iterable[int]]
    when: dict[int, float] = field(default_factory=dict)

    def keep_looking(self, over: threading.Event) -> None:
        """Until it is over."""
        while not over.wait(LOOK):
            found, now = self.look(), time.monotonic()
            for number in found:
                self.when.setdefault(number, now)


def measured(bench: Bench) -> list[Result]:
    """At `RATE` harvests a second, for as long as the bench says."""
    with channel_ground() as here:
        channels.prepare(here)
        with runs.running(channels.SERVICE, here.environment) as job, _looking(here) as seen:
            _begin(here, job)
            begun = time.monotonic()
            sent = _send(here, RATE * bench.seconds)
            _wait(seen, sent)
            ended = time.monotonic()
    use = bench.watch.use(begun, ended)
    return [_result(bench, what, name, sent, seen[what, name].when, use) for what, name in seen]


def _result(bench: Bench, what: str, name: str, sent: dict[int, float], when: dict[int, float], use: Use) -> Result:
    ages = [when[number] - at for number, at in sent.items()]
    oldest, most = max(ages), WITHIN[name]
    bench.goals.append(
        Goal(f"a harvest is in the {what} {name} within {most:.0f} s", f"{oldest:.1f} s", oldest <= most)
    )
    figure = f"p50 {statistics.median(ages):.1f} s, oldest {oldest:.1f} s"
    return Result(f"{what} {name}", f"age, {RATE} harvests/s", figure, use, len(ages))


@contextmanager
def _looking(here: ChannelGround) -> Iterator[dict[tuple[str, str], Seen]]:
    """At topics and tables, all the time, each with a connection of its own."""
    over = threading.Event()
    with ThreadPoolExecutor(2 * len(WITHIN)) as together, ExitStack() as opened:
        seen = {}
        for name in WITHIN:
            consumer = Consumer({**here.client, "group.id": f"ages-{name}", "auto.offset.reset": "earliest"})
            connection = here.schema.connect(autocommit=True)
            opened.callback(consumer.close)
            opened.callback(connection.close)
            consumer.subscribe([name])
            seen["topic", name] = Seen(_in_topic(consumer))
            seen["table", name] = Seen(_in_table(connection, name))
        looking = [together.submit(one.keep_looking, over) for one in seen.values()]
        try:
            yield seen
        finally:
            over.set()
            for one in looking:
                one.result()


def _in_topic(consumer: Consumer) -> Callable[[], list[int]]:
    def look() -> list[int]:
        messages = [message for message in consumer.consume(10_000, 0) if message.error() is None]
        return [int(str((message.key() or b"").decode())) for message in messages]

    return look


def _in_table(connection: Any, name: str) -> Callable[[], list[int]]:
    def look() -> list[int]:
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SELECT subs FROM {name}")
            return [subs for (subs,) in cursor.fetchall()]

    return look


def _begin(here: ChannelGround, job: Job) -> None:
    """Until both flows have had a batch."""
    backlog.fill(here.kafka.bootstrap, TOPIC, [_harvest(FIRST)])
    while len({line.fields["flow"] for line in job.batches()}) < len(WITHIN):
        time.sleep(0.5)


def _send(here: ChannelGround, number: int) -> dict[int, float]:
    """Harvests at their rate; when each was acknowledged."""
    sent: dict[int, float] = {}
    producer = Producer({**here.client, "linger.ms": 0})
    begun = time.monotonic()
    for one in range(number):
        time.sleep(max(0.0, begun + one / RATE - time.monotonic()))
        producer.produce(TOPIC, _harvest(one), str(one))
        producer.flush(60)
        sent[one] = time.monotonic()
    return sent


def _harvest(number: int) -> bytes:
    """Of a channel that has its number for a name, and for its count."""
    at = int(datetime.now(UTC).timestamp())
    return Harvest(str(number), at, number).written()


def _wait(seen: dict[tuple[str, str], Seen], sent: dict[int, float]) -> None:
    deadline = time.monotonic() + PATIENCE
    while missing := [name for name, one in seen.items() if not sent.keys() <= one.when.keys()]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{missing}: not all of {len(sent):,} harvests within {PATIENCE:.0f} s of the last one")
        time.sleep(LOOK)
