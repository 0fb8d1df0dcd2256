"""How a standby knows that nobody works on the stream: leases carry no time, so it watches their counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipeline.leases.lease import Lease


class LeaseWatch:
    """Remembers since when each lease has not moved. `clock`: seconds, monotonic."""

    def __init__(self, owner: str, failover_seconds: float, clock: Callable[[], float]) -> None:
        self._owner = owner
        self._failover = failover_seconds
        self._clock = clock
        self._unmoved: dict[str, tuple[str | None, int, float]] = {}

    def idle(self, leases: Iterable[Lease]) -> bool:
        """Whether each of these leases, read just now, is free, ours, or was seen unmoved for the fail-over time."""
        now = self._clock()
        expired = [self._expired(lease, now) for lease in leases]
        return all(expired)

    def _expired(self, lease: Lease, now: float) -> bool:
        owner, counter, since = self._unmoved.get(lease.shard, (None, -1, now))
        if (owner, counter) != (lease.owner, lease.counter):
            since = now
        self._unmoved[lease.shard] = (lease.owner, lease.counter, since)
        return lease.owner in (None, self._owner) or now - since >= self._failover
