"""Where messages lie, and which of them are ahead of the checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.messages.records import START, Position
from producers.kinesis import Put

At = tuple[str, Position]
"""(shard, position) of a message."""


def at_of(sent: Put) -> At:
    return sent.shard, Position(int(sent.sequence), sent.sub_sequence)


def ahead(sent: Iterable[Put], checkpoints: Mapping[str, Position]) -> set[At]:
    """Of what was sent, what nobody has brought a checkpoint past."""
    return {(shard, at) for shard, at in map(at_of, sent) if at > checkpoints.get(shard, START)}
