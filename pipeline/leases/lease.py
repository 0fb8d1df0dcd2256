"""A lease: one shard's row, as the Kinesis Client Library (KCL) writes it, with moments of our own on top.

Row format: https://docs.aws.amazon.com/streams/latest/dev/kcl-concepts.html#kcl-leasetable. Ours, which KCL leaves
alone: `startedAt`, `caughtUpAt`, `lossAcceptedAt` (N, milliseconds since the epoch).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from pipeline.messages.records import END, START, Position
from pipeline.runtime.errors import Fatal

Item = Mapping[str, Mapping[str, Any]]

BEGINNINGS = ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP")
"""Checkpoint texts of a shard of which nothing was processed yet."""


class Lease(msgspec.Struct, frozen=True):
    """One shard's row. `owner` None: free. `switches`: changes of owner since the last checkpoint.

    `checkpoint`: everything up to there is durable; at `START` the shard begins as `beginning` says: at the trim
    horizon, or at `started_at`, the one moment that LATEST or AT_TIMESTAMP stand for (None: KCL wrote the row and kept
    the moment to itself). Everything that had arrived by `caught_up_at` was processed. `loss_accepted_at`: up to then
    an operator accepts that records were trimmed unread. All moments in milliseconds since the epoch.
    """

    shard: str
    owner: str | None = None
    counter: int = 0
    switches: int = 0
    checkpoint: Position = START
    beginning: str = "TRIM_HORIZON"
    started_at: int | None = None
    caught_up_at: int | None = None
    loss_accepted_at: int | None = None
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    hash_range: tuple[int, int] | None = None


def _checkpoint_text(lease: Lease) -> str:
    if lease.checkpoint == START:
        return lease.beginning
    return "SHARD_END" if lease.checkpoint == END else str(lease.checkpoint.sequence)


def encode(lease: Lease) -> dict[str, dict[str, Any]]:
    """The row of a lease, in DynamoDB's attribute values; what is empty is left out."""
    first, last = lease.hash_range or (None, None)
    numbers = {
        "leaseCounter": lease.counter,
        "ownerSwitchesSinceCheckpoint": lease.switches,
        "checkpointSubSequenceNumber": max(lease.checkpoint.sub_sequence, 0),
        "startedAt": lease.started_at,
        "caughtUpAt": lease.caught_up_at,
        "lossAcceptedAt": lease.loss_accepted_at,
    }
    texts = {
        "leaseKey": lease.shard,
        "leaseOwner": lease.owner,
        "checkpoint": _checkpoint_text(lease),
        "startingHashKey": first,
        "endingHashKey": last,
    }
    sets = {"parentShardId": lease.parents, "childShardIds": lease.children}
    return {
        **{name: {"N": str(value)} for name, value in numbers.items() if value is not None},
        **{name: {"S": str(value)} for name, value in texts.items() if value is not None},
        **{name: {"SS": sorted(value)} for name, value in sets.items() if value},
    }


def _number(item: Item, name: str) -> int | None:
    return int(Decimal(item[name]["N"])) if name in item else None


def _text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None


def _shards(item: Item, name: str) -> tuple[str, ...]:
    return tuple(sorted(item[name]["SS"])) if name in item else ()


def _position(item: Item) -> Position:
    text = _text(item, "checkpoint")
    if text in BEGINNINGS:
        return START
    if text == "SHARD_END":
        return END
    if text is None or not (text.isascii() and text.isdigit()):
        raise Fatal(f"lease of shard {_text(item, 'leaseKey')}: its checkpoint is no sequence number: mend the row")
    return Position(int(text), _number(item, "checkpointSubSequenceNumber") or 0)


def decode(item: Item) -> Lease | None:
    """The lease that a row says; None for a row of another kind (KCL 3 keeps its own ones in the same table).

    Raises `Fatal` where the checkpoint cannot be understood.
    """
    if _text(item, "entityType") not in (None, "LEASE"):
        return None
    checkpoint, text = _position(item), _text(item, "checkpoint")
    first, last = _text(item, "startingHashKey"), _text(item, "endingHashKey")
    return Lease(
        shard=item["leaseKey"]["S"],
        owner=_text(item, "leaseOwner"),
        counter=_number(item, "leaseCounter") or 0,
        switches=_number(item, "ownerSwitchesSinceCheckpoint") or 0,
        checkpoint=checkpoint,
        beginning=text if text in BEGINNINGS else "TRIM_HORIZON",
        started_at=_number(item, "startedAt"),
        caught_up_at=_number(item, "caughtUpAt"),
        loss_accepted_at=_number(item, "lossAcceptedAt"),
        parents=_shards(item, "parentShardId"),
        children=_shards(item, "childShardIds"),
        hash_range=(int(first), int(last)) if first is not None and last is not None else None,
    )
