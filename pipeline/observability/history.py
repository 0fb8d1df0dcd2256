"""What went through in the last hour, minute by minute, and the last batches: for people who look."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Final

MINUTES: Final = 60
BATCHES: Final = 10

Outcomes = Mapping[str, Mapping[str, int]]
"""type → outcome → messages"""


class History:
    """Of this process, while it leads. `clock`: seconds since the epoch. Methods may be called by any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minutes: dict[int, Counter[tuple[str, str]]] = {}
        self._batches: deque[dict[str, Any]] = deque(maxlen=BATCHES)
        self._lock = threading.Lock()

    def add(self, outcomes: Outcomes) -> None:
        """A batch went through now."""
        with self._lock:
            now = self._forget_old()
            counts = self._minutes.setdefault(now, Counter())
            for type_, by_outcome in outcomes.items():
                for outcome, number in by_outcome.items():
                    counts[type_, outcome] += number

    def tell(self, batch: dict[str, Any]) -> None:
        """What the log says of a batch."""
        with self._lock:
            self._batches.appendleft(batch)

    def batches(self) -> list[dict[str, Any]]:
        """The newest first."""
        with self._lock:
            return list(self._batches)

    def per_minute(self) -> list[int]:
        """Messages of each of the last minutes; the last one is not over yet."""
        with self._lock:
            now = self._forget_old()
            return [self._minutes.get(now - ago, Counter()).total() for ago in reversed(range(MINUTES))]

    def outcomes(self) -> dict[str, dict[str, int]]:
        """Messages of all these minutes by type and outcome, most frequent first."""
        with self._lock:
            self._forget_old()
            total = sum(self._minutes.values(), Counter())
        nested: dict[str, dict[str, int]] = {}
        for (type_, outcome), number in total.most_common():
            nested.setdefault(type_, {})[outcome] = number
        return nested

    def _forget_old(self) -> int:
        """The minute that it is, in minutes since the epoch."""
        now = int(self._clock() // 60)
        for minute in [minute for minute in self._minutes if minute <= now - MINUTES]:
            del self._minutes[minute]
        return now
