"""What the stream still has behind the position of a lease, or that it has dropped some of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline.kinesis.aggregation import EVERY_HASH
from pipeline.kinesis.lineage import is_stale, known_since
from pipeline.kinesis.reader import LEAST_RETENTION_MS
from pipeline.kinesis.shards import describe, list_shards
from pipeline.leases.lease import Lease
from pipeline.messages.records import END, Extent, Range
from pipeline.operations.workbench import Workbench
from pipeline.runtime.errors import Trimmed

COUNTED: Final = 1000
"""Most records that are counted behind a position."""


def unread(bench: Workbench, lease: Lease, retention_ms: int) -> Extent:
    """Up to `COUNTED` records, read as the service would. `retention_ms`: for how long the stream keeps a record.

    Raises `Trimmed` where the service stops the shard, and as the reader does.
    """
    caught_up_at, caps = known_since(lease, lease.checkpoint, lease.caught_up_at), (COUNTED, 4 * 1024 * 1024)
    wanted = Range(lease.shard, lease.checkpoint, lease.started_at, EVERY_HASH, *caps, caught_up_at, retention_ms)
    return replace(bench.reader, longest=1.0, patience=5.0).read(wanted)


def is_stopped(bench: Workbench, lease: Lease) -> bool:
    """Whether the stream may have dropped records of the shard before they were read, or was made again since.

    By the shortest retention that there is: the stream's own may have been another one when the shard was stopped.
    """
    stream = bench.settings.stream_name
    listed = {shard.id: shard for shard in list_shards(bench.aws, stream)}
    if is_stale(lease, listed, describe(bench.aws, stream).created_at):
        return True
    if lease.checkpoint == END:
        return False
    try:
        unread(bench, lease, LEAST_RETENTION_MS)
    except Trimmed:
        return True
    return False
