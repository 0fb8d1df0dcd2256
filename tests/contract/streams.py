"""Streams to read in the tests of the contract with Kinesis."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.aws import Aws
from pipeline.kinesis.aggregation import EVERY_HASH
from pipeline.kinesis.reader import KinesisReader
from pipeline.messages.records import START, Extent, Position, Range

if TYPE_CHECKING:
    from mypy_boto3_kinesis.type_defs import ShardTypeDef

FIRST_SHARD = "shardId-000000000000"


class TestStream:
    """A new stream of an emulator at `url`."""

    __test__ = False

    def __init__(self, url: str, shards: int = 1) -> None:
        self.aws = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", url),))
        self.client = self.aws.client("kinesis")
        self.name = f"stream-{uuid.uuid4().hex}"
        self.client.create_stream(StreamName=self.name, ShardCount=shards)
        self.settle()

    @property
    def reader(self) -> KinesisReader:
        return KinesisReader(self.aws, self.name)

    def settle(self) -> None:
        """Wait until the stream is ACTIVE, as it is a moment after it was made or resharded."""
        deadline = time.monotonic() + 20
        while self.status() != "ACTIVE":
            assert time.monotonic() < deadline, "the stream does not become ACTIVE"
            time.sleep(0.05)

    def status(self) -> str:
        summary: dict[str, Any] = self.client.describe_stream_summary(StreamName=self.name)
        return str(summary["StreamDescriptionSummary"]["StreamStatus"])

    def open(self) -> list[ShardTypeDef]:
        """The shards that take records now, in the order of their hash keys."""
        found = self.client.list_shards(StreamName=self.name, ShardFilter={"Type": "AT_LATEST"})["Shards"]
        return sorted(found, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))

    def split(self, number: int = 0) -> None:
        """Split one of the open shards in the middle."""
        shard = self.open()[number]
        keys = shard["HashKeyRange"]
        middle = str((int(keys["StartingHashKey"]) + int(keys["EndingHashKey"]) + 1) // 2)
        self.client.split_shard(StreamName=self.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
        self.settle()

    def merge(self, number: int = 0) -> None:
        """Merge one of the open shards with the next."""
        one, other = (shard["ShardId"] for shard in self.open()[number : number + 2])
        self.client.merge_shards(StreamName=self.name, ShardToMerge=one, AdjacentShardToMerge=other)
        self.settle()

    def put(self, *data: bytes, key: str = "constant") -> list[str]:
        """Put records in order; their sequence numbers."""
        return [
            self.client.put_record(StreamName=self.name, PartitionKey=key, Data=each)["SequenceNumber"] for each in data
        ]

    def read(self, after: Position = START, **changes: Any) -> Extent:
        """Read the first shard, or another, with caps that are not reached unless `changes` says so."""
        return self.reader.read(wanted(after, **changes))


def wanted(after: Position = START, **changes: Any) -> Range:
    """The range after a position with no start, no hash range and large caps, unless `changes` says so."""
    fields: dict[str, Any] = {
        "shard": FIRST_SHARD,
        "after": after,
        "start_at": None,
        "hash_range": EVERY_HASH,
        "max_records": 1000,
        "max_bytes": 10**7,
    }
    return Range(**{**fields, **changes})


def data_of(extent: Extent) -> Sequence[bytes]:
    return [record.data for record in extent.records]
