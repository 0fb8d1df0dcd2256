"""A lease: one shard's row, as the Kinesis Client Library (KCL) writes it, with moments of our own on top.

Row format: https://docs.aws.amazon.com/streams/latest/dev/kcl-concepts.html#kcl-leasetable. Ours, which KCL leaves
alone: `startedAt`, `caughtUpAt`, `lossAcceptedAt`, `streamCreatedAt` (N, milliseconds since the epoch).
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
    an operator accepts that records were trimmed unread. `stream_created_at`: when the shard's stream was made (None:
    not noted). All moments in milliseconds since the epoch.
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
    stream_created_at: int | None = None
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
        "streamCreatedAt": lease.stream_created_at,
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


def _value(item: Item, name: str, kind: str) -> Any:
    """An attribute's value, None where it is absent. Raises `Fatal`, naming the row, where it is of another kind."""
    if name in item and kind not in item[name]:
        found, shard = "".join(item[name]), item["leaseKey"]["S"]
        raise Fatal(f"lease of shard {shard}: its {name} is of DynamoDB's type {found}, not {kind}: mend the row")
    return item[name][kind] if name in item else None


def _number(item: Item, name: str) -> int | None:
    value = _value(item, name, "N")
    return None if value is None else int(Decimal(value))


def _text(item: Item, name: str) -> str | None:
    value: str | None = _value(item, name, "S")
    return value


def _shards(item: Item, name: str) -> tuple[str, ...]:
    return tuple(sorted(_value(item, name, "SS") or ()))


def _hash_range(item: Item) -> tuple[int, int] | None:
    first, last = _text(item, "startingHashKey"), _text(item, "endingHashKey")
    if first is None or last is None:
        return None
    if not f"{first}{last}".isdecimal():
        raise Fatal(f"lease of shard {_text(item, 'leaseKey')}: its hash keys are no numbers: mend the row")
    return int(first), int(last)


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

    Raises `Fatal`, naming the row, where something in it cannot be understood.
    """
    if _text(item, "entityType") not in (None, "LEASE"):
        return None
    checkpoint, text = _position(item), _text(item, "checkpoint")
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
        stream_created_at=_number(item, "streamCreatedAt"),
        parents=_shards(item, "parentShardId"),
        children=_shards(item, "childShardIds"),
        hash_range=_hash_range(item),
    )
