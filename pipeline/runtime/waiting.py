"""What the driver waits for, said in one line at once and then once a minute, and once more when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from pipeline.runtime.pace import OnceAMinute

log = structlog.get_logger()


@dataclass(slots=True)
class Wait:
    """Waiting since `since` for something; `reason` is what it said last. Seconds since the epoch."""

    since: float
    reason: str
    pace: OnceAMinute = field(default_factory=OnceAMinute)


class Waits:
    """Everything that is waited for, however its reasons change meanwhile. `clock`: seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._waits: dict[str, Wait] = {}

    def say(self, reason: str, waits_for: str, **more: object) -> None:
        """Log that `waits_for` is waited for, and why, unless that was done within the minute."""
        now = self._clock()
        wait = self._waits.setdefault(waits_for, Wait(now, reason, OnceAMinute(self._clock)))
        wait.reason = reason
        if wait.pace.due():
            log.warning("waiting", waits_for=waits_for, since=iso(wait.since), reason=reason, **more)

    def settle(self, still: Collection[str] = ()) -> None:
        """Everything that is not `still` waited for is there again."""
        for waits_for in [waits_for for waits_for in self._waits if waits_for not in still]:
            wait = self._waits.pop(waits_for)
            log.info("going on", waited_for=waits_for, waited=round(self._clock() - wait.since, 1), reason=wait.reason)

    def current(self) -> Mapping[str, Wait]:
        """What is waited for now. For any thread."""
        return dict(self._waits)


def iso(moment: float) -> str:
    """Seconds since the epoch as ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
