"""Waiting at the market's pace, and being told to stop meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from market.clock import Clock
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.stopping import StopSignal


class Stopped(PipelineError):
    """A stop was asked for: nothing went wrong, and nothing more is to be done."""


class Pauses:
    """Waits, unless a stop is asked for. `watch`: is called at least every second meanwhile, and may raise."""

    def __init__(self, clock: Clock, stop: StopSignal, watch: Callable[[], object] = lambda: None) -> None:
        self.clock = clock
        self._stop, self._watch = stop, watch

    def check(self) -> None:
        """Raises `Stopped` where a stop was asked for, and what `watch` raises."""
        self._watch()
        if self._stop.wait(0):
            raise Stopped("stopped")

    def sleep(self, seconds: float) -> None:
        """Let so many seconds of ours pass. Raises `Stopped`."""
        if self._stop.wait(seconds):
            raise Stopped("stopped")

    def pause(self, seconds: float) -> None:
        """Let so many seconds pass at the market. Raises as `check`."""
        self.until(self.clock.now() + seconds)

    def until(self, moment: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait for a moment at the market, in seconds since the epoch. Raises as `check`.

        `meanwhile` is called at least every second.
        """
        while True:
            self._watch()
            meanwhile()
            left = self.clock.lasts(moment - self.clock.now())
            if self._stop.wait(min(left, 1.0)):
                raise Stopped("stopped")
            if left <= 1.0:
                return
