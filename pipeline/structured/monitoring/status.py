"""A service of the analytics at a glance: what /status says to scripts, and what the page shows to people."""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.observability.status import ServiceStatus


class Lag(msgspec.Struct, frozen=True):
    """Of a topic's partition.

    `seconds`: the age of the oldest record that is not in effect yet, 0 where there is none; None where it could not be
    looked up.
    """

    topic: str
    partition: int
    records: int
    seconds: float | None


class Status(ServiceStatus, frozen=True):
    """`state`: starting, running or stopping.

    `lag`: as last looked up, the worst first. `per_minute`: records of each of the last 60 minutes, the last of which
    is not over. `outcomes`: of that hour, flow → what became of records → how many. `letters`: written since the
    process began, by reason. `late`: rows that came too late for a window, once for each window that they were too late
    for, since the process began. `state_rows`: kept for later batches, by flow. `batches`: as the log tells them, the
    newest first. `alarms`: what the service itself has found that somebody has to look at, and why.
    """

    lag: list[Lag]
    per_minute: list[int]
    outcomes: dict[str, dict[str, int]]
    letters: dict[str, int]
    late: dict[str, int]
    state_rows: dict[str, int]
    batches: list[dict[str, Any]]
    alarms: dict[str, str]

    @property
    def worst_lag(self) -> float | None:
        """Seconds, of the partition that is furthest behind."""
        return max((lag.seconds for lag in self.lag if lag.seconds is not None), default=None)
