"""How often the same thing is said."""

from __future__ import annotations

import time
from collections.abc import Callable

MINUTE = 60.0
"""Seconds between two lines about one thing that lasts."""


class OnceAMinute:
    """Lets a thing be said at once, and then once a minute. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = float("-inf")

    def due(self) -> bool:
        """Whether it is to be said now; if so, it counts as said."""
        if self._clock() - self._last < MINUTE:
            return False
        self.said()
        return True

    def said(self) -> None:
        """It was said now, or need not be: not due for a minute."""
        self._last = self._clock()
