"""GetRecords answered by hand, just before the request would be sent."""

from __future__ import annotations

import io
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from pipeline.kinesis.get_records import GetRecordsAnswer, get_records
from pipeline.runtime.errors import Halted


class Body(io.BytesIO):
    """As urllib3 hands a body out."""

    def stream(self, **_: object) -> list[bytes]:
        return [self.read()]


def answered(body: bytes, status: int = 200) -> GetRecordsAnswer:
    client: Any = boto3.client("kinesis", region_name="us-east-1")
    headers: Any = {}
    response = AWSResponse("http://127.0.0.1/", status, headers, Body(body))
    client.meta.events.register("before-send.kinesis.GetRecords", lambda **_: response)
    return get_records(client, "iterator", 10)


def test_a_record_has_its_bytes_and_its_arrival_to_the_millisecond() -> None:
    answer = answered(
        b'{"Records": [{"SequenceNumber": "49", "ApproximateArrivalTimestamp": 1633519727.209, "Data": "AP8K/w==", '
        b'"PartitionKey": "p", "EncryptionType": "KMS"}], "NextShardIterator": "next", "MillisBehindLatest": 7}'
    )
    (record,) = answer.records
    assert (record.sequence, record.arrived_ms, record.data) == ("49", 1633519727209, b"\x00\xff\n\xff")
    assert (answer.iterator, answer.behind_ms) == ("next", 7)


@pytest.mark.parametrize("end", [b"", b', "NextShardIterator": null'])
def test_a_closed_shard_has_no_next_iterator(end: bytes) -> None:
    assert answered(b'{"Records": [], "MillisBehindLatest": 0%s}' % end).iterator is None


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"Records": [{"Data": "secret"}], "MillisBehindLatest": 0}', b'{"MillisBehindLatest": 0}'],
)
def test_what_is_no_answer_halts_and_is_not_told(body: bytes) -> None:
    with pytest.raises(Halted) as error:
        answered(body)
    assert "secret" not in str(error.value)
    assert error.value.__cause__ is None


def test_an_error_keeps_its_code() -> None:
    with pytest.raises(ClientError) as error:
        answered(b'{"__type": "ExpiredIteratorException", "message": "late"}', 400)
    assert error.value.response["Error"]["Code"] == "ExpiredIteratorException"
