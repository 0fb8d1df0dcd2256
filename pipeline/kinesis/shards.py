"""The stream and its shards, as Kinesis lists them.

Errors by fate: what heals is tried again for `PATIENCE`, then `Transient`; a missing stream or missing credentials are
`Fatal`; anything else is `Halted`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import Aws, error_code, is_aws_transient, lasting
from pipeline.messages.records import EPOCH
from pipeline.runtime.errors import Fatal, Halted
from pipeline.runtime.retries import retried

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import ShardTypeDef

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for which a call that may heal is tried again."""


class Shard(msgspec.Struct, frozen=True):
    """One shard. `parents`: none, one (after a split) or two (after a merge), perhaps trimmed away already."""

    id: str
    parents: tuple[str, ...]
    hash_range: tuple[int, int]
    closed: bool


class Stream(msgspec.Struct, frozen=True):
    """One stream. `status`: ACTIVE, CREATING, UPDATING or DELETING. `encryption`: NONE or KMS.

    `created_at`: milliseconds since the epoch; one that was deleted and made again under its name has another.
    """

    arn: str
    status: str
    retention_hours: int
    encryption: str
    created_at: int


def list_shards(aws: Aws, stream: str, which: str | None = None, at_ms: int | None = None) -> list[Shard]:
    """The shards of the stream, all pages: every one that is not trimmed away, or those that a ShardFilter names.

    `which`: AT_TRIM_HORIZON, AT_LATEST (those open now), or AT_TIMESTAMP with `at_ms`, milliseconds since the epoch.
    """
    client: KinesisClient = aws.client("kinesis", attempts=1)
    request: dict[str, Any] = {"StreamName": stream}
    if which is not None:
        request["ShardFilter"] = {"Type": which}
    if at_ms is not None:
        request["ShardFilter"]["Timestamp"] = EPOCH + timedelta(milliseconds=at_ms)
    found: list[Shard] = []
    while request:
        page = _called(aws, stream, "ListShards", partial(client.list_shards, **request))
        found += map(_shard, page["Shards"])
        request = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}
    return found


def describe(aws: Aws, stream: str) -> Stream:
    """What the stream is. Raises `Fatal`, naming the command that mends it, where there is none."""
    client: KinesisClient = aws.client("kinesis", attempts=1)
    call = _called(aws, stream, "DescribeStreamSummary", partial(client.describe_stream_summary, StreamName=stream))
    summary = call["StreamDescriptionSummary"]
    return Stream(
        summary["StreamARN"],
        summary["StreamStatus"],
        summary["RetentionPeriodHours"],
        summary.get("EncryptionType", "NONE"),
        round(summary["StreamCreationTimestamp"].timestamp() * 1000),
    )


def stream_time(aws: Aws, stream: str) -> int:
    """The time by the stream's own clock, milliseconds since the epoch: never ahead of it, and hardly behind.

    Its answers tell whole seconds, so it is asked until another one begins. Raises `Halted` where they tell none.
    """
    first, deadline = _answered_at(aws, stream), time.monotonic() + 2.0
    while (now := _answered_at(aws, stream)) == first and time.monotonic() < deadline:
        time.sleep(0.02)
    return now


def _answered_at(aws: Aws, stream: str) -> int:
    client: KinesisClient = aws.client("kinesis", attempts=1)
    call = _called(aws, stream, "ListShards", partial(client.list_shards, StreamName=stream, MaxResults=1))
    try:
        told = parsedate_to_datetime(call["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError) as error:
        raise Halted(f"ListShards of {stream}: an answer without a date") from error
    return int(told.timestamp() * 1000)


def _shard(shard: ShardTypeDef) -> Shard:
    parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    hashes = shard["HashKeyRange"]
    return Shard(
        shard["ShardId"],
        tuple(parent for parent in parents if parent),
        (int(hashes["StartingHashKey"]), int(hashes["EndingHashKey"])),
        shard["SequenceNumberRange"].get("EndingSequenceNumber") is not None,
    )


def _called(aws: Aws, stream: str, what: str, action: Callable[[], T]) -> T:
    try:
        return retried(action, is_aws_transient, PATIENCE, what=f"{what} of {stream}")
    except (ClientError, BotoCoreError) as error:
        if error_code(error) != "ResourceNotFoundException":
            raise lasting(error, f"{what} of {stream}") from error
        remedy = f"aws kinesis create-stream --region {aws.region} --stream-name {stream} --shard-count 1"
        raise Fatal(f"there is no stream {stream} in {aws.region}: {remedy}") from error
