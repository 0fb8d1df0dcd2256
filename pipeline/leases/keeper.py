"""The driver's leases: taken together, renewed in the background, lost loudly.

A lease has no time stamp. It is expired when an observer saw the same owner and counter for the fail-over time; so the
holder trusts it for the fail-over time after the last renewal that it began, and no longer without looking again.

What a process that dies leaves behind, and how the next one goes on:

| it dies                                   | the table says                          | the next driver               |
|-------------------------------------------|-----------------------------------------|-------------------------------|
| while taking                              | some leases its own, none moving        | takes all after the fail-over |
| while giving back                         | some free, some its own, none moving    | takes all after the fail-over |
| after effects, before their checkpoint    | an older position                       | reads again, finds duplicates |
| between a shard's end and its children    | SHARD_END, children without leases      | makes them, at TRIM_HORIZON   |
| between one new lease and the next        | the later one is missing                | makes it                      |
| between a write and its answer            | what the write said                     | takes what is there           |
| before deleting a trimmed shard's row     | a row of a shard that is no more        | deletes it                    |
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from pipeline.leases.held_lease import HeldLease
from pipeline.leases.lease import Lease
from pipeline.leases.table import LeaseTable
from pipeline.leases.watch import LeaseWatch
from pipeline.messages.records import END, Position, ShardTimes
from pipeline.runtime.background import GoingOn
from pipeline.runtime.errors import LeaseLost, PipelineError, Transient
from pipeline.runtime.fan_out import each
from pipeline.runtime.pace import MINUTE, OnceAMinute

log = structlog.get_logger()

WRITERS = 4
"""Threads that write leases: 1,000 leases are 300 renewals a second, more than one connection carries. With eight the
driver waited twice as long for the interpreter."""


class LeaseKeeper:
    """Holds every lease of the table for `owner`, a uuid of this process, or none.

    While it holds, a background thread wakes once a second: it writes the positions that moved (which renews, too) and
    renews the other leases every third of `failover_seconds`, with `WRITERS` threads. That is one write a second for a
    busy shard and one in three seconds for an idle one, some 2 ms of CPU each: 1,000 idle shards are 300 write units a
    second and half a core. Its methods, `moments` aside, are called by one thread at a time. `clock`: seconds,
    monotonic. `on_look`: called for every look at the leases while waiting for them.
    """

    def __init__(
        self,
        table: LeaseTable,
        owner: str,
        failover_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self.table = table
        self.owner = owner
        self._failover = failover_seconds
        self._pause = min(1.0, failover_seconds / 6)
        self._clock = clock
        self._on_look = on_look
        self._held: dict[str, HeldLease] = {}
        self._background: threading.Thread | None = None
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._pace = OnceAMinute(clock)
        self._going_on = GoingOn("renewing leases")

    def acquire(self, stop: threading.Event) -> bool:
        """Wait until no other owner lives, then take every lease of the table. False if `stop` was set before.

        Takes nothing while any foreign counter moves. The lease that sorts first decides between those who try at the
        same time; who fails at any gives all back. Begins by giving back what this keeper still holds.
        """
        self.release()
        watch = LeaseWatch(self.owner, self._failover, self._clock)
        while not stop.is_set():
            self._on_look()
            try:
                leases = self.table.scan()
                if watch.idle(leases) and self._take_all(leases):
                    self._start()
                    return True
            except Transient as error:
                self._say(error)
            stop.wait(self._pause)
        return False

    def check(self) -> None:
        """Raise unless every lease is surely ours now.

        Where the last renewal is older than the fail-over time (the process was stopped, DynamoDB was away), the lease
        is renewed here and now. Raises `LeaseLost`, or `Transient` while DynamoDB is away.
        """
        self.check_known_loss()
        each(HeldLease.beat, self._older_than(self._failover), WRITERS)

    def check_known_loss(self) -> None:
        """Raise `LeaseLost` if a renewal has found that a lease is another's. Never waits."""
        for shard, held in self._held.items():
            if held.lost:
                raise LeaseLost(f"another driver holds the lease of shard {shard}")

    def leases(self) -> dict[str, Lease]:
        """Every lease held, as it is in the table: its checkpoint is durable."""
        return {shard: held.lease for shard, held in self._held.items()}

    def position(self, shard: str) -> Position:
        """How far the shard is, which may be ahead of its durable checkpoint."""
        return self._held[shard].position

    def caught_up_at(self, shard: str) -> int | None:
        """Everything that had arrived by then (ms since the epoch) is processed; None where not known."""
        return self._held[shard].caught_up_at

    def moments(self) -> dict[str, ShardTimes]:
        """How far each shard is, as moments in time. For any thread."""
        return {
            shard: ShardTimes(
                None if held.position == END else held.caught_up_at,
                None if held.lease.checkpoint == END else held.lease.caught_up_at,
            )
            for shard, held in list(self._held.items())
        }

    def advance(self, shard: str, position: Position, caught_up_at: int) -> None:
        """The shard is processed up to there. Never goes back. Written within a second, in the background."""
        held = self._held[shard]
        held.caught_up_at = max(held.caught_up_at or 0, caught_up_at)
        if position > held.position:
            held.position = position
            if position == END:
                self._wake.set()

    def hold(self, lease: Lease) -> None:
        """Make the row of a shard found now, already ours. Raises `LeaseLost` where another owner has it."""
        began = self._clock()
        ours = msgspec.structs.replace(lease, owner=self.owner)
        there = self.table.create(ours)
        if there is not ours and there.owner in (None, self.owner):
            there = self.table.take(there, self.owner)
        if there.owner != self.owner:
            raise LeaseLost(f"another driver made the lease of shard {lease.shard}")
        self._hold(there, began)

    def start_at(self, shard: str, moment: int) -> None:
        """Note the moment (ms since the epoch) that the shard's LATEST or AT_TIMESTAMP stands for."""
        self._held[shard].start_at(moment)

    def note_stream(self, created_at: int) -> None:
        """Leases that do not say of which stream they are, are of the one made then (ms). Written with a renewal."""
        for held in self._held.values():
            if held.stream_created_at is None:
                held.stream_created_at = created_at

    def restart(self, shard: str, new: Lease) -> None:
        """Let a shard's row begin anew, as its first lease `new` says."""
        self._held[shard].restart(new)

    def refresh(self, shard: str) -> None:
        """Read again what an operator may have written to the shard's row."""
        self._held[shard].refresh()

    def drop(self, shard: str) -> None:
        """Delete the row of a shard that is no more."""
        self._held[shard].delete()
        del self._held[shard]

    def release(self) -> None:
        """Write what is pending and give everything back, so that a standby takes over at once. Idempotent.

        What cannot be given back (DynamoDB away, lost to another) is left: it expires.
        """
        self._stop()
        try:
            each(_give_back, list(self._held.values()), WRITERS)
        except PipelineError as error:
            log.warning("leases not given back: they expire", reason=str(error))
        self._held = {}

    def _take_all(self, leases: list[Lease]) -> bool:
        """All or none; a table without rows has none. Rows that were made meanwhile show in the second scan."""
        try:
            each(self._take, leases, WRITERS)
            if leases and all(lease.owner == self.owner for lease in self.table.scan()):
                return True
        except (LeaseLost, Transient) as error:
            log.info("leases not taken", reason=str(error))
        self.release()
        return False

    def _take(self, lease: Lease) -> None:
        began = self._clock()
        self._hold(self.table.take(lease, self.owner), began)

    def _hold(self, lease: Lease, began: float) -> None:
        self._held[lease.shard] = HeldLease(self.table, lease, began, self._failover, self._clock)

    def _older_than(self, seconds: float) -> list[HeldLease]:
        """What was not renewed for so long, the oldest first."""
        now = self._clock()
        old = [held for held in list(self._held.values()) if now - held.renewed_at >= seconds]
        return sorted(old, key=lambda held: held.renewed_at)

    def _start(self) -> None:
        self._closing.clear()
        self._background = threading.Thread(target=self._run, name="leases", daemon=True)
        self._background.start()

    def _stop(self) -> None:
        if self._background is not None:
            self._closing.set()
            self._wake.set()
            self._background.join()
            self._background = None

    def _run(self) -> None:
        while True:
            self._wake.wait(self._pause)
            self._wake.clear()
            if self._closing.is_set():
                return
            with self._going_on:
                self._renew()

    def _renew(self) -> None:
        due = dict.fromkeys(self._older_than(self._failover / 3 - self._pause / 2))
        due |= dict.fromkeys(held for held in list(self._held.values()) if held.pending)
        try:
            each(HeldLease.beat, [held for held in due if not held.lost], WRITERS)
        except PipelineError as error:
            self._say(error)

    def _say(self, error: PipelineError) -> None:
        if self._pace.due():
            log.warning("leases wait", reason=str(error), said_again_after_seconds=MINUTE)


def _give_back(held: HeldLease) -> None:
    with suppress(LeaseLost):
        held.give_back()
