"""What topics there are, and what they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec  # type: ignore[attr-defined]
from confluent_kafka.admin._topic import TopicDescription

from pipeline.kafka.errors import by_fate
from pipeline.kafka.places import Place
from pipeline.runtime.errors import Fatal, Transient

PATIENCE = 10.0
"""Seconds that the brokers may take for an answer."""
MOST_NAMED = 10
"""Absent topics that a line names: a service of thousands may wait for all of them."""
AT_ONCE = 250
"""Topics whose settings are asked for, or that are made, with one call."""
LARGEST = "max.message.bytes"
FORBIDDEN = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_CONFIG,
        KafkaError.TOPIC_EXCEPTION,
    }
)


@dataclass(frozen=True)
class Topic:
    """`identity`: a topic deleted and made anew has another. `replication`: brokers that keep it."""

    name: str
    identity: str
    partitions: int
    replication: int

    @property
    def places(self) -> list[Place]:
        return [(self.name, partition) for partition in range(self.partitions)]


class Topics:
    """Asks the brokers anew each time. Methods raise `Transient`, `Halted`; they may be called by any thread."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._admin = AdminClient(dict(client))

    def describe(self, names: Collection[str]) -> dict[str, Topic]:
        """Those of the topics that exist."""
        if not names:
            return {}
        with by_fate("topics"):
            asked = self._admin.describe_topics(TopicCollection(sorted(names)), request_timeout=PATIENCE)
            found = {name: _unless_absent(future) for name, future in asked.items()}
        return {name: _topic(told) for name, told in found.items() if told is not None}

    def existing(self, names: Collection[str]) -> dict[str, Topic]:
        """All of the topics. Raises `Transient` as well while one does not exist."""
        found = self.describe(names)
        if absent := sorted(set(names) - set(found)):
            more = f" and {len(absent) - MOST_NAMED:,} more" if len(absent) > MOST_NAMED else ""
            error = Transient(f"no such topic: {', '.join(absent[:MOST_NAMED])}{more}")
            error.waits_for = "topics"
            raise error
        return found

    def earliest(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset of the first record that each partition still holds."""
        return self._offsets(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def latest(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset before which all of each partition's records are that readers may see by now."""
        return self._offsets(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def _offsets(self, places: Iterable[Place], spec: OffsetSpec) -> dict[Place, int]:
        asked = {TopicPartition(*place): spec for place in places}
        if not asked:
            return {}
        with by_fate("offsets"):
            told = self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=PATIENCE
            )
            return {(at.topic, at.partition): future.result().offset for at, future in told.items()}

    def largest(self, names: Collection[str]) -> dict[str, int]:
        """How many bytes a batch of records may have, by topic."""
        found: dict[str, int] = {}
        for some in _pieces(sorted(names)):
            with by_fate("settings of topics"):
                wanted = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in some]
                asked = self._admin.describe_configs(wanted, request_timeout=PATIENCE)
                found |= {resource.name: int(future.result()[LARGEST].value) for resource, future in asked.items()}
        return found

    def group_memory(self) -> int | None:
        """Minutes after which brokers forget offsets of a group without members; None where that is not told."""
        with by_fate("settings of the brokers"):
            brokers = self._admin.list_topics(timeout=PATIENCE).brokers
            asked = [ConfigResource(ConfigResource.Type.BROKER, str(broker)) for broker in list(brokers)[:1]]
            for future in self._admin.describe_configs(asked, request_timeout=PATIENCE).values():
                told = future.result().get("offsets.retention.minutes")
                return int(told.value) if told else None
        return None

    def make(self, names: Collection[str], partitions: int, replication: int, config: Mapping[str, str] = {}) -> None:
        """Make the topics that are missing. Raises `Fatal` where the brokers forbid it."""
        absent = sorted(set(names) - set(self.describe(names)))
        for some in _pieces(absent):
            new = [NewTopic(name, partitions, replication, config=dict(config)) for name in some]
            for name, future in self._admin.create_topics(new, request_timeout=PATIENCE).items():
                _made(name, future)


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many topics as brokers answer for at once."""
    return (names[first : first + AT_ONCE] for first in range(0, len(names), AT_ONCE))


def _topic(told: TopicDescription) -> Topic:
    replicas = max((len(partition.replicas) for partition in told.partitions), default=1)
    return Topic(told.name, str(told.topic_id), len(told.partitions), replicas)


def _unless_absent(future: Future[TopicDescription]) -> TopicDescription | None:
    try:
        return future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise


def _made(name: str, future: Future[None]) -> None:
    with by_fate(f"making topic {name}"):
        try:
            future.result()
        except KafkaException as error:
            code = error.args[0].code()
            if code in FORBIDDEN:
                why = error.args[0].str()
                raise Fatal(f"topic {name} is missing, and the brokers do not let it be made: {why}") from None
            if code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
