"""The producers against a Kinesis emulator: what they say they put is what a reader finds."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import pytest
from typer.testing import CliRunner

from producers.__main__ import app
from producers.bank import BankShape
from producers.kinesis import Put, put
from producers.traffic import Traffic
from tests.contract.streams import TestStream
from tests.faults.tables import read_arrivals

SHAPE = BankShape(100)


def messages(count: int) -> list[tuple[str, bytes]]:
    return list(islice(Traffic(1, SHAPE, now=datetime(2026, 1, 1), partition_key="account"), count))


def found(stream: TestStream) -> list[Put]:
    """Every message in the stream, as the service's own reader sees it."""
    shards = stream.client.list_shards(StreamName=stream.name)["Shards"]
    ranges = {
        shard["ShardId"]: (int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"]))
        for shard in shards
    }
    extents = [stream.read(shard=shard, hash_range=hashes) for shard, hashes in ranges.items()]
    records = [record for extent in extents for record in extent.records]
    assert all(record.flaw is None for record in records)
    return [Put(record.shard, record.sequence, record.sub_sequence, record.data) for record in records]


@pytest.mark.parametrize("aggregate", [False, True])
def test_every_message_lies_where_put_says_it_does(moto: str, aggregate: bool) -> None:
    stream = TestStream(moto, shards=2)
    sent = put(stream.client, stream.name, messages(700), aggregate=aggregate)
    assert sorted(sent.records) == sorted(found(stream))
    assert sorted(record.data for record in sent.records) == sorted(data for _, data in messages(700))
    assert {record.shard for record in sent.records} == {"shardId-000000000000", "shardId-000000000001"}
    assert sent.retried == 0


def test_messages_of_one_key_lie_in_the_order_they_were_put(moto: str) -> None:
    stream = TestStream(moto, shards=2)
    put(stream.client, stream.name, [(str(number % 7), b"%d" % number) for number in range(1_200)])
    for key in range(7):
        numbers = [int(record.data) for record in found(stream) if int(record.data) % 7 == key]
        assert numbers == sorted(numbers)
        assert numbers


def test_the_arrival_of_every_message_is_what_the_service_reads(moto: str) -> None:
    stream = TestStream(moto)
    sent = put(stream.client, stream.name, messages(50), aggregate=True)
    ours = read_arrivals(stream.client, stream.name, sent.records)
    assert ours == stream.read().records


def test_the_arrival_of_what_is_not_there_is_an_error(moto: str) -> None:
    stream = TestStream(moto)
    (sent,) = put(stream.client, stream.name, [("k", b"x")]).records
    with pytest.raises(LookupError, match="1 records are not in shardId"):
        read_arrivals(stream.client, stream.name, [sent, sent._replace(sequence="999")])


def test_the_command_puts_as_many_messages_as_it_was_told(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = TestStream(moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    common = ["traffic", "--stream", stream.name, "--accounts", "100", "--seed", "1"]
    result = CliRunner().invoke(app, [*common, "--messages", "300", "--mix", "stock=1,transaction=2"])
    assert result.exit_code == 0, result.output
    assert len(found(stream)) == 300
    result = CliRunner().invoke(app, [*common, "--rate", "200", "--seconds", "0.5", "--aggregate"])
    assert result.exit_code == 0, result.output
    assert len(found(stream)) == 400


def test_the_command_says_in_one_line_that_the_stream_is_missing(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    result = CliRunner().invoke(app, ["traffic", "--stream", "nowhere", "--accounts", "100", "--messages", "1"])
    assert result.exit_code == 1
    assert "ResourceNotFoundException" in result.output
    assert "Traceback" not in result.output
