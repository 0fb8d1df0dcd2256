"""Puts messages into a Kinesis stream, as the KPL does where asked to, and knows afterwards where each one lies.

Order: batches go one after the other, and what a batch could not put is put again before the next one. So records of
one partition key arrive in order as long as Kinesis refuses none; of a batch that it takes in part, a refused record
comes after those behind it. PutRecords promises no more; only one PutRecord at a time would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pipeline.kinesis.aggregation import UserRecord, hash_key, pack
from pipeline.runtime.retries import backoff

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

MOST_RECORDS = 500
MOST_BYTES = 5 * 1024 * 1024
"""Of one PutRecords call, partition keys included."""
AGGREGATE_BYTES = 51_200
"""When an aggregate is full: the KPL's own AggregationMaxSize."""
PATIENCE = 60.0
"""Seconds without any record taken after which putting is given up."""
_OVERHEAD = 64


class PutError(Exception):
    """The stream has taken nothing for `PATIENCE` seconds. Says the code of the last refusal."""


class Put(NamedTuple):
    """A message in the stream. `sub_sequence`: its index within a KPL aggregate, 0 for a plain record."""

    shard: str
    sequence: str
    sub_sequence: int
    data: bytes


@dataclass
class Sent:
    """`records`: every message put, in the order given to `put` but for retried ones (and, aggregated, shard by shard).

    `calls`: PutRecords made. `retried`: records that were refused and put again.
    """

    records: list[Put] = field(default_factory=list)
    calls: int = 0
    retried: int = 0


@dataclass(frozen=True)
class _Parcel:
    """One Kinesis record to be: several messages where it is an aggregate."""

    partition_key: str
    data: bytes
    messages: tuple[bytes, ...]
    hash_key: int | None = None

    @property
    def size(self) -> int:
        return len(self.partition_key.encode()) + len(self.data)

    @property
    def entry(self) -> PutRecordsRequestEntryTypeDef:
        entry: PutRecordsRequestEntryTypeDef = {"Data": self.data, "PartitionKey": self.partition_key}
        if self.hash_key is not None:
            entry["ExplicitHashKey"] = str(self.hash_key)
        return entry


def put(
    client: KinesisClient,
    stream: str,
    messages: Iterable[tuple[str, bytes]],
    *,
    aggregate: bool = False,
    on_progress: Callable[[int], object] = lambda messages: None,
) -> Sent:
    """Put all (partition key, data) of `messages`, which must end. `on_progress` hears of messages newly put.

    `aggregate` packs them as the KPL does, by shard. A message is at most 1 MiB, its key included. Raises `PutError`,
    and botocore's errors for what no retry mends.
    """
    sent = Sent()
    plain = (_Parcel(key, data, (data,)) for key, data in messages)
    for batch in _batches(_aggregates(messages, _shards(client, stream)) if aggregate else plain):
        _put_batch(client, stream, batch, sent, on_progress)
    return sent


def _batches(parcels: Iterable[_Parcel]) -> Iterator[list[_Parcel]]:
    batch: list[_Parcel] = []
    size = 0
    for parcel in parcels:
        if len(batch) == MOST_RECORDS or (batch and size + parcel.size > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(parcel)
        size += parcel.size
    if batch:
        yield batch


def _put_batch(
    client: KinesisClient, stream: str, batch: list[_Parcel], sent: Sent, on_progress: Callable[[int], object]
) -> None:
    deadline, refusals = time.monotonic() + PATIENCE, 0
    while batch:
        answer = client.put_records(StreamName=stream, Records=[parcel.entry for parcel in batch])
        sent.calls += 1
        refused = []
        before = len(sent.records)
        for parcel, result in zip(batch, answer["Records"], strict=True):
            if result.get("ErrorCode"):
                refused.append((parcel, result["ErrorCode"]))
            else:
                shard, sequence = result["ShardId"], result["SequenceNumber"]
                sent.records += [Put(shard, sequence, index, data) for index, data in enumerate(parcel.messages)]
        on_progress(len(sent.records) - before)
        if len(refused) < len(batch):
            deadline, refusals = time.monotonic() + PATIENCE, 0
        elif time.monotonic() > deadline:
            raise PutError(f"{stream} has taken nothing for {PATIENCE:.0f} s: {refused[0][1]}")
        batch = [parcel for parcel, _ in refused]
        sent.retried += len(batch)
        if batch:
            time.sleep(backoff(refusals, cap=2.0))
            refusals += 1


def _shards(client: KinesisClient, stream: str) -> list[tuple[int, int]]:
    """The hash ranges of the open shards, both ends included."""
    ranges = []
    for page in client.get_paginator("list_shards").paginate(StreamName=stream, ShardFilter={"Type": "AT_LATEST"}):
        for shard in page["Shards"]:
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]:
                found = shard["HashKeyRange"]
                ranges.append((int(found["StartingHashKey"]), int(found["EndingHashKey"])))
    return sorted(ranges)


def _aggregates(messages: Iterable[tuple[str, bytes]], shards: list[tuple[int, int]]) -> Iterator[_Parcel]:
    """Messages of one shard together, in order. A reshard meanwhile leaves some outside theirs, as in KPL."""
    waiting: dict[tuple[int, int], list[UserRecord]] = {shard: [] for shard in shards}
    sizes = dict.fromkeys(shards, 0)
    for key, data in messages:
        place = hash_key(key.encode())
        shard = next(shard for shard in shards if shard[0] <= place <= shard[1])
        size = len(data) + len(key) + _OVERHEAD
        if waiting[shard] and sizes[shard] + size > AGGREGATE_BYTES:
            yield _aggregate(waiting[shard], shard)
            waiting[shard], sizes[shard] = [], 0
        waiting[shard].append(UserRecord(key, data))
        sizes[shard] += size
    for shard, records in waiting.items():
        if records:
            yield _aggregate(records, shard)


def _aggregate(records: list[UserRecord], shard: tuple[int, int]) -> _Parcel:
    if len(records) == 1:
        return _Parcel(records[0].partition_key, records[0].data, (records[0].data,))
    return _Parcel("a", pack(records), tuple(record.data for record in records), shard[0])
