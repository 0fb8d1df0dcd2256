"""Reading Kinesis: a range of one shard.

Errors by fate: what heals is tried again with jitter, then `Transient`; a missing stream or missing credentials are
`Fatal`; a position or shard that the stream no longer knows is `Trimmed`; anything else is `Halted`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws import Aws, error_code, is_aws_transient, lasting
from pipeline.kinesis.aggregation import unpack
from pipeline.kinesis.get_records import GetRecordsAnswer, get_records
from pipeline.kinesis.shards import PATIENCE, describe
from pipeline.messages.records import END, EPOCH, START, Extent, Position, Range, Record
from pipeline.runtime.errors import Transient, Trimmed
from pipeline.runtime.retries import retried

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import GetShardIteratorInputTypeDef

LEAST_RETENTION_MS = 24 * 3_600_000
"""Every stream keeps a record for so long."""
UNKNOWN_POSITION = "does not know its position: was the stream made anew?"
THROTTLED = "ProvisionedThroughputExceededException"
MOST_RECORDS = 10_000
"""The largest Limit that GetRecords takes."""

_onward: dict[tuple[KinesisReader, str], _Onward] = {}


@dataclass(frozen=True)
class KinesisReader:
    """Reads ranges of the shards of one stream. `patience`, `longest`: seconds; the latter limits one read."""

    aws: Aws
    stream: str
    patience: float = PATIENCE
    longest: float = 3.0

    def read(self, wanted: Range) -> Extent:
        """Read until the tip, a cap or the shard's end. A cap stops the asking: the last answer may overshoot it.

        `wanted.after` may lie within an aggregate: what follows in it is read. An aggregate is never cut. Where errors
        that heal interrupt a read that has records, it ends with those.
        """
        return _Reading(self, wanted).run()


class _Onward(NamedTuple):
    """Where a read of this process stopped among empty answers, and the position from which it had set out."""

    after: Position
    start_at: int | None
    iterator: str
    boundary: int | None


class _Reading:
    """One read under way: everything up to `at` is in `records`; `boundary` is the sequence that has to come first."""

    def __init__(self, reader: KinesisReader, wanted: Range) -> None:
        self.reader = reader
        self.wanted = wanted
        self.client: KinesisClient = reader.aws.client("kinesis", attempts=1)
        self.at = wanted.after
        self.records: list[Record] = []
        self.size = 0
        self.behind_ms = 0
        self.iterator: str | None = None
        self.boundary: int | None = None
        kept = _onward.pop((reader, wanted.shard), None)
        self.kept = kept is not None and (kept.after, kept.start_at) == (wanted.after, wanted.start_at)
        if kept is not None and self.kept:
            self.iterator, self.boundary = kept.iterator, kept.boundary

    def run(self) -> Extent:
        stop = time.monotonic() + self.reader.longest
        while True:
            try:
                limit = self._limit()
                answer = self._next(limit)
            except Transient:
                if not self._moved():
                    raise
                return self._extent(at_tip=False)
            at_tip = answer.iterator is None or (answer.behind_ms == 0 and len(answer.records) < limit)
            self._take(answer, at_tip)
            if answer.iterator is None:
                return msgspec.structs.replace(self._extent(at_tip=True), through=END)
            if at_tip or self._full() or time.monotonic() > stop:
                self._keep(answer.iterator)
                return self._extent(at_tip)

    def _limit(self) -> int:
        """How many to ask for: what is left to the cap, and the boundary, which was read before."""
        left = self.wanted.max_records - len(self.records)
        again = self.at != START and (self.iterator is None or self.boundary is not None)
        return min(MOST_RECORDS, left + again)

    def _full(self) -> bool:
        return len(self.records) >= self.wanted.max_records or self.size >= self.wanted.max_bytes

    def _moved(self) -> bool:
        return self.at != self.wanted.after

    def _extent(self, at_tip: bool) -> Extent:
        through = self.at if self._moved() else START
        return Extent(self.wanted.shard, self.records, through, self.behind_ms, at_tip)

    def _keep(self, iterator: str) -> None:
        """Let the next read of this process go on where this one met nothing but empty answers.

        A sparse shard gives hundreds of them between two records, each a little further on; a position cannot say how
        far that was, so reads that begin at the position again might never get across.
        """
        if not self._moved():
            kept = _Onward(self.wanted.after, self.wanted.start_at, iterator, self.boundary)
            _onward[self.reader, self.wanted.shard] = kept

    def _next(self, limit: int) -> GetRecordsAnswer:
        """The next answer. Where records are in hand they are not kept waiting for a throttled stream.

        After 2 MB a shard refuses for a second, and after 10 MB for five: time to apply what is there.
        """
        what = f"GetRecords of {self.wanted.shard}"
        passes, patience = (_may_pass_soon, 1.0) if self._moved() else (_may_pass, self.reader.patience)
        try:
            return retried(lambda: self._ask(limit), passes, patience, what=what)
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == THROTTLED:
                raise Transient(f"{what}: {THROTTLED}") from error
            if error_code(error) == "ResourceNotFoundException":
                describe(self.reader.aws, self.reader.stream)
                raise Trimmed(f"{self.wanted.shard} is gone, and was not read to its end") from error
            if error_code(error) == "InvalidArgumentException" and self.iterator is None and self.at != START:
                raise Trimmed(f"{self.wanted.shard} {UNKNOWN_POSITION}") from error
            raise lasting(error, what) from error

    def _ask(self, limit: int) -> GetRecordsAnswer:
        if self.iterator is None:
            self.iterator = self.client.get_shard_iterator(**self._place())["ShardIterator"]
            self.boundary = None if self.at == START else self.at.sequence
        try:
            answer = get_records(self.client, self.iterator, limit)
        except self.client.exceptions.ExpiredIteratorException:
            self.iterator = None
            raise
        except self.client.exceptions.ResourceNotFoundException:
            if not self.kept:
                raise
            self.kept, self.iterator = False, None  # it was made when the stream was another one
            return self._ask(limit)
        self.iterator = answer.iterator
        self.behind_ms = answer.behind_ms
        return answer

    def _place(self) -> GetShardIteratorInputTypeDef:
        place: GetShardIteratorInputTypeDef = {
            "StreamName": self.reader.stream,
            "ShardId": self.wanted.shard,
            "ShardIteratorType": "TRIM_HORIZON",
        }
        if self.at != START:
            place["ShardIteratorType"] = "AT_SEQUENCE_NUMBER"
            place["StartingSequenceNumber"] = str(self.at.sequence)
        elif self.wanted.start_at is not None:
            place["ShardIteratorType"] = "AT_TIMESTAMP"
            place["Timestamp"] = EPOCH + timedelta(milliseconds=self.wanted.start_at)
        return place

    def _take(self, answer: GetRecordsAnswer, at_tip: bool) -> None:
        if answer.records or at_tip:
            self._check_loss(answer)
        for raw in answer.records:
            parts = unpack(raw.data, self.wanted.hash_range)
            self._add(raw.sequence, raw.arrived_ms, ((raw.data, None),) if parts is None else parts)
        if answer.records and not at_tip:
            # Some count from the last record of the shard, not from now: too little while nothing new arrives.
            self.behind_ms = max(self.behind_ms, int(time.time() * 1000) - answer.records[-1].arrived_ms)

    def _add(self, sequence: str, arrived_ms: int, parts: Sequence[tuple[bytes, str | None]]) -> None:
        number = int(sequence)
        shard = self.wanted.shard
        for index, (data, flaw) in enumerate(parts):
            if (number, index) > self.at:
                self.records.append(Record(shard, sequence, index, arrived_ms, data, flaw))
                self.size += len(data)
        last = (number, len(parts) - 1 if parts else 0)
        if last > self.at:
            self.at = Position(*last)

    def _check_loss(self, answer: GetRecordsAnswer) -> None:
        """The record at the position comes first, unless it was trimmed; then others behind it may have been, too.

        Where nothing was read yet there is no such record: then only how long ago it was looked at tells.
        """
        expected, self.boundary = self.boundary, None
        if expected is None and self.at != START:
            return
        if expected is not None and answer.records and int(answer.records[0].sequence) == expected:
            return
        if self._was_left_too_long():
            what = "was left" if expected is None else f"no longer holds {expected}, and was left"
            raise Trimmed(f"{self.wanted.shard} {what} for longer than a record is kept: some may be lost unread")

    def _was_left_too_long(self) -> bool:
        """Whether what came since it was caught up with may be trimmed. The retention may have changed a moment ago."""
        if self.wanted.caught_up_at is None:
            return False
        left = time.time() * 1000 - self.wanted.caught_up_at
        if left <= LEAST_RETENTION_MS:
            return False
        retention_ms = describe(self.reader.aws, self.reader.stream).retention_hours * 3_600_000
        return left > min(self.wanted.retention_ms, retention_ms)


def _may_pass_soon(error: Exception) -> bool:
    return _may_pass(error) and error_code(error) != THROTTLED


def _may_pass(error: Exception) -> bool:
    return is_aws_transient(error) or error_code(error) == "ExpiredIteratorException"
