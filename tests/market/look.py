"""A look at the dashboard, headless: what it shows of each symbol.

found = look(url, ["AAPL", "MSFT"], picture=Path("page.png"))
assert not found.complaints and found.charts["AAPL"].candles == 390
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from market.symbols import topic_of
from tests.browser import Browser, chromium

DESK: Final = (1280, 900)
PATIENCE: Final = 120
DRAWN: Final = "[...Market.panels.values()].every(p => p.rows.length && p.plot.drawn)"
CHARTS: Final = """Object.fromEntries([...Market.panels.values()].map(panel => [panel.symbol.name, {
    candles: panel.rows.length, newest: panel.rows.minutes.at(-1),
    price: panel.at.price.textContent, fresh: panel.at.fresh.textContent, shown: panel.at.shown.textContent}]))"""


class Chart(NamedTuple):
    """What stands on the page of one symbol. `candles`: how many there are. `newest`: minutes since the epoch."""

    candles: int
    newest: int
    price: str
    fresh: str
    shown: str


class Look(NamedTuple):
    """`charts`: by symbol. `alarm`: what the page warns of. `elsewhere`: addresses that it asked other servers for."""

    charts: dict[str, Chart]
    alarm: str
    complaints: list[str]
    elsewhere: list[str]


def look(url: str, symbols: Sequence[str], picture: Path | None = None, span: str = "1d") -> Look:
    """Open the page with these symbols side by side, and wait until each has its chart. Raises AssertionError."""
    with chromium(PATIENCE) as browser:
        query = urlencode({"symbols": ",".join(map(topic_of, symbols)), "span": span}, safe=",")
        browser.open(f"{url}?{query}", *DESK)
        browser.until("window.Market && Market.panels.size > 0 && " + DRAWN, seconds=30)
        found = seen(browser, url)
        if picture is not None:
            picture.write_bytes(browser.picture())
        return found


def seen(browser: Browser, url: str) -> Look:
    """What an open page shows."""
    charts: dict[str, dict[str, Any]] = browser.ask(CHARTS)
    elsewhere = [one for one in browser.requests if not one.startswith((url, "data:", "about:"))]
    alarm = browser.ask("document.getElementById('alarm').textContent")
    return Look({name: Chart(**one) for name, one in charts.items()}, alarm, list(browser.complaints), elsewhere)
