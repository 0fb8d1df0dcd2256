"""One call of GetRecords, its answer parsed by a decoder made for it: a twentieth of what botocore's own takes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pipeline.runtime.errors import Halted

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


class RawRecord(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"sequence": "SequenceNumber", "arrived": "ApproximateArrivalTimestamp", "data": "Data"},
):
    """A record as Kinesis answers it. `arrived`: seconds since the epoch."""

    sequence: str
    arrived: float
    data: bytes

    @property
    def arrived_ms(self) -> int:
        """Milliseconds since the epoch."""
        return round(self.arrived * 1000)


class GetRecordsAnswer(
    msgspec.Struct,
    frozen=True,
    rename={"records": "Records", "behind_ms": "MillisBehindLatest", "iterator": "NextShardIterator"},
):
    """`iterator` None: the shard's end."""

    records: list[RawRecord]
    behind_ms: int
    iterator: str | None = None


_decoder: Final = msgspec.json.Decoder(GetRecordsAnswer)
_EVENT: Final = "before-parse.kinesis.GetRecords"
_OURS: Final = "Answer"
_registering: Final = threading.Lock()


def get_records(client: KinesisClient, iterator: str, limit: int) -> GetRecordsAnswer:
    """Ask once. Raises as the client does, and `Halted` for a 200 that is no answer of Kinesis.

    From then on `client.get_records` itself gives nothing to others: this client is for reading here.
    """
    with _registering:  # botocore's tree of handlers loses one of two first registrations at one time
        client.meta.events.register_first(_EVENT, _parse, unique_id=_EVENT)
    given: Any = client.get_records(ShardIterator=iterator, Limit=limit)
    answer: GetRecordsAnswer = given[_OURS]
    return answer


def _parse(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take the body of a good answer before botocore reads it, and leave it an empty one."""
    if response_dict["status_code"] != 200:
        return
    try:
        customized_response_dict[_OURS] = _decoder.decode(response_dict["body"])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Halted("GetRecords: what came is no answer of Kinesis") from None
    response_dict["body"] = b"{}"
