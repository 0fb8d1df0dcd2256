"""Splitting and merging in kinesis-local, where closed shards end and children know their parents."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pipeline.aws import Aws
from pipeline.kinesis.shards import describe, list_shards
from pipeline.messages.records import END, Position
from pipeline.runtime.errors import Fatal
from tests.contract.misbehaving import Forward, Message, misbehaving
from tests.contract.streams import FIRST_SHARD, TestStream, data_of

HALF = 2**127
SECOND, THIRD, FOURTH = (f"shardId-{number:012}" for number in (1, 2, 3))


@pytest.fixture
def stream(kinesis_local: str) -> TestStream:
    return TestStream(kinesis_local)


def test_a_split_shard_is_read_to_its_end(stream: TestStream) -> None:
    stream.put(b"one", b"two")
    stream.split()
    stream.put(b"three")
    extent = stream.read()
    assert (data_of(extent), extent.through, extent.at_tip) == ([b"one", b"two"], END, True)
    children = [stream.read(shard=shard) for shard in (SECOND, THIRD)]
    assert [data for child in children for data in data_of(child)] == [b"three"]
    assert all(child.through != END for child in children)


def test_a_cap_short_of_the_end_is_not_the_end(stream: TestStream) -> None:
    first, _ = stream.put(b"one", b"two")
    stream.split()
    extent = stream.read(max_records=1)
    assert (data_of(extent), extent.through, extent.at_tip) == ([b"one"], Position(int(first)), False)
    rest = stream.read(extent.through, max_records=1)
    assert data_of(rest) == [b"two"]
    assert stream.read(rest.through if rest.through != END else extent.through).through == END


def test_an_empty_shard_that_was_split_ends_too(stream: TestStream) -> None:
    stream.split()
    extent = stream.read()
    assert (extent.records, extent.through) == ([], END)


def test_a_shard_that_was_read_before_it_was_split_ends_after_its_last_record(stream: TestStream) -> None:
    (only,) = stream.put(b"one")
    assert stream.read().through == Position(int(only))
    stream.split()
    extent = stream.read(Position(int(only)))
    assert (extent.records, extent.through) == ([], END)


def test_merged_shards_end_and_their_child_names_both_parents(stream: TestStream) -> None:
    stream.split()
    stream.merge()
    assert [stream.read(shard=shard).through for shard in (FIRST_SHARD, SECOND, THIRD)] == [END] * 3
    listed = {shard.id: shard for shard in list_shards(stream.aws, stream.name)}
    assert {shard.id: shard.parents for shard in listed.values()} == {
        FIRST_SHARD: (),
        SECOND: (FIRST_SHARD,),
        THIRD: (FIRST_SHARD,),
        FOURTH: (SECOND, THIRD),
    }
    assert [shard.closed for shard in listed.values()] == [True, True, True, False]
    assert listed[SECOND].hash_range == (0, HALF - 1)
    assert listed[THIRD].hash_range == (HALF, 2**128 - 1)


def test_a_filter_lists_the_shards_of_a_moment(stream: TestStream) -> None:
    time.sleep(0.005)
    before = round(time.time() * 1000)
    stream.split()

    def listed(which: str, at_ms: int | None = None) -> list[str]:
        return [shard.id for shard in list_shards(stream.aws, stream.name, which, at_ms)]

    assert listed("AT_LATEST") == [SECOND, THIRD]
    assert FIRST_SHARD in listed("AT_TIMESTAMP", before)
    assert FIRST_SHARD in listed("AT_TRIM_HORIZON")


def test_a_read_may_start_at_a_moment(stream: TestStream) -> None:
    stream.put(b"before")
    time.sleep(0.005)
    moment = round(time.time() * 1000)
    time.sleep(0.005)
    stream.put(b"after")
    assert data_of(stream.read(start_at=moment)) == [b"after"]


def test_a_stream_is_described(stream: TestStream) -> None:
    found = describe(stream.aws, stream.name)
    assert (found.status, found.retention_hours, found.encryption) == ("ACTIVE", 24, "NONE")
    assert found.arn.endswith(f":stream/{stream.name}")


@pytest.mark.parametrize("look", [describe, list_shards])
def test_a_missing_stream_is_fatal_and_names_the_command(
    stream: TestStream, look: Callable[[Aws, str], object]
) -> None:
    with pytest.raises(
        Fatal, match=r"aws kinesis create-stream --region us-east-1 --stream-name absent --shard-count 1$"
    ):
        look(stream.aws, "absent")


def test_shards_are_listed_through_all_pages_and_throttling(kinesis_local: str) -> None:
    requests = list[Message]()

    def one_a_page(operation: str, request: Message, forward: Forward) -> Message:
        requests.append(request)
        return forward({**request, "MaxResults": 1})

    with misbehaving(kinesis_local) as proxy:
        stream = TestStream(proxy.url, shards=3)
        proxy.around = one_a_page
        proxy.errors = {"ListShards": [None, "LimitExceededException", "ResourceInUseException"]}
        assert [shard.id for shard in list_shards(stream.aws, stream.name)] == [FIRST_SHARD, SECOND, THIRD]
    assert [sorted(request) for request in requests] == [["StreamName"], ["NextToken"], ["NextToken"]]
