"""What travels through the engine: positions, ranges, records, extents, blocks, events, letters.

A record's life: `Range` (planned by the driver) → `Extent` of `Record`s (read by a task) → `Block`s (one for each
output partition, packed where they are shuffled) → `Event` (understood by its domain) → a row, a `Letter`, or skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

import msgspec

M = TypeVar("M")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """A place in a shard, totally ordered: `START` < every (sequence, sub-sequence) < `END`, compared as integers.

    `sub_sequence` is the index of a sub-record within a KPL aggregate, 0 for a plain record.
    """

    sequence: int
    sub_sequence: int = 0


START = Position(-1, -1)
"""Nothing of the range was read."""
END = Position(10**60, 0)
"""The shard is closed and everything in it was read (SHARD_END in the lease table). Sequence numbers have 56 digits."""


class ShardTimes(NamedTuple):
    """Of one shard: everything that arrived before `applied` is applied, before `durable` also checkpointed.

    Milliseconds since the epoch; None where not known yet, and where the shard is read to its end.
    """

    applied: int | None
    durable: int | None


class Range(msgspec.Struct, frozen=True):
    """What one task is to read of one shard: everything after `after`, up to the caps.

    With `after` = `START` reading begins at `start_at` (milliseconds since the epoch, by arrival) or, where that is
    None, at the trim horizon. `hash_range` is the shard's (first, last) hash key, both included. Everything that had
    arrived by `caught_up_at` (milliseconds since the epoch) was applied, perhaps more; None: a loss is not looked for.
    `retention_ms`: how long the stream keeps a record, as was known when this was planned.
    """

    shard: str
    after: Position
    start_at: int | None
    hash_range: tuple[int, int]
    max_records: int
    max_bytes: int
    caught_up_at: int | None = None
    retention_ms: int = 24 * 3600 * 1000


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One user record as it lay in the stream, KPL aggregates already unpacked.

    `arrived_ms`: Kinesis' ApproximateArrivalTimestamp, milliseconds since the epoch, UTC.
    `sequence`: decimal text, as Kinesis writes it. `key`: 32-bit hash of the ordering key (`Router.key_of`), -1 where
    nobody has looked for it yet.
    `flaw`: the reason why this record can only be a dead letter, known before its data was looked at.
    """

    shard: str
    sequence: str
    sub_sequence: int
    arrived_ms: int
    data: bytes
    flaw: str | None = None
    key: int = -1

    def __repr__(self) -> str:
        return f"Record({self.shard}, {self.sequence}, {self.sub_sequence}, {len(self.data)} bytes, flaw={self.flaw})"

    @property
    def position(self) -> Position:
        return Position(int(self.sequence), self.sub_sequence)

    @property
    def arrived(self) -> datetime:
        """Arrival in the stream, aware, UTC, to the millisecond: the rules' "now"."""
        return EPOCH + timedelta(milliseconds=self.arrived_ms)


class Extent(msgspec.Struct, frozen=True):
    """What one read of a range gave: its records, how far it got, and how far behind the tip that is.

    `through` is `START` when nothing was read and the shard is still open. `behind_ms`: MillisBehindLatest of the last
    answer, before the tip at least the age of its last record. `at_tip`: the read stopped because the stream had no
    more, not because of a cap.
    """

    shard: str
    records: list[Record]
    through: Position
    behind_ms: int
    at_tip: bool


class Reached(msgspec.Struct, frozen=True):
    """How far one shard has come: `through` is applied (or read), the rest as in `Extent`."""

    through: Position
    at_tip: bool
    behind_ms: int


class Block(msgspec.Struct, frozen=True, array_like=True):
    """The records of one extent that belong to one output partition; made also when there are none.

    `content`: its records, packed where the block goes to another process, as they are where it stays in this one.
    """

    shard: str
    sequence: str
    sub_sequence: int
    at_tip: bool
    behind_ms: int
    content: bytes | list[Record]

    def __repr__(self) -> str:
        return f"Block({self.shard}, {self.sequence}, {self.sub_sequence})"

    @property
    def progress(self) -> Reached:
        """How far the extent got that this block was cut from."""
        return Reached(Position(int(self.sequence), self.sub_sequence), self.at_tip, self.behind_ms)


_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(list[Record])


def block(extent: Extent, records: Sequence[Record]) -> Block:
    """One block for the shuffle: those `records` of `extent` that go to one partition, in stream order."""
    return _block(extent, _pack.encode(records))


def whole_block(extent: Extent) -> Block:
    """All records of the extent, for this process."""
    return _block(extent, extent.records)


def _block(extent: Extent, content: bytes | list[Record]) -> Block:
    sequence, sub_sequence = extent.through
    return Block(extent.shard, str(sequence), sub_sequence, extent.at_tip, extent.behind_ms, content)


def unblock(given: Block) -> list[Record]:
    """The records of a block, in stream order."""
    return _unpack.decode(given.content) if isinstance(given.content, bytes) else given.content


class Report(msgspec.Struct):
    """What one output partition did in one batch.

    `reads`: per shard, what this partition has durably finished (the driver commits the smallest of all partitions).
    `alone`: it read these shards itself, and has all of their records; otherwise they are spread over all partitions.
    `unread`: per shard whose range could not be read, (name of the class in errors.py, why).
    `deferred`: shards that the task had no room for; the next batch begins with them.
    `outcomes`: (type, outcome) → messages, where outcome is a status ("1", "-4"), "skipped", "duplicate" or
    "letter:<reason>"; type is "" where unknown. `seconds`: stage → seconds. `failure`: None, or why the batch stops
    (then `reads` must not be committed); `fate`: name of the class in errors.py; `waits_for`: as in `PipelineError`.
    `retries` of transactions, of which `causes` tells: cause → retries. `chunks`: messages of a transaction → such
    transactions. `connections`: used at one time. `conflicts`: type → messages whose producer's id had another content.
    These five also tell of a batch that stopped, and so do `outcomes`; its letters may not be durable.
    """

    reads: dict[str, Reached] = {}
    alone: bool = False
    unread: dict[str, tuple[str, str]] = {}
    deferred: list[str] = []
    outcomes: dict[tuple[str, str], int] = {}
    seconds: dict[str, float] = {}
    retries: int = 0
    failure: str | None = None
    fate: str = ""
    waits_for: str = ""
    causes: dict[str, int] = {}
    chunks: dict[int, int] = {}
    connections: int = 0
    conflicts: dict[str, int] = {}


class Event(msgspec.Struct, Generic[M], frozen=True, gc=False):
    """A message that its domain understood. `identity`: 16 bytes, unique within its table (see identity.py)."""

    identity: bytes
    type: str
    record: Record
    message: M


class Letter(msgspec.Struct, frozen=True):
    """A dead letter on its way to the failover table.

    `record.data` is empty here: a letter keeps `payload` (allow-listed, redacted fields), `size` and `sha256` of the
    bytes, never the bytes. `type` is None where the message did not say one that we know.
    """

    identity: bytes
    record: Record
    type: str | None
    reason: str
    error: str
    payload: dict[str, object]
    size: int
    sha256: str


class Skipped(NamedTuple):
    """A message whose status says that it was processed elsewhere: counted, nothing is written."""

    type: str
