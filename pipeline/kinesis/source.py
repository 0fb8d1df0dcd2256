"""Kinesis as a source: what to read next of which shard, and how far everything is.

Three rules keep every message where shards split and merge, whenever the process dies:
a parent's end is durable before a child is read; a child's row is made after its parents' rows; and a row is deleted
only when its shard is read to the end, trimmed away, and its children have begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
import structlog

from pipeline.kinesis.lineage import (
    is_of_another_stream,
    is_stale,
    known_since,
    missing,
    new_lease,
    readable,
    removable,
)
from pipeline.kinesis.reader import UNKNOWN_POSITION, KinesisReader
from pipeline.kinesis.shards import Shard, describe, list_shards, stream_time
from pipeline.leases.keeper import LeaseKeeper
from pipeline.leases.lease import Lease
from pipeline.messages.records import END, START, Range, Reached
from pipeline.runtime.errors import Fatal, LeaseLost, waiting_for

log = structlog.get_logger()

LOOK_EVERY = 60.0
"""Seconds between two looks at the list of shards. The end of a shard causes one at once."""
GONE = "the stream has trimmed this shard away before it was read to its end"
REMADE = "the stream was deleted and made again under its name: what it held unread is lost"


class KinesisSource:
    """The shards of `reader.stream`, their leases held by `keeper`.

    `initial`: "TRIM_HORIZON", "LATEST" or an aware datetime; it counts only for shards that have neither a lease nor
    leased kin. LATEST is resolved once, to the time of the first start by the stream's clock. A row that KCL left at
    LATEST is resolved to `initial` if that is a time stamp, else to the time of the takeover, which is where KCL would
    have gone on; one that it left at AT_TIMESTAMP needs the time stamp in `initial`. `stopped`: the shards that are not
    read, and why, until an operator accepts the loss (`LeaseTable.accept_loss`); one of a stream that was made again
    begins anew then. `clock`: seconds since the epoch.
    """

    def __init__(
        self,
        reader: KinesisReader,
        keeper: LeaseKeeper,
        initial: str | datetime,
        max_records: int,
        max_bytes: int = 32 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.stopped: dict[str, str] = {}
        self._reader = reader
        self._keeper = keeper
        self._initial = initial
        self._caps = (max_records, max_bytes)
        self._clock = clock
        self._forget()

    @property
    def reader(self) -> KinesisReader:
        return self._reader

    def acquire(self, stop: threading.Event) -> bool:
        """Become the one driver of this stream; wait as a standby while another is alive. False if stopped meanwhile.

        Makes the lease table and the first leases where there are none. Raises `Transient`, `Fatal`.
        """
        self.release()
        table = self._keeper.table
        table.ensure()
        if not table.scan():
            with waiting_for("the stream"):
                first = self._first_leases()
            for lease in first:
                table.create(lease)
        acquired = self._keeper.acquire(stop)
        self._acquired_at = self._now()
        return acquired

    def plan(self) -> list[Range]:
        """The next range of every shard that can be read. Raises `LeaseLost`, `Transient`.

        Those that have waited longest since they were read come first; of equals, the furthest behind. So a batch that
        has no room for all lets none wait for ever.
        """
        with waiting_for("the lease table"):
            self._keeper.check()
        if self._look_is_due(self._keeper.leases()):
            with waiting_for("the stream"):
                self._look()
        leases = self._leases()
        now = self._now()
        ranges = [
            self._range(lease)
            for shard, lease in leases.items()
            if shard not in self.stopped
            and self._keeper.position(shard) != END
            and readable(shard, self._listed, leases)
        ]
        self._planned_at.clear()
        self._planned_at.update((wanted.shard, now) for wanted in ranges)
        return sorted(ranges, key=lambda wanted: self._turn(wanted.shard))

    def commit(self, progress: Mapping[str, Reached]) -> None:
        """Everything up to there is durable: move forward, never back. Written by the keeper within a second.

        What arrived before the range was planned, less what the read was behind, is caught up with. Raises `LeaseLost`.
        """
        self._keeper.check_known_loss()
        for shard, reached in progress.items():
            if shard not in self._planned_at:
                raise LeaseLost(f"shard {shard} was not planned since the leases were taken")
            self._read_at[shard] = self._planned_at[shard]
            seen_until = self._planned_at[shard] - reached.behind_ms
            self._keeper.advance(shard, reached.through, seen_until)
            if reached.at_tip or reached.through == END or seen_until >= self._acquired_at:
                self._caught_up.add(shard)
            if reached.through == END:
                self._ended.add(shard)
                self._read_to_end.add(shard)

    def stop_shard(self, shard: str, why: str) -> None:
        """Read this shard no more, and say so, until an operator accepts the loss."""
        if shard not in self.stopped:
            self.stopped[shard] = why
            log.error("shard stopped", shard=shard, reason=why, remedy="accept-loss")

    def retention(self) -> float | None:
        """How long the stream keeps a record, in seconds, as it was last looked at; None before. For any thread."""
        return self._retention_ms / 1000 or None

    def caught_up_since_start(self) -> bool:
        """Whether every shard, with all descendants, was read to what it held at `acquire`, to its tip or its end."""
        return (
            self._looked_at is not None
            and not self._ended
            and not self.stopped
            and all(
                shard in self._caught_up or lease.checkpoint == END for shard, lease in self._keeper.leases().items()
            )
        )

    def release(self) -> None:
        """Write the last positions, give the leases back, stop the background work. Idempotent."""
        self._keeper.release()
        self._forget()

    def _forget(self) -> None:
        self.stopped.clear()
        self._listed: dict[str, Shard] = {}
        self._looked_at: float | None = None
        self._retention_ms = 0
        self._planned_at: dict[str, int] = {}
        self._read_at: dict[str, int] = {}
        self._caught_up: set[str] = set()
        self._acquired_at = self._now()
        self._ended: set[str] = set()
        self._read_to_end: set[str] = set()
        self._created_at = 0

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _leases(self) -> dict[str, Lease]:
        """The leases; those of a stream that is no more say nothing of how far their shards are."""
        return {
            shard: msgspec.structs.replace(lease, checkpoint=START) if self._is_stale(lease) else lease
            for shard, lease in self._keeper.leases().items()
        }

    def _is_stale(self, lease: Lease) -> bool:
        return is_of_another_stream(lease, self._created_at) or self.stopped.get(lease.shard) == REMADE

    def _turn(self, shard: str) -> tuple[int, int, str]:
        return self._read_at.get(shard, 0), self._keeper.caught_up_at(shard) or 0, shard

    def _range(self, lease: Lease) -> Range:
        after = self._keeper.position(lease.shard)
        return Range(
            lease.shard,
            after,
            lease.started_at if after == START and lease.beginning != "TRIM_HORIZON" else None,
            self._listed[lease.shard].hash_range,
            *self._caps,
            caught_up_at=known_since(lease, after, self._keeper.caught_up_at(lease.shard)),
            retention_ms=self._retention_ms,
        )

    # --- looking at the list of shards

    def _look_is_due(self, leases: Mapping[str, Lease]) -> bool:
        if self._looked_at is None or self._clock() - self._looked_at >= LOOK_EVERY:
            return True
        return any(leases[shard].checkpoint == END for shard in self._ended)

    def _look(self) -> None:
        """Learn of new shards, of shards that are no more, and of what an operator decided."""
        looked_at = self._clock()
        ended = {shard for shard in self._ended if self._keeper.leases()[shard].checkpoint == END}
        stream = describe(self._reader.aws, self._reader.stream)
        self._retention_ms, self._created_at = stream.retention_hours * 3_600_000, stream.created_at
        listed = self._list()
        self._settle_stopped(listed)
        self._stop_remade(listed)
        self._keeper.note_stream(self._created_at)
        leased = [shard for shard, lease in self._keeper.leases().items() if not self._is_stale(lease)]
        for shard, child in missing(listed, leased, self._open_at_start):
            if shard.id not in self._keeper.leases():
                self._keeper.hold(self._new_lease(shard, child))
        self._resolve_beginnings()
        self._settle_gone(listed)
        self._listed, self._looked_at = listed, looked_at
        self._ended -= ended

    def _new_lease(self, shard: Shard, child: bool, *, start: tuple[str, int | None] | None = None) -> Lease:
        return new_lease(shard, *(("TRIM_HORIZON", None) if child else start or self._start()), self._created_at)

    def _list(self, which: str | None = None, at_ms: int | None = None) -> dict[str, Shard]:
        return {shard.id: shard for shard in list_shards(self._reader.aws, self._reader.stream, which, at_ms)}

    def _resolve_beginnings(self) -> None:
        now: int | None = None
        for shard, lease in self._keeper.leases().items():
            if lease.checkpoint != START or lease.beginning == "TRIM_HORIZON" or lease.started_at is not None:
                continue
            if isinstance(self._initial, datetime):
                self._keeper.start_at(shard, _milliseconds(self._initial))
            elif lease.beginning == "LATEST":
                now = stream_time(self._reader.aws, self._reader.stream) if now is None else now
                self._keeper.start_at(shard, now)
            else:
                raise Fatal(f"shard {shard} begins AT_TIMESTAMP, its row does not say at which: set INITIAL_POSITION")

    def _settle_stopped(self, listed: Mapping[str, Shard]) -> None:
        for shard, why in list(self.stopped.items()):
            self._keeper.refresh(shard)
            accepted = self._loss_accepted(shard)
            if accepted and shard in listed and (why == REMADE or UNKNOWN_POSITION in why):
                self._keeper.restart(shard, self._new_lease(listed[shard], child=True))
                del self.stopped[shard]
                log.warning("shard begins anew", shard=shard)
            elif accepted or (why == GONE and shard in listed):
                del self.stopped[shard]
                log.warning("shard goes on", shard=shard)
            else:
                log.error("shard still stopped", shard=shard, reason=why, remedy="accept-loss")

    def _stop_remade(self, listed: Mapping[str, Shard]) -> None:
        """Stop what has the lease of a shard of the same name, of a stream that was deleted and made again."""
        for shard, lease in self._keeper.leases().items():
            ended = shard in self._read_to_end and not is_of_another_stream(lease, self._created_at)
            if is_stale(lease, listed, self._created_at) and not ended:
                self.stop_shard(shard, REMADE)

    def _settle_gone(self, listed: Mapping[str, Shard]) -> None:
        leases = self._keeper.leases()
        for shard, lease in leases.items():
            if removable(shard, listed, leases):
                self._keeper.drop(shard)
            elif shard in listed or lease.checkpoint == END:
                continue
            elif self._loss_accepted(shard):
                self._keeper.advance(shard, END, lease.loss_accepted_at or 0)
            else:
                self.stop_shard(shard, REMADE if self._is_stale(lease) else GONE)

    def _loss_accepted(self, shard: str) -> bool:
        accepted = self._keeper.leases()[shard].loss_accepted_at
        return accepted is not None and accepted > max(self._keeper.caught_up_at(shard) or 0, self._created_at)

    # --- where to begin

    def _first_leases(self) -> list[Lease]:
        """Leases for an empty table. The open shards are listed first: what splits meanwhile is then read as well."""
        aws, stream = self._reader.aws, self._reader.stream
        self._created_at = describe(aws, stream).created_at
        listed_first = self._list("AT_LATEST") if self._initial == "LATEST" else None
        start = ("LATEST", stream_time(aws, stream)) if self._initial == "LATEST" else self._start()
        listed = self._list()
        at_start = self._open_at_start if listed_first is None else lambda: listed_first
        return [self._new_lease(shard, child, start=start) for shard, child in missing(listed, (), at_start)]

    def _start(self) -> tuple[str, int | None]:
        """Where a shard without leased kin begins: where the first start did, as rows tell, else as configured.

        In a table that somebody else made, LATEST says nothing of when: then everything is read.
        """
        leases = self._keeper.leases().values()
        begun = [lease for lease in leases if lease.started_at is not None and not self._is_stale(lease)]
        if begun:
            first = min(begun, key=lambda lease: lease.started_at or 0)
            return ("LATEST" if first.beginning == "LATEST" else "AT_TIMESTAMP"), first.started_at
        if isinstance(self._initial, datetime):
            return "AT_TIMESTAMP", _milliseconds(self._initial)
        return "TRIM_HORIZON", None

    def _open_at_start(self) -> dict[str, Shard]:
        _, moment = self._start()
        return self._list() if moment is None else self._list("AT_TIMESTAMP", moment)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
