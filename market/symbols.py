"""Symbols and the names of what is kept of each: its topic, and its collection of the same name."""

from __future__ import annotations

import re
from typing import Final

_TOPIC: Final = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,239}", re.ASCII)
_RESERVED: Final = ("system.", "__")


def topic_of(symbol: str) -> str:
    """`AAPL` → `aapl`, `BTC/USD` → `btc-usd`."""
    return symbol.strip().lower().replace("/", "-")


def is_topic(name: str) -> bool:
    """Whether it can be the name of a symbol's topic, and of its collection."""
    return bool(_TOPIC.fullmatch(name)) and not name.startswith(_RESERVED) and not name.endswith(".letters")


def topics_of(symbols: tuple[str, ...]) -> tuple[str, ...]:
    """The topics of symbols that each have one of their own. Raises `ValueError`."""
    topics = tuple(map(topic_of, symbols))
    for symbol, topic in zip(symbols, topics, strict=True):
        if not is_topic(topic):
            raise ValueError(f"holds {symbol!r}, which can be the name neither of a topic nor of a collection")
        if topics.count(topic) > 1:
            raise ValueError(f"holds {symbol!r} twice, or another symbol of the same topic")
    return topics
