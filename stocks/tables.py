"""The table that quotes end in."""

from __future__ import annotations

from bank.statuses import ACCEPTED
from pipeline.applying.domain import EventTable, Row
from stocks.messages import Quote

STOCKS = EventTable("stocks", ("ticker", "name", "price", "market_cap", "volume", "high", "low", "timestamp", "status"))


def row(quote: Quote, status: int) -> Row:
    """In the order of `STOCKS.columns`: an accepted price widens high and low, a refused quote stays as sent."""
    high, low = quote.high, quote.low
    if status == ACCEPTED:
        high, low = max(high, quote.price), min(low, quote.price)
    return quote.ticker, quote.name, quote.price, quote.market_cap, quote.volume, high, low, quote.timestamp, status
