"""What time it is at the market: the system's, or a rehearsal's, which began at another moment and runs faster."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self


@dataclass(frozen=True)
class Clock:
    """At the system's moment `since` it was `began` at the market, where time passes `speed` times as fast.

    Moments are seconds since the epoch. As it is made without arguments, it is the system's clock. Processes that are
    given the same clock agree about the time.
    """

    began: float = 0.0
    since: float = 0.0
    speed: float = 1.0

    @classmethod
    def read(cls, text: str) -> Self:
        """The clock that `str` wrote. Raises `ValueError`."""
        began, since, speed = text.split()
        found = cls(_seconds(began), _seconds(since), float(speed))
        if not 0 < found.speed <= 10_000:
            raise ValueError("its speed is not above 0 and at most 10000")
        return found

    def now(self) -> float:
        """Seconds since the epoch, at the market."""
        return self.began + (time.time() - self.since) * self.speed

    def moment(self) -> datetime:
        """The same as a moment in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def lasts(self, seconds: float) -> float:
        """Seconds for which to wait here until so many have passed at the market; none for a moment that is over."""
        return max(0.0, seconds) / self.speed

    def __str__(self) -> str:
        """As a setting, in which the system's clock is empty."""
        if self == Clock():
            return ""
        written = (datetime.fromtimestamp(at, UTC).isoformat() for at in (self.began, self.since))
        return f"{' '.join(written)} {self.speed:g}"


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
