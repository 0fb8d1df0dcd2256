"""One lease that this process holds: its row as written last, how far its shard is, and the writes on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from pipeline.leases.lease import Lease
from pipeline.leases.table import LeaseTable
from pipeline.runtime.errors import LeaseLost, Transient


class HeldLease:
    """`lease`: the row, as far as is known. `renewed_at`: when the write began that the owner may rely on (`clock`).

    One lock guards every write of the row; who waits for it longer than `patience` seconds gets `Transient`.
    `position`, `caught_up_at` and `stream_created_at` are set by the driver's thread alone, without the lock, so never
    wait for DynamoDB.
    """

    def __init__(
        self, table: LeaseTable, lease: Lease, began: float, patience: float, clock: Callable[[], float]
    ) -> None:
        self.lease = lease
        self.renewed_at = began
        self.position = lease.checkpoint
        self.caught_up_at = lease.caught_up_at
        self.stream_created_at = lease.stream_created_at
        self.lost = False
        self.gone = False
        self._table = table
        self._patience = patience
        self._clock = clock
        self._trying_since: float | None = None
        self._lock = threading.Lock()

    @property
    def pending(self) -> bool:
        """Whether the shard is further than its checkpoint says."""
        return self.position > self.lease.checkpoint

    def beat(self) -> None:
        """Renew, and write the position if it moved. Raises `LeaseLost`, `Transient`."""
        with self._writing():
            if not self.gone:
                self._beat()

    def start_at(self, moment: int) -> None:
        """Note the moment (ms since the epoch) that LATEST or AT_TIMESTAMP stands for."""
        with self._writing():
            while self.lease.started_at is None:
                self._write(lambda: self._table.renew(self.lease, started_at=moment))

    def refresh(self) -> None:
        """Read again what an operator may have written: `loss_accepted_at`."""
        with self._writing():
            if (there := self._table.get(self.lease.shard)) is not None:
                self.lease = msgspec.structs.replace(self.lease, loss_accepted_at=there.loss_accepted_at)

    def restart(self, new: Lease) -> None:
        """Let the row, and what is known here, begin anew as `new` says."""
        with self._writing():
            self.position, self.caught_up_at = new.checkpoint, new.caught_up_at
            self.stream_created_at = new.stream_created_at
            while (self.lease.checkpoint, self.lease.stream_created_at) != (new.checkpoint, new.stream_created_at):
                self._write(lambda: self._table.restart(self.lease, new))

    def give_back(self) -> None:
        """Write the position if it moved, then make the lease free."""
        with self._writing():
            while self.pending:
                self._beat()
            self.lease = self._table.release(self.lease)
            self.gone = True

    def delete(self) -> None:
        """Delete the row."""
        with self._writing():
            self._table.delete(self.lease)
            self.gone = True

    def _beat(self) -> None:
        moments = {"caught_up_at": self.caught_up_at, "stream_created_at": self.stream_created_at}
        self._write(lambda: self._table.checkpoint(self.lease, self.position, **moments))

    def _write(self, write: Callable[[], Lease]) -> None:
        # A write that got no answer may have succeeded, and others have watched the lease stand still since then.
        self._trying_since = began = self._clock() if self._trying_since is None else self._trying_since
        try:
            self.lease = write()
        except LeaseLost:
            self.lost = True
            raise
        self.renewed_at, self._trying_since = began, None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._patience):
            raise Transient(f"lease of shard {self.lease.shard}: the write before has had no answer yet")
        try:
            yield
        finally:
            self._lock.release()
