"""What the log says of batches: a line for each that moved something, and a line a minute where none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from pipeline.messages.batch import Batch
from pipeline.runtime.pace import OnceAMinute

log = structlog.get_logger()


class BatchLog:
    """Numbers the batches of this process. `heard`: is told what a line says. `clock`: seconds."""

    def __init__(self, heard: Callable[[Mapping[str, Any]], object], clock: Callable[[], float]) -> None:
        self._heard = heard
        self._quiet = OnceAMinute(clock)
        self._quiet.said()
        self._number = 0

    def tell(self, batch: Batch, seconds: Mapping[str, float]) -> None:
        """`seconds`: of each stage; plan, run and commit make up the whole."""
        if not batch.moved:
            if self._quiet.due():
                log.info("idle", shards=len(batch.progress), behind_ms=batch.behind_ms)
            return
        self._quiet.said()
        self._number += 1
        told = {
            "number": self._number,
            "records": batch.messages,
            "applied": batch.applied,
            "outcomes": batch.outcomes,
            "retries": batch.retries,
            "shards": len(batch.progress),
            "shards_left": len(batch.deferred),
            "behind_ms": batch.behind_ms,
            "seconds": {stage: round(spent, 3) for stage, spent in seconds.items()},
            "per_second": round(batch.messages / sum(seconds[stage] for stage in ("plan", "run", "commit"))),
        }
        self._heard(told)
        log.info("batch", **told)
