"""How often symbols are asked for, so that the day's credits last until its end."""

from __future__ import annotations

from market.feed.credits import Credits


class Pace:
    """Says each minute how many symbols may be asked for: all of them where the plan has credits for that.

    Where it has not, credits are saved up until one call can ask for all symbols, or for as many as a minute's credits
    buy; a call fetches all that is missing, so the candles come later, and none is lost. So many credits as there are
    symbols are kept for the day's last call.
    """

    def __init__(self, credits: Credits, symbols: int) -> None:
        self._credits, self._symbols = credits, symbols
        self._saved = 0.0

    def due(self, minutes_left: int) -> int:
        """How many symbols to ask for in this minute, after which so many more come."""
        most = min(self._symbols, self._credits.per_minute)
        left = self._credits.left_today
        if left is None:
            return most
        spendable = max(0, left - self._symbols)
        self._saved = min(self._saved + spendable / max(1, minutes_left), float(most))
        if self._saved < most or spendable < most:
            return 0
        self._saved = 0.0
        return most

    def minutes(self, minutes_left: int) -> float:
        """About how many minutes pass between two looks at a symbol."""
        most = min(self._symbols, self._credits.per_minute)
        left = self._credits.left_today
        by_minute = self._symbols / most
        if left is None:
            return by_minute
        return max(by_minute, self._symbols * max(1, minutes_left) / max(1, left - self._symbols))
