"""Which shards to read, and when: the rules of splits and merges, on what is listed and what is leased. Pure.

As KCL has it (https://github.com/awslabs/amazon-kinesis-client/blob/master/docs/lease-lifecycle.md): parents before
children; a child starts at the trim horizon; an ancestor of a leased shard was dealt with. Unlike KCL, a child's row is
made as soon as the child is seen, after its parents' rows; it is read once every parent is at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from graphlib import TopologicalSorter

from pipeline.kinesis.shards import Shard
from pipeline.leases.lease import Lease
from pipeline.messages.records import END, START, Position

SAME_WITHIN_MS = 1000
"""Two times of creation that are as close are one: no stream is deleted and made again within a second."""


def missing(
    listed: Mapping[str, Shard], leased: Collection[str], at_start: Callable[[], Collection[str]]
) -> Iterator[tuple[Shard, bool]]:
    """The shards that need a lease and have none, parents first, and whether each is a child of a leased one.

    Make the leases in this order: a child whose parent's row was lost would hide that parent. A shard without leased
    kin is read only if it is one of `at_start`, the shards open at the initial position (asked for when needed).
    """
    known = set(leased)
    settled = _ancestors(listed, known)
    first: Collection[str] | None = None
    for shard in _parents_first(listed):
        if shard.id in known or shard.id in settled:
            continue
        child = not known.isdisjoint(shard.parents)
        if not child:
            first = at_start() if first is None else first
        if child or (first is not None and shard.id in first):
            known.add(shard.id)
            yield shard, child


def new_lease(shard: Shard, beginning: str, started_at: int | None, stream_created_at: int) -> Lease:
    """The first lease of a shard, free."""
    return Lease(
        shard.id,
        counter=1,
        beginning=beginning,
        started_at=started_at,
        parents=shard.parents,
        hash_range=shard.hash_range,
        stream_created_at=stream_created_at,
    )


def known_since(lease: Lease, position: Position, caught_up_at: int | None) -> int | None:
    """Everything that had arrived in a shard by then (ms) needs no reading, where it is at this position.

    None where it is to be read from its beginning. A position that nobody says the time of may be of any time.
    """
    moments = [caught_up_at, lease.loss_accepted_at, lease.started_at if lease.beginning == "LATEST" else None]
    return max((one for one in moments if one is not None), default=None if position == START else 0)


def is_of_another_stream(lease: Lease, stream_created_at: int) -> bool:
    """Whether a lease is of a stream that was deleted and made again under its name. None where it does not say."""
    own = lease.stream_created_at
    return own is not None and abs(own - stream_created_at) >= SAME_WITHIN_MS


def is_stale(lease: Lease, listed: Mapping[str, Shard], stream_created_at: int) -> bool:
    """Whether a listed shard's lease is of another stream, also where it only shows: at its end, while that is open."""
    if lease.shard not in listed:
        return False
    at_end_of_open = lease.checkpoint == END and not listed[lease.shard].closed
    return at_end_of_open or is_of_another_stream(lease, stream_created_at)


def parents(shard: str, listed: Mapping[str, Shard], leases: Mapping[str, Lease]) -> tuple[str, ...]:
    """The parents of a shard, as the stream says or, where it does not know the shard any more, as its lease does."""
    return listed[shard].parents if shard in listed else leases[shard].parents


def readable(shard: str, listed: Mapping[str, Shard], leases: Mapping[str, Lease]) -> bool:
    """Whether a leased shard may be read: it is there, not at its end, and each parent durably is, or is no more.

    A listed parent without a lease was finished before: `missing` names every other one.
    """
    return (
        shard in listed
        and leases[shard].checkpoint != END
        and all(
            parent not in listed or parent not in leases or leases[parent].checkpoint == END
            for parent in listed[shard].parents
        )
    )


def removable(shard: str, listed: Mapping[str, Shard], leases: Mapping[str, Lease]) -> bool:
    """Whether a lease has no more to say: its shard is read to the end and trimmed away, and each child has begun."""
    if shard in listed or leases[shard].checkpoint != END:
        return False
    children = {one for one in listed.keys() | leases.keys() if shard in parents(one, listed, leases)}
    return all(child in leases and leases[child].checkpoint != START for child in children)


def _ancestors(listed: Mapping[str, Shard], shards: Collection[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(shards)
    while waiting:
        shard = waiting.pop()
        new = set(listed[shard].parents if shard in listed else ()) - found
        found |= new
        waiting += new
    return found


def _parents_first(listed: Mapping[str, Shard]) -> Iterator[Shard]:
    order = TopologicalSorter({shard.id: shard.parents for shard in listed.values()})
    return (listed[shard] for shard in order.static_order() if shard in listed)
