"""Whether a driver's loop turns and gets on, as it tells from moment to moment.

| asked      | 200                                                          | 503                               |
|------------|--------------------------------------------------------------|-----------------------------------|
| `/healthz` | the loop turns, also while it waits or stands by             | it stands: start the process anew |
| `/readyz`  | it applied something, or was caught up, lately; it stands by | it starts, or waits for something |

A standby is ready: nobody sends it requests, and a deployment that waited for it to lead would wait for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from pipeline.observability.status import Probe, Waiting
from pipeline.runtime.waiting import Waits, iso

INTERVALS: Final = 10
"""Intervals of the stream without a turn, or without progress, after which the answer changes."""
LEAST_TURN: Final = 120.0
"""Seconds that a turn may take however short the intervals are: calls to AWS are tried again for 30."""
LEAST_PROGRESS: Final = 30.0
LONGEST_BATCH: Final = 900.0
"""Seconds that a batch in flight may last: one at its caps on a slow database takes minutes."""
LONGEST_START: Final = 300.0
"""Seconds until it works or stands by, and from the end of the last batch to the end of the process."""
STARTING, STANDING_BY, STOPPING = "starting", "standing by", "stopping"


class Liveness:
    """What a service's health begins with. Methods may be called by any thread.

    `batch_length`: seconds of an interval. `working`: the state in which progress is owed; the others are `STARTING`,
    `STANDING_BY` and `STOPPING`. `clock`: seconds since the epoch.
    """

    def __init__(self, batch_length: float, working: str, clock: Callable[[], float] = time.time) -> None:
        self.waits = Waits(clock)
        self._clock, self._working = clock, working
        self._batch_length = batch_length
        self._longest_turn = max(INTERVALS * batch_length, LEAST_TURN)
        self._longest_rest = max(INTERVALS * batch_length, LEAST_PROGRESS)
        self._state = STARTING
        self._since = self._turned = self._progressed = clock()
        self._batch_began: float | None = None

    def becomes(self, state: str) -> None:
        """It is in this state from now on, or still; progress is owed from now on."""
        if self._state != state:
            self._state, self._since = state, self._clock()
        self._turned = self._progressed = self._clock()

    def turned(self) -> None:
        """The loop has come round: a tick, or a standby's look at what it stands by for."""
        self._turned = self._clock()

    def batch_begins(self) -> None:
        """A batch is in flight from now on."""
        self._batch_began = self._clock()

    def batch_ends(self) -> None:
        """It is not any more, however it went."""
        self._batch_began = None
        self.turned()

    def progressed(self) -> None:
        """Something was applied, or there is nothing to apply."""
        self._progressed = self._clock()

    def alive(self) -> Probe:
        """Whether the loop turns."""
        now = self._clock()
        if self._state in (STARTING, STOPPING):
            return _within(now - self._since, LONGEST_START, self._state)
        if (began := self._batch_began) is not None:
            longest = LONGEST_BATCH + self._batch_length  # batches follow each other for so long, and the last one ends
            return _within(now - began, longest, f"{self._state}, a batch is in flight")
        return _within(now - self._turned, self._longest_turn, f"{self._state}, since the last turn")

    def ready(self) -> Probe:
        """Whether it does what it is there for."""
        if self._state == STANDING_BY:
            return Probe(True, STANDING_BY)
        if self._state != self._working:
            return Probe(False, self._state)
        probe = _within(self._clock() - self._progressed, self._longest_rest, f"{self._state}, since the last progress")
        return probe if probe.ok else Probe(False, f"{probe.why}; {self._waits_for()}")

    def waiting(self) -> list[Waiting]:
        """What is waited for now."""
        return [Waiting(what, iso(wait.since), wait.reason) for what, wait in self.waits.current().items()]

    def now(self) -> str:
        """ISO 8601, UTC."""
        return iso(self._clock())

    def _waits_for(self) -> str:
        said = [f"waiting for {wait.what} since {wait.since}: {wait.reason}" for wait in self.waiting()]
        return "; ".join(said) or "waiting for nothing that it knows of"


def _within(age: float, limit: float, what: str) -> Probe:
    return Probe(age <= limit, f"{what}: {age:.0f} s, at most {limit:.0f}")
