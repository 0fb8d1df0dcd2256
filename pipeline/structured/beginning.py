"""Where a query begins: at its checkpoint, once that and the topics agree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import structlog

from pipeline.kafka.places import Place
from pipeline.kafka.topics import Topic, Topics
from pipeline.runtime.errors import Fatal
from pipeline.structured.checkpoint import Checkpoint
from pipeline.structured.losses import Loss, losses

log = structlog.get_logger()


def begin(
    checkpoint: Checkpoint, topics: Topics, names: Collection[str], starting: str, service: str
) -> dict[str, str]:
    """Make the checkpoint fit for reading these topics; the identity of each.

    A topic that is new to the checkpoint begins at `starting` (earliest or latest), one that is read no more is dropped
    from it. Raises `Transient` while a topic does not exist, and `Fatal`, naming what is lost, unless that is accepted.
    """
    found = topics.existing(names)
    identities = {name: topic.identity for name, topic in found.items()}
    positions = at(checkpoint)
    if positions:
        wanted = _wanted(checkpoint, topics, found, positions, starting, service)
        if wanted != positions:
            checkpoint.amend(wanted)
    if identities != checkpoint.topics():
        checkpoint.keep_topics(identities)
    if checkpoint.accepted():
        checkpoint.settle()
    return identities


def at(checkpoint: Checkpoint) -> dict[Place, int]:
    """The offsets to be read next; nothing before the first batch was planned."""
    ended = checkpoint.last_ended()
    return dict(ended.through) if ended else checkpoint.beginning()


def found_losses(checkpoint: Checkpoint, topics: Topics, names: Collection[str]) -> list[Loss]:
    """What the topics no longer hold of what is still to be read. Raises as `Topics` and `Checkpoint` do."""
    found = topics.existing(names)
    places = [place for topic in found.values() for place in topic.places]
    positions = at(checkpoint)
    if not positions:
        return []
    return losses(positions, checkpoint.topics(), found.values(), topics.earliest(places), topics.latest(places))


def unaccepted(lost: Iterable[Loss], service: str) -> Fatal:
    """What ends the service until an operator accepts it."""
    says = "; ".join(map(str, lost))
    return Fatal(f"{says}: `python -m pipeline {service} accept-loss` lets it go on without what is lost")


def _wanted(
    checkpoint: Checkpoint,
    topics: Topics,
    found: Mapping[str, Topic],
    positions: Mapping[Place, int],
    starting: str,
    service: str,
) -> dict[Place, int]:
    known, accepted = checkpoint.topics(), checkpoint.accepted()
    lost = found_losses(checkpoint, topics, found)
    open_ = [loss for loss in lost if accepted.get(loss.topic) != loss.key]
    if open_:
        raise unaccepted(open_, service)
    new = [place for name, topic in found.items() if name not in known for place in topic.places]
    wanted = {place: offset for place, offset in positions.items() if place[0] in found and place[0] in known}
    wanted.update(topics.earliest(new) if starting == "earliest" else topics.latest(new))
    for loss in lost:
        log.warning("loss accepted", topic=loss.topic, lost=loss.what)
        wanted = {place: offset for place, offset in wanted.items() if place[0] != loss.topic} | dict(loss.at)
    return wanted
