"""What the flows of a service do, as they tell from moment to moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.waiting import Waits
from pipeline.structured.batch import RunningBatch

log = structlog.get_logger()


class Health:
    """`clock`: seconds since the epoch. Methods may be called by any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._waits = Waits(clock)

    def began(self, flow: str) -> None:
        """Its query runs."""
        log.info("running", flow=flow)

    def batch_begins(self, flow: str) -> None: ...

    def batch_ended(self, flow: str, batch: RunningBatch) -> None:
        """All that comes of a batch is in effect."""
        self._waits.settle()
        log.info(
            "batch",
            flow=flow,
            number=batch.number,
            counts=dict(batch.counts),
            letters=dict(batch.reasons),
            repeated=batch.repeated,
        )

    def failed(self, flow: str, error: PipelineError) -> None:
        """A batch, or its query, did not go through, and is tried again."""
        self._waits.say(str(error), error.waits_for or type(error).__name__, flow=flow)

    def progressed(self, flow: str, progress: Any) -> None: ...

    def stops(self) -> None: ...
