"""What a provider's plan lets be asked: credits a minute and a day, which this never overdraws."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

MINUTE: Final = 60.0
DAY: Final = 86_400.0
NEVER: Final = float("inf")


class Credits:
    """Credits come back a minute after the answer to the call that they were spent on.

    The provider counts a call somewhere between its being sent and answered, in minutes of its own. So no minute,
    wherever it begins, sees more than the plan allows; a bucket that fills steadily would let up to twice as many into
    one of the provider's. `per_day` 0: no such limit. `clock`: seconds since the epoch.
    """

    def __init__(self, per_minute: int, per_day: int, clock: Callable[[], float]) -> None:
        self.per_minute, self.per_day = per_minute, per_day
        self._clock = clock
        self._spent: deque[tuple[float, int]] = deque()
        """When credits come back, and how many; the last that were spent, last."""
        self._day, self._today = 0.0, 0
        self._closed_until, self._over = 0.0, NEVER

    def wait(self, credits: int) -> float:
        """Seconds until so many may be spent; `NEVER` where the day does not allow it any more."""
        now = self._clock()
        self._turn(now)
        if self._day == self._over or (self.per_day and self._today + credits > self.per_day):
            return NEVER
        free, due = self.per_minute - sum(many for _, many in self._spent), now
        for back, many in self._spent:
            if free >= credits:
                break
            free, due = free + many, back
        return max(due, self._closed_until) - now

    def spent(self, credits: int, left: int | None = None) -> None:
        """A call that cost so many was just answered, or given up. `left`: what the provider says this minute has left.

        There may be one call at a time.
        """
        now = self._clock()
        self._turn(now)
        self._today += credits
        self._give_back_at(now + MINUTE, credits)
        if left is not None:
            ours = self.per_minute - sum(many for _, many in self._spent)
            self._give_back_at(now + MINUTE, max(0, ours - left))  # somebody else uses the same key

    def used(self, this_minute: int, today: int = 0) -> None:
        """So many were used before, by whomever."""
        now = self._clock()
        self._turn(now)
        self._give_back_at(now + MINUTE, min(this_minute, self.per_minute))
        self._today = max(self._today, today)

    def exhausted(self) -> None:
        """The provider has none left this minute, whatever we think."""
        self._closed_until = self._clock() + MINUTE

    def day_is_over(self) -> None:
        """The provider has none left today, whatever we think."""
        self._turn(self._clock())
        self._over = self._day

    @property
    def left_today(self) -> int | None:
        """Credits of the day that are left; None where only the minute counts."""
        self._turn(self._clock())
        if self._day == self._over:
            return 0
        return max(0, self.per_day - self._today) if self.per_day else None

    def midnight(self) -> float:
        """When the next day begins, seconds since the epoch, UTC."""
        return (self._clock() // DAY + 1) * DAY

    def _give_back_at(self, due: float, credits: int) -> None:
        if credits > 0:
            self._spent.append((due, credits))

    def _turn(self, now: float) -> None:
        while self._spent and self._spent[0][0] <= now:
            self._spent.popleft()
        if now // DAY != self._day:
            self._day, self._today = now // DAY, 0
