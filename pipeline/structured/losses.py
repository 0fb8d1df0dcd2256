"""What a topic no longer holds of what a flow has still to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.kafka.places import Place
from pipeline.kafka.topics import Topic

Kind = Literal["made anew", "dropped", "cut off"]


@dataclass(frozen=True)
class Loss:
    """`identity`: of the topic as it is now. `at`: where reading would go on, were the loss accepted."""

    topic: str
    kind: Kind
    identity: str
    what: str
    at: Mapping[Place, int]

    @property
    def key(self) -> dict[str, str]:
        """What an operator accepts: losses of this kind, of this very topic."""
        return {"identity": self.identity, "kind": self.kind}

    def __str__(self) -> str:
        return f"topic {self.topic} {self.what}"


def losses(
    positions: Mapping[Place, int],
    known: Mapping[str, str],
    topics: Iterable[Topic],
    earliest: Mapping[Place, int],
    latest: Mapping[Place, int],
) -> list[Loss]:
    """What is lost of the `topics`, at most one loss of each.

    `positions`: offsets to be read next; a partition that has none came to a topic later, and is read from 0. `known`:
    topic → identity when it was read last; one that is not known has not been read yet, and loses nothing.
    """
    found = (_loss(topic, known[topic.name], positions, earliest, latest) for topic in topics if topic.name in known)
    return [loss for loss in found if loss is not None]


def _loss(
    topic: Topic, known: str, positions: Mapping[Place, int], earliest: Mapping[Place, int], latest: Mapping[Place, int]
) -> Loss | None:
    at = {place: earliest[place] for place in topic.places}
    if topic.identity != known:
        return Loss(topic.name, "made anew", topic.identity, "has been made anew since it was read last", at)
    to_read = {place: positions.get(place, 0) for place in topic.places}
    cut = {place: latest[place] for place in topic.places if latest[place] < to_read[place]}
    if cut:
        what = f"ends before what was read of it already, in partitions {_partitions(cut)}"
        return Loss(topic.name, "cut off", topic.identity, what, {**to_read, **cut})
    dropped = {place: earliest[place] for place in topic.places if earliest[place] > to_read[place]}
    if dropped:
        number = sum(offset - to_read[place] for place, offset in dropped.items())
        what = f"has dropped {number} records before they were read, in partitions {_partitions(dropped)}"
        return Loss(topic.name, "dropped", topic.identity, what, {**to_read, **dropped})
    return None


def _partitions(places: Iterable[Place]) -> str:
    return ", ".join(str(partition) for _, partition in sorted(places))
