"""The lease table: who may read which shard, from where. Every write is conditional on what was read.

The rows are lease.py's. Attributes that we do not know are kept: rows that exist are only ever updated. There is no
time stamp of the owner: how long a lease is good for is keeper.py's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import Aws, error_code, is_aws_transient, lasting
from pipeline.dynamodb import HashKey, ensure_table
from pipeline.leases.lease import Lease, decode, encode
from pipeline.messages.records import Position
from pipeline.runtime.errors import Halted, LeaseLost, Transient

TABLE_KEY = HashKey("leaseKey", "S")
PATIENCE = 10.0
"""Seconds to wait for a table that is being made."""
ABSENT = "attribute_not_exists(leaseKey)"
PRESENT = "attribute_exists(leaseKey)"
UNMOVED = "leaseCounter = :counter_read"
OWNED = "leaseOwner = :owner_read"
FREE = "attribute_not_exists(leaseOwner)"


class _ConditionFailed(LeaseLost):
    pass


class TableMissing(Halted):
    pass


_NAMED = {
    "ConditionalCheckFailedException": _ConditionFailed,
    "ResourceNotFoundException": TableMissing,
}


def _as_read(lease: Lease) -> tuple[str, dict[str, Any]]:
    """The condition that nobody wrote since, with its values."""
    values = {":counter_read": {"N": str(lease.counter)}}
    if lease.owner is None:
        return f"{UNMOVED} AND {FREE}", values
    return f"{UNMOVED} AND {OWNED}", {**values, ":owner_read": {"S": lease.owner}}


def _stale(old: Lease, new: Lease) -> set[str]:
    """KCL's attributes that a change makes untrue."""
    stale = set()
    if new.owner != old.owner:
        stale.add("checkpointOwner")
    if new.checkpoint != old.checkpoint:
        stale |= {"pendingCheckpoint", "pendingCheckpointSubSequenceNumber", "pendingCheckpointState"}
    return stale


def _known(moments: Mapping[str, int | None]) -> dict[str, int]:
    return {name: moment for name, moment in moments.items() if moment is not None}


@dataclass(frozen=True)
class LeaseTable:
    """The table `name`. Every method raises `Transient` when DynamoDB is throttled or away, `Halted` when it refuses.

    A write is conditional on owner and counter as read, and raises the counter by one; it returns the row as it is
    then. The client may have repeated a write whose answer got lost: its condition fails though it succeeded. So the
    row is read again, and if owner and counter are those that were to be written, the write was ours. What else was
    to be written may be missing then (an earlier write of ours whose answer got lost took its place): look at the row
    returned. In any other case somebody else wrote: `LeaseLost`.
    """

    aws: Aws
    name: str

    def ensure(self) -> None:
        """Make the table if there is none, and wait until it can be used. Raises `Fatal` if its key is another."""
        ensure_table(self.aws, self.name, TABLE_KEY, "CONSUMER_NAME", PATIENCE)

    def scan(self) -> list[Lease]:
        """All leases, read consistently, by shard."""
        leases: list[Lease] = []
        request: dict[str, Any] = {"ConsistentRead": True}
        while True:
            answer = self._call(self._client.scan, **request)
            leases += [lease for item in answer["Items"] if (lease := decode(item)) is not None]
            if "LastEvaluatedKey" not in answer:
                return sorted(leases, key=lambda lease: lease.shard)
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def get(self, shard: str) -> Lease | None:
        """The lease of one shard, read consistently."""
        answer = self._call(self._client.get_item, Key={"leaseKey": {"S": shard}}, ConsistentRead=True)
        return decode(answer["Item"]) if "Item" in answer else None

    def create(self, lease: Lease) -> Lease:
        """Write a row where there is none; the row that is there then, whoever wrote it."""
        try:
            self._call(self._client.put_item, Item=encode(lease), ConditionExpression=ABSENT)
        except _ConditionFailed:
            return self.get(lease.shard) or self.create(lease)
        return lease

    def take(self, lease: Lease, owner: str) -> Lease:
        """Make a lease that is free or expired `owner`'s."""
        switched = lease.owner not in (None, owner)
        return self._update(lease, owner=owner, switches=lease.switches + switched)

    def renew(self, lease: Lease, **moments: int | None) -> Lease:
        """Say that the owner lives, and note moments (fields of `Lease`) that are known now. The checkpoint stays."""
        return self._update(lease, **_known(moments))

    def checkpoint(self, lease: Lease, position: Position, **moments: int | None) -> Lease:
        """Move the checkpoint forward, and note moments; where `position` is not ahead of it, only renew."""
        if position <= lease.checkpoint:
            return self.renew(lease, **moments)
        return self._update(lease, checkpoint=position, switches=0, **_known(moments))

    def restart(self, lease: Lease, new: Lease) -> Lease:
        """Let the row say what `new`, the first lease of a shard, says; its owner stays."""
        first = msgspec.structs.asdict(new)
        return self._update(lease, **{name: first[name] for name in first.keys() - {"shard", "owner", "counter"}})

    def release(self, lease: Lease) -> Lease:
        """Give a lease back: free, so that another may take it at once."""
        return self._update(lease, owner=None)

    def accept_loss(self, shard: str, at: int) -> bool:
        """An operator accepts that records which arrived before `at` (ms) are lost; False if there is no such lease.

        Touches neither owner nor counter, so that it works beside a running driver, which sees it within a minute.
        """
        try:
            self._call(
                self._client.update_item,
                Key={"leaseKey": {"S": shard}},
                UpdateExpression="SET lossAcceptedAt = :at",
                ConditionExpression=PRESENT,
                ExpressionAttributeValues={":at": {"N": str(at)}},
            )
        except _ConditionFailed:
            return False
        return True

    def delete(self, lease: Lease) -> None:
        """Delete the row of a shard that has gone."""
        condition, values = _as_read(lease)
        try:
            self._call(
                self._client.delete_item,
                Key={"leaseKey": {"S": lease.shard}},
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
        except _ConditionFailed as error:
            if self.get(lease.shard) is not None:
                raise LeaseLost(f"lease of shard {lease.shard}: somebody else wrote to it") from error

    def _update(self, old: Lease, **changes: Any) -> Lease:
        new = msgspec.structs.replace(old, counter=old.counter + 1, **changes)
        before, after = encode(old), encode(new)
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        removed = (before.keys() - after.keys()) | _stale(old, new)
        condition, values = _as_read(old)
        try:
            self._call(
                self._client.update_item,
                Key={"leaseKey": {"S": old.shard}},
                UpdateExpression="SET "
                + ", ".join(f"{name} = :{name}" for name in changed)
                + (" REMOVE " + ", ".join(sorted(removed)) if removed else ""),
                ConditionExpression=condition,
                ExpressionAttributeValues={**values, **{f":{name}": value for name, value in changed.items()}},
            )
        except _ConditionFailed as error:
            there = self.get(old.shard)
            if there is None or (there.owner, there.counter) != (new.owner, new.counter):
                raise LeaseLost(f"lease of shard {old.shard}: somebody else wrote to it") from error
            return there
        return new

    @property
    def _client(self) -> Any:
        return self.aws.client("dynamodb")

    def _call(self, operation: Callable[..., dict[str, Any]], **request: Any) -> dict[str, Any]:
        try:
            return operation(TableName=self.name, **request)
        except (ClientError, BotoCoreError) as error:
            what = f"lease table {self.name}"
            if (named := _NAMED.get(error_code(error))) is not None:
                raise named(f"{what}: {error_code(error)}") from error
            if is_aws_transient(error):
                raise Transient(f"{what}: {error_code(error)}") from error
            raise lasting(error, what) from error
