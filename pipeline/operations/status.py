"""How the service is doing, from what it leaves behind: leases, the stream, letters, mails, rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

from pipeline.console.output import Advance
from pipeline.dead_letters.items import UnreadableLetter
from pipeline.kinesis.lineage import is_stale
from pipeline.kinesis.shards import Stream, describe, list_shards
from pipeline.leases.lease import Lease
from pipeline.messages.records import END, START
from pipeline.mysql.table_growth import Recent, recent
from pipeline.operations.holders import RENEWED_WITHIN, living, owners
from pipeline.operations.letters.listing import NAMED, Group, Wanted, gather, grouped
from pipeline.operations.unread import unread
from pipeline.operations.workbench import Workbench
from pipeline.runtime.durations import span
from pipeline.runtime.errors import PipelineError, Trimmed

LATELY = timedelta(minutes=5)


@dataclass(frozen=True)
class ShardStatus:
    """`position`: "sequence/sub-sequence", or where it begins or ends. `behind`: seconds behind the tip, as the stream
    says; None where it was not asked. `waiting`: records behind the position, "1000+" where there are more.
    `caught_up`: seconds since the moment up to which everything was processed, as the lease says.
    """

    shard: str
    owner: str | None
    position: str
    behind: float | None
    waiting: str
    caught_up: float | None
    wrong: str = ""


@dataclass
class Status:
    """`alive`: holders whose lease moved between two looks. `wrong`: what somebody has to look at."""

    stream: Stream
    holders: set[str]
    alive: set[str]
    shards: list[ShardStatus]
    letters: list[Group]
    settled: int
    unreadable: list[UnreadableLetter]
    mails_waiting: int
    mails_parked: int
    rows: Mapping[str, Recent]
    wrong: list[str] = field(default_factory=list)


def look(bench: Workbench, advance: Advance) -> Status:
    """Look at everything; some seconds. Raises `Transient`, `Halted`, `Fatal`."""
    stream = describe(bench.aws, bench.settings.stream_name)
    leases = bench.leases()
    alive = living(leases, bench.leases, RENEWED_WITHIN, advance)
    listed = {shard.id: shard for shard in list_shards(bench.aws, bench.settings.stream_name)}
    stale = {lease.shard for lease in leases if is_stale(lease, listed, stream.created_at)}
    shards = [_remade(lease) if lease.shard in stale else _shard(bench, lease, stream) for lease in leases]
    unleased = [shard for shard in listed.values() if shard.id not in {lease.shard for lease in leases}]
    shards += [ShardStatus(shard.id, None, "no lease yet", None, "", None) for shard in unleased if not shard.closed]
    found = gather(bench, Wanted(), advance)
    mails = bench.unsent_mails()
    rows = {table: bench.work(partial(recent, table, LATELY)) for table in bench.bank.tables}
    status = Status(
        stream,
        owners(leases),
        alive,
        shards,
        grouped(found.open),
        len(found.settled),
        found.unreadable,
        mails["waiting"],
        mails["parked"],
        rows,
    )
    status.wrong += _wrong(status)
    return status


def _remade(lease: Lease) -> ShardStatus:
    wrong = f"of a stream that was deleted and made again: python -m pipeline accept-loss {lease.shard}"
    return ShardStatus(lease.shard, lease.owner, "of another stream", None, "", None, wrong)


def _shard(bench: Workbench, lease: Lease, stream: Stream) -> ShardStatus:
    caught_up = None if lease.caught_up_at is None else max(0.0, time.time() - lease.caught_up_at / 1000)
    if lease.checkpoint == END:
        return ShardStatus(lease.shard, lease.owner, "SHARD_END", 0.0, "0", None)
    at = lease.checkpoint
    position = lease.beginning if at == START else f"{at.sequence}/{at.sub_sequence}"
    seen = ShardStatus(lease.shard, lease.owner, position, None, "", caught_up)
    try:
        extent = unread(bench, lease, stream.retention_hours * 3_600_000)
    except Trimmed:
        return replace(seen, wrong=f"trimmed unread: python -m pipeline accept-loss {lease.shard}")
    except PipelineError as error:
        return replace(seen, wrong=str(error))
    more = "" if extent.at_tip or extent.through == END else "+"
    waiting = str(len(extent.records)) + more
    return replace(
        seen,
        behind=0.0 if not extent.records and not more else _behind(extent.records, extent.behind_ms),
        waiting=waiting,
    )


def _behind(records: list[Any], behind_ms: int) -> float:
    """At the position: the age of the first record that waits, where there is one."""
    first = time.time() * 1000 - records[0].arrived_ms if records else 0.0
    return round(max(first, float(behind_ms)) / 1000, 1)


def _wrong(status: Status) -> Iterator[str]:
    half = timedelta(hours=status.stream.retention_hours) / 2
    if not status.holders:
        yield "nobody holds the leases: is the service running?"
    elif not status.alive:
        yield "the holder of the leases gives no sign of life: is it running? `release` frees leases of the dead"
    for shard in status.shards:
        if shard.wrong:
            yield f"{shard.shard}: {shard.wrong}"
        elif (shard.behind or 0) > half.total_seconds():
            yield f"{shard.shard} is {span(timedelta(seconds=shard.behind or 0))} behind, more than half the retention"
    oldest = min((group.oldest for group in status.letters), default=None)
    if oldest is not None and time.time() - oldest.timestamp() > half.total_seconds():
        yield "the oldest letter is past half the retention: `redrive` it before the stream has trimmed it"
    if status.unreadable:
        keys = ", ".join(one.key for one in status.unreadable[:NAMED])
        yield f"{len(status.unreadable)} letters cannot be read: mend or delete these items in DynamoDB: {keys}"
    if status.mails_parked:
        yield f"{status.mails_parked} mails are parked: nobody was told of the fraud"
