"""The table that quotes end in."""

from __future__ import annotations

from decimal import Decimal

from bank.statuses import ACCEPTED
from pipeline.applying.domain import EventTable, Row
from pipeline.mysql.literals import moment, text
from stocks.messages import Quote

STOCKS = EventTable("stocks", ("ticker", "name", "price", "market_cap", "volume", "high", "low", "timestamp", "status"))


def row(quote: Quote, status: int) -> Row:
    """In the order of `STOCKS.columns`: an accepted price widens high and low, a refused quote stays as sent."""
    high, low = _high_and_low(quote, status)
    return quote.ticker, quote.name, quote.price, quote.market_cap, quote.volume, high, low, quote.timestamp, status


def said(quote: Quote, status: int) -> str:
    """What `row` holds up to the status, as SQL."""
    high, low = _high_and_low(quote, status)
    return (
        f"{text(quote.ticker)},{text(quote.name)},{quote.price!s},{quote.market_cap!s},{quote.volume},"
        f"{high!s},{low!s},{moment(quote.timestamp)}"
    )


def _high_and_low(quote: Quote, status: int) -> tuple[Decimal, Decimal]:
    if status == ACCEPTED:
        return max(quote.high, quote.price), min(quote.low, quote.price)
    return quote.high, quote.low
