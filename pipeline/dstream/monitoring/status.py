"""The driver at a glance: what /status says to scripts, and what the page shows to people."""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.observability.status import ServiceStatus


class ShardAges(msgspec.Struct, frozen=True):
    """As the metrics of the same names; None where not known yet, and where the shard is read to its end."""

    lag_seconds: float | None
    checkpoint_age_seconds: float | None


class Status(ServiceStatus, frozen=True):
    """`state`: starting, standing by, leading or stopping.

    `stopped`: the shards that are not read on, and why. `per_minute`: messages of each of the last 60 minutes, the last
    of which is not over. `outcomes`: of that hour, type → outcome → messages. `batches`: as the log tells them, the
    newest first. `letters`: open dead letters by reason, `mails`: those not sent by state, as last looked up; empty
    where they were not. `retention_seconds`: how long the stream keeps a record; None where not known.
    `audit_findings`: of the last audit; None where there is none. Only who leads knows more than its state.
    """

    stopped: dict[str, str]
    shards: dict[str, ShardAges]
    retention_seconds: float | None
    per_minute: list[int]
    outcomes: dict[str, dict[str, int]]
    letters: dict[str, int]
    oldest_letter_seconds: float | None
    mails: dict[str, int]
    audit_findings: int | None
    batches: list[dict[str, Any]]

    @property
    def worst_lag(self) -> float | None:
        """Seconds, of the shard that is furthest behind."""
        return max((ages.lag_seconds for ages in self.shards.values() if ages.lag_seconds is not None), default=None)
