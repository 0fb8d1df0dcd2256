"""Reading ranges from moto: pages, caps, aggregates, positions."""

from __future__ import annotations

import hashlib
import pickle
import time

import pytest

from pipeline import aws
from pipeline.aws import Aws
from pipeline.kinesis.aggregation import MAGIC, UserRecord, hash_key, pack
from pipeline.kinesis.reader import KinesisReader
from pipeline.messages.records import START, Position
from pipeline.runtime.errors import Fatal, Trimmed
from tests.contract.streams import TestStream, data_of, wanted


@pytest.fixture
def stream(moto: str) -> TestStream:
    return TestStream(moto)


def aggregate(*data: bytes) -> bytes:
    return pack(UserRecord("constant", each) for each in data)


def test_an_empty_shard_is_read_to_its_tip_and_nowhere(stream: TestStream) -> None:
    extent = stream.read()
    assert (extent.records, extent.through, extent.at_tip, extent.behind_ms) == ([], START, True, 0)


def test_records_come_in_order_with_their_positions_and_arrival(stream: TestStream) -> None:
    before = round(time.time() * 1000)
    sequences = stream.put(b"one", b"two", b"three")
    extent = stream.read()
    assert data_of(extent) == [b"one", b"two", b"three"]
    assert [record.sequence for record in extent.records] == sequences
    assert [record.sub_sequence for record in extent.records] == [0, 0, 0]
    assert all(before <= record.arrived_ms <= time.time() * 1000 + 1 for record in extent.records)
    assert extent.through == Position(int(sequences[-1]), 0)
    assert extent.at_tip


def test_reading_goes_on_after_a_position_and_gives_nothing_twice(stream: TestStream) -> None:
    sequences = stream.put(b"one", b"two", b"three")
    extent = stream.read(Position(int(sequences[0])))
    assert data_of(extent) == [b"two", b"three"]
    again = stream.read(extent.through)
    assert (again.records, again.through, again.at_tip) == ([], START, True)
    stream.put(b"four")
    assert data_of(stream.read(extent.through)) == [b"four"]


def test_a_read_that_stops_at_its_cap_is_behind_by_the_age_of_its_last_record(stream: TestStream) -> None:
    entry = {"Data": b"one", "PartitionKey": "constant"}
    stream.client.put_records(StreamName=stream.name, Records=[entry, entry])
    before = int(time.time() * 1000)
    extent = stream.read(max_records=1)
    assert not extent.at_tip
    assert extent.behind_ms >= before - extent.records[0].arrived_ms
    assert stream.read(max_records=3).behind_ms == 0


@pytest.mark.parametrize("cap", [1, 2, 3, 7])
def test_reading_in_pages_of_any_size_gives_every_record_once(stream: TestStream, cap: int) -> None:
    put = [str(number).encode() for number in range(7)]
    stream.put(*put)
    position, found = START, list[bytes]()
    while (extent := stream.read(position, max_records=cap)).records:
        assert len(extent.records) <= cap
        found += data_of(extent)
        position = extent.through
    assert found == put


def test_a_cap_on_records_ends_a_read_short_of_the_tip(stream: TestStream) -> None:
    stream.put(b"one", b"two", b"three")
    extent = stream.read(max_records=2)
    assert data_of(extent) == [b"one", b"two"]
    assert not extent.at_tip


def test_aggregates_and_plain_records_mix(stream: TestStream) -> None:
    first, second, third = stream.put(b"plain", aggregate(b"one", b"two"), b"last")
    extent = stream.read()
    assert [(record.sequence, record.sub_sequence, record.data) for record in extent.records] == [
        (first, 0, b"plain"),
        (second, 0, b"one"),
        (second, 1, b"two"),
        (third, 0, b"last"),
    ]
    assert len({record.arrived_ms for record in extent.records if record.sequence == second}) == 1


