"""A span of the stream through the unit of work again: what was applied is dropped by its event id.

Only what the service has committed already: what lies behind a shard's checkpoint is the running driver's, and applied
beside it would lose its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pipeline.console.output import Advance, WrongUsage
from pipeline.kinesis.shards import Shard, list_shards
from pipeline.leases.lease import Lease
from pipeline.messages.records import EPOCH, START, Range, Record
from pipeline.operations.letters.redrive import apply_records
from pipeline.operations.shard_pages import BYTES, RECORDS, pages
from pipeline.operations.workbench import Workbench
from pipeline.runtime.errors import Trimmed


class TimeRange(NamedTuple):
    """Arrival in milliseconds since the epoch: from `first` up to, not including, `end`."""

    first: int
    end: int


def span_of(begin: datetime, end: datetime) -> TimeRange:
    """Of two aware times. Raises `WrongUsage` where nothing lies between."""
    if begin >= end:
        raise WrongUsage("--from is not before --to")
    first, last = ((moment - EPOCH) // timedelta(milliseconds=1) for moment in (begin, end))
    return TimeRange(first, last)


def replay(bench: Workbench, span: TimeRange, only: str | None, counts: Counter[str], advance: Advance) -> None:
    """Counts every outcome as `type outcome`, `records`, and `after_checkpoint`: what was left to the driver.

    Raises `WrongUsage` for an unknown shard, `Transient`, `Halted`, `Fatal`.
    """
    counts.update(records=0, shards_trimmed=0)
    leases = {lease.shard: lease for lease in bench.leases()}
    for shard in _shards(bench, only):
        lease = leases.get(shard.id)
        if lease is None or lease.checkpoint == START:
            counts["shards_not_consumed_yet"] += 1
            continue
        for records in _read(bench, shard, span, lease, counts):
            apply_records(bench.partition, records, counts)
            counts["records"] += len(records)
            advance(len(records))


def _shards(bench: Workbench, only: str | None) -> list[Shard]:
    """Parents before children: their numbers are lower."""
    listed = sorted(list_shards(bench.aws, bench.settings.stream_name), key=lambda shard: shard.id)
    chosen = [shard for shard in listed if only in (None, shard.id)]
    if not chosen:
        raise WrongUsage(f"the stream has no shard {only}; it has {', '.join(shard.id for shard in listed[:20])}")
    return chosen


def _read(
    bench: Workbench, shard: Shard, span: TimeRange, lease: Lease, counts: Counter[str]
) -> Iterator[Sequence[Record]]:
    wanted = Range(shard.id, START, span.first, shard.hash_range, RECORDS, BYTES)
    try:
        for extent in pages(bench.reader, wanted):
            within = [record for record in extent.records if span.first <= record.arrived_ms < span.end]
            committed = [record for record in within if record.position <= lease.checkpoint]
            counts["after_checkpoint"] += len(within) - len(committed)
            if committed:
                yield committed
            if any(record.arrived_ms >= span.end or record.position > lease.checkpoint for record in extent.records):
                return
    except Trimmed:
        counts["shards_trimmed"] += 1
