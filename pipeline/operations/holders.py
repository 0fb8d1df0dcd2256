"""Who holds the leases, and whether they live: a lease has no time stamp, so its counter is looked at twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pipeline.console.output import Advance
from pipeline.leases.lease import Lease

FAIL_OVER = 10.0
"""Seconds after which a lease whose counter stands still is nobody's."""
RENEWED_WITHIN = 5.0
"""A living holder renews every third of the fail-over time, and wakes once a second."""
LOOK = 0.5

Look = Callable[[], Sequence[Lease]]


def owners(leases: Sequence[Lease]) -> set[str]:
    """Everybody who holds one of these leases."""
    return {lease.owner for lease in leases if lease.owner is not None}


def living(first: Sequence[Lease], look: Look, seconds: float, advance: Advance) -> set[str]:
    """The owners one of whose counters moved, looked at until all of them did, `seconds` at most."""
    counters = {lease.shard: (lease.owner, lease.counter) for lease in first}
    found: set[str] = set()
    began = time.monotonic()
    now = first
    while time.monotonic() < began + seconds and not owners(now) <= found:
        time.sleep(LOOK)
        advance(1)
        now = look()
        moved = [lease for lease in now if counters.get(lease.shard) != (lease.owner, lease.counter)]
        found |= owners(moved)
    return found
