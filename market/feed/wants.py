"""What is missing of a symbol, and which of it to ask for next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from market.feed.feed import MINUTE, Bar

OVERLAP: Final = 1
"""Candles of a page that were in the one before: so none is lost, whether an end is of its page or not."""


@dataclass
class Want:
    """A symbol's missing candles, fetched page by page, the newest page first.

    `after`: the newest that is there already, seconds since the epoch; None: nothing is there, and `most` are wanted.
    """

    symbol: str
    after: int | None
    most: int
    bars: list[Bar] = field(default_factory=list)
    """Oldest first."""
    done: bool = False

    @property
    def end(self) -> int | None:
        """Where the next page ends; None for the first, which ends now."""
        return self.bars[0].at if self.bars else None

    def size(self, now: float, largest: int) -> int:
        """How many candles to ask for: all that can be missing, if one page holds them."""
        return min(largest, max(1, self._left(now) + (OVERLAP if self.bars else 0)))

    def take(self, page: Sequence[Bar], asked: int, now: float) -> None:
        """A page that came of asking for so many."""
        whole = self._left(now) <= asked - (OVERLAP if self.bars else 0)
        end = self.end
        fresh = [bar for bar in page if (self.after is None or bar.at > self.after) and (end is None or bar.at < end)]
        reached = self.after is not None and bool(page) and page[0].at <= self.after
        self.bars = fresh + self.bars
        if self.after is None:
            self.bars = self.bars[-self.most :]
        self.done = whole or reached or not fresh

    def _left(self, now: float) -> int:
        """How many candles may be missing at most: one of every minute since."""
        if self.after is None:
            return self.most - len(self.bars)
        return int((now if self.end is None else self.end) - self.after) // MINUTE
