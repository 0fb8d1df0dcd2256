"""The rules of a quote, in DOMAIN.md's order (what no column can hold was refused while reading)."""

from __future__ import annotations

from bank.statuses import ACCEPTED, ILLEGAL_NEGATIVE
from stocks.messages import Quote


def decide(quote: Quote) -> int:
    """The status."""
    if quote.volume < 0 or min(quote.price, quote.market_cap, quote.high, quote.low) < 0:
        return ILLEGAL_NEGATIVE
    return ACCEPTED
