"""Drivers of the channel statistics without Spark, which die wherever they are told to: real broker, real database.

A driver does what the engine does with a batch: bounds by partition, tasks by lane, an end that is on record. Its death
leaves open transactions, connections and producers as they are, and forgets what a process would forget.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from channel_stats import telling
from channel_stats.latest import Period
from channel_stats.notes import Notes
from channel_stats.schemas import newest
from channel_stats.tables import Tables
from channel_stats.telling import Find, Tell
from pipeline.kafka import lanes as kafka_lanes
from pipeline.kafka.lane import Lane
from pipeline.kafka.lanes import COUNT, Lanes
from pipeline.kafka.places import Place
from pipeline.kafka.reading import Range, read
from pipeline.kafka.topics import Topics
from pipeline.structured.tasks import columns

SCHEMA_ID = 1
FOUND = telling._FOUND


class Died(Exception):
    """The process was killed there."""


@dataclass
class Deaths:
    """Whether the process dies, step by step: `chance` of each; and once at the step `die_at`."""

    random: Random
    chance: float
    die_at: str = ""
    died_at: list[str] = field(default_factory=list)

    def may_die(self, where: str) -> None:
        """Raises `Died`."""
        if self.random.random() < self.chance or where == self.die_at:
            self.die_at = ""
            self.died_at.append(where)
            raise Died(where)


@contextmanager
def dying(deaths: Deaths) -> Iterator[Deaths]:
    """Within, every step that leaves a trace may be the last one, before it or after."""
    steps = [(Lane, "_end"), (Tables, "_took"), (Notes, "_go_on"), (Tables, "told")]
    kept = [(owner, name, getattr(owner, name)) for owner, name in steps]

    def wrapped(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            deaths.may_die(f"before {name}")
            found = step(*arguments, **options)
            deaths.may_die(f"after {name}")
            return found

        return run

    for owner, name, step in kept:
        setattr(owner, name, wrapped(name, step))
    try:
        yield deaths
    finally:
        for owner, name, step in kept:
            setattr(owner, name, step)


@dataclass
class Driver:
    """Reads `topic` from `since` on, which it moves as the engine's checkpoint does."""

    client: Mapping[str, Any]
    tables: Tables
    topic: str
    since: dict[Place, int]
    random: Random
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: int = 0
    ours: frozenset[int] = frozenset()
    settles: float = 0.3
    """How often lanes without rows say how far they are."""

    @property
    def period(self) -> Period:
        return self.tables.period

    def batch(self, most: int | None = None) -> None:
        """The next batch: up to `most` records of each partition, or all that there are. Raises `PipelineError`."""
        topics = Topics(self.client)
        ends = topics.latest(topics.existing([self.topic])[self.topic].places)
        through = {
            place: end if most is None else min(end, self.since.get(place, 0) + self.random.randint(0, most))
            for place, end in ends.items()
        }
        self.batch_through(through)

    def batch_through(self, through: dict[Place, int]) -> None:
        """The next batch, which ends before these offsets. Raises `PipelineError`."""
        found = Topics(self.client).existing([self.topic, self.period.name])
        self.number += 1
        identities = {name: topic.identity for name, topic in found.items()}
        name = f"channel-stats.{self.period.name}.{self.period.name}"
        settle = self.random.random() < self.settles
        lanes = Lanes(name, self.client, self.run, self.number, self.ours, identities, through, settle, keep=False)
        by_lane = self._found(lanes, through)
        tell = Tell(lanes, self.tables, self.topic, newest(self.period.name), SCHEMA_ID)
        for lane in self.random.sample(range(COUNT), COUNT):
            outcome = tell(lane, iter([columns(by_lane[lane], FOUND)]))
            assert not outcome.lost
            if outcome.written.committed:
                self.ours |= {lane}
        self.since = through

    def _found(self, lanes: Lanes, through: Mapping[Place, int]) -> dict[int, list[tuple[Any, ...]]]:
        by_lane: dict[int, list[tuple[Any, ...]]] = {lane: [] for lane in range(COUNT)}
        for place, end in through.items():
            wanted = Range(self.since.get(place, 0), end)
            if wanted.begin < wanted.end:
                records = [(one.value, one.partition, one.offset) for one in read(self.client, {place: wanted})]
                kinds = pa.schema([("value", pa.binary()), ("partition", pa.int32()), ("offset", pa.int64())])
                for batch in Find(self.period, lanes)([columns(records, kinds)]):
                    for row in batch.to_pylist():
                        by_lane[row["lane"]].append(tuple(row.values()))
        return by_lane


def forget() -> None:
    """What a process that has died takes with it."""
    kafka_lanes._held.clear()