def test_an_aggregate_is_never_cut_by_a_cap_and_the_position_is_its_last_sub_record(stream: TestStream) -> None:
    first, _ = stream.put(aggregate(b"one", b"two", b"three"), b"next")
    extent = stream.read(max_records=1)
    assert data_of(extent) == [b"one", b"two", b"three"]
    assert extent.through == Position(int(first), 2)
    assert data_of(stream.read(extent.through, max_records=1)) == [b"next"]


@pytest.mark.parametrize(("after", "left"), [(0, [b"two", b"three"]), (1, [b"three"]), (2, []), (9, [])])
def test_a_checkpoint_within_an_aggregate_resumes_exactly(stream: TestStream, after: int, left: list[bytes]) -> None:
    first, last = stream.put(aggregate(b"one", b"two", b"three"), b"next")
    extent = stream.read(Position(int(first), after), max_records=5)
    assert data_of(extent) == [*left, b"next"]
    assert extent.through == Position(int(last), 0)


def test_an_aggregate_without_records_moves_the_position(stream: TestStream) -> None:
    body = b"\x0a\x01a"
    _, empty = stream.put(b"plain", MAGIC + body + hashlib.md5(body).digest())
    extent = stream.read()
    assert data_of(extent) == [b"plain"]
    assert extent.through == Position(int(empty), 0)
    assert stream.read(extent.through).through == START


def test_a_sub_record_of_another_shard_is_flawed(stream: TestStream) -> None:
    stream.put(pack([UserRecord("here", b"one"), UserRecord("elsewhere", b"two")]), b"plain")
    here = hash_key(b"here")
    extent = stream.read(hash_range=(here, here))
    assert [record.flaw for record in extent.records] == [None, "outside_hash_range", None]


def test_a_read_may_start_at_a_moment_to_the_millisecond(stream: TestStream) -> None:
    stream.put(b"before")
    time.sleep(0.005)
    moment = round(time.time() * 1000)
    time.sleep(0.005)
    assert stream.read(start_at=moment).records == []
    stream.put(b"after")
    assert data_of(stream.read(start_at=moment)) == [b"after"]


def test_a_position_outranks_the_moment_to_start_at(stream: TestStream) -> None:
    (first, *_) = stream.put(b"one", b"two")
    assert data_of(stream.read(Position(int(first)), start_at=round(time.time() * 1000))) == [b"two"]


def test_a_shard_that_is_gone_is_trimmed(stream: TestStream) -> None:
    with pytest.raises(Trimmed, match="shardId-000000000007 is gone"):
        stream.read(shard="shardId-000000000007")


def test_a_missing_stream_is_fatal_and_names_the_command(stream: TestStream) -> None:
    reader = KinesisReader(stream.aws, "absent")
    with pytest.raises(Fatal, match="aws kinesis create-stream --region us-east-1 --stream-name absent"):
        reader.read(wanted())


def test_missing_credentials_are_fatal(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setattr(aws, "_clients", {})  # a client without credentials stays so: no other test may get it
    reader = KinesisReader(Aws("us-east-1", endpoints=(("AWS_ENDPOINT_URL", moto),)), "absent")
    with pytest.raises(Fatal, match="no AWS credentials"):
        reader.read(wanted())


def test_without_keys_the_provider_chain_of_boto3_finds_them(
    stream: TestStream, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", moto)
    assert KinesisReader(Aws("us-east-1"), stream.name).read(wanted()).at_tip


def test_an_endpoint_for_kinesis_alone_outranks_the_general_one(stream: TestStream, moto: str) -> None:
    endpoints = (("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_KINESIS", moto))
    assert KinesisReader(Aws("us-east-1", "test", "test", endpoints), stream.name).read(wanted()).at_tip


def test_a_reader_travels_to_a_task_and_shows_no_key(stream: TestStream) -> None:
    stream.put(b"one")
    reader = KinesisReader(Aws("us-east-1", "access", "secret", stream.aws.endpoints), stream.name)
    assert data_of(pickle.loads(pickle.dumps(reader)).read(wanted())) == [b"one"]
    assert "secret" not in repr(reader)
    assert "access" not in repr(reader).replace("access_key", "")
