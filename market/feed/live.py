"""The newest candles, minute after minute, until the market closes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from market.feed.feed import MINUTE, moment
from market.feed.filling import Filling
from market.feed.pace import Pace
from market.feed.told import FEEDING, FILLING, Told
from market.feed.waiting import Pauses, Stopped
from pipeline.runtime.errors import PipelineError

CLOSING: Final = 3
"""Minutes after the last one in which symbols are asked for whose last candle is not there yet."""
ASK_AGAIN: Final = 60
"""Minutes after which a symbol that the provider does not know is asked for again."""

log = structlog.get_logger()


class Live:
    """`delay`: seconds after a minute until its candles are final."""

    def __init__(
        self, filling: Filling, symbols: Sequence[str], delay: float, pace: Pace, pauses: Pauses, told: Told
    ) -> None:
        self._filling, self._symbols, self._delay = filling, list(symbols), delay
        self._pace, self._pauses, self._told = pace, pauses, told
        self._unknown: dict[str, str] = {}
        self._looked: dict[str, int] = {}
        """When a symbol was asked for last: the end of a minute, seconds since the epoch."""

    def run(self, minutes: int, until: float | None) -> None:
        """So many minutes, or until the one that ends at `until`: what is missing first, and each minute the newest.

        Whatever goes wrong meanwhile is said, and the next minute fetches it. Raises `PipelineError` where the last
        minutes could not be fetched, and `Stopped`.
        """
        first = int(self._pauses.clock.now()) // MINUTE * MINUTE + MINUTE
        last = first + MINUTE * (minutes - 1)
        if until is not None:
            last = min(last, int(until) // MINUTE * MINUTE)
        self.catch_up()
        if (every := self._pace.minutes((last - first) // MINUTE)) > 1:
            log.warning("the plan's credits do not buy every symbol every minute", minutes_between=round(every, 1))
        for end in range(first, last, MINUTE):
            self._pauses.until(end + self._delay)
            if self._pauses.clock.now() < end + MINUTE + self._delay:  # else the next one has come meanwhile
                self._fill(self._due(end, (last - end) // MINUTE), end)
            self._told.turned()
        self._close(last)

    def catch_up(self) -> None:
        """Fetch what is missing; what goes wrong is said, and the next minute fetches it. Raises `Stopped`."""
        self._told.becomes(FILLING)
        self._fill(self._symbols, int(self._pauses.clock.now()) // MINUTE * MINUTE)

    def _fill(self, symbols: Sequence[str], end: int) -> None:
        if not symbols:
            return
        try:
            self._ask(symbols, end)
        except Stopped:
            raise
        except PipelineError as error:
            self._told.failed(str(error), error.waits_for or "what this minute needs")

    def _ask(self, symbols: Sequence[str], end: int) -> None:
        filled = self._filling.fill(symbols)
        self._looked |= dict.fromkeys(symbols, end)
        self._unknown = {name: why for name, why in self._unknown.items() if name not in symbols} | dict(filled.unknown)
        self._told.not_known(self._unknown)
        self._told.becomes(FEEDING)
        log.info("minute", ends=f"{moment(end):%H:%M}", symbols=len(symbols), candles=filled.candles)

    def _due(self, end: int, minutes_left: int) -> Sequence[str]:
        """Those that were asked for longest ago, as many as the plan's credits allow."""
        wanted = [symbol for symbol in self._symbols if symbol not in self._unknown or self._due_again(symbol, end)]
        wanted.sort(key=lambda symbol: self._looked.get(symbol, 0))
        return wanted[: self._pace.due(minutes_left)]

    def _due_again(self, symbol: str, end: int) -> bool:
        return end - self._looked.get(symbol, 0) >= ASK_AGAIN * MINUTE

    def _close(self, last: int) -> None:
        """The last minute, for all symbols; some are traded seldom, and have none of it."""
        for late in range(CLOSING):
            left = [one for one in self._symbols if self._filling.newest.get(one, 0) < last - MINUTE]
            left = [symbol for symbol in left if symbol not in self._unknown]
            if not left:
                return
            self._pauses.until(last + self._delay + late * MINUTE)
            try:
                self._ask(left, last)
            except Stopped:
                raise
            except PipelineError as error:
                if late == CLOSING - 1:
                    raise
                self._told.failed(str(error), error.waits_for or "the last minute")
