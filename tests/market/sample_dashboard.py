"""The picture of the dashboard in the docs, made anew: `python -m tests.market.sample_dashboard docs/dashboard.png`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from market.clock import Clock
from tests.browser import Browser, chromium
from tests.market.dashboard import dashboard
from tests.market.look import DRAWN
from tests.market.trading import MINUTES, Trading, days
from tests.mongo import database

SIZE: Final = (1280, 1340)
DATES: Final = [date(2023, 8, day) for day in (21, 22, 23, 24, 25)]
LAST: Final = 300
"""Candles of the last day, which goes on."""
NOW: Final = datetime(2023, 8, 25, 18, 31, tzinfo=UTC)
SYMBOLS: Final = {"aapl": 178.0, "msft": 322.0}
SHOWN: Final = "?symbols=aapl,msft&trends=ema_26,bollinger,vwap&panes=volume,macd,levels,rsi&span=4h"


@contextmanager
def sample(folder: Path) -> Iterator[str]:
    """The address of a dashboard before a database with a trading day that is under way."""
    with database(folder / "mongo") as mongo:
        trading = Trading(mongo.uri, "market")
        for number, (topic, price) in enumerate(SYMBOLS.items(), 11):
            trading.send({topic: days(number, DATES, price=price)[: LAST - MINUTES]})
        clock = Clock(NOW.timestamp(), time.time())
        with dashboard({"MONGO_URI": mongo.uri, "MARKET_CLOCK": str(clock)}, folder / "server") as server:
            yield server.url


def pictured(browser: Browser, url: str) -> bytes:
    """The whole page, as a PNG."""
    browser.open(f"{url}{SHOWN}", *SIZE)
    browser.until(f"window.Market && Market.panels.size == {len(SYMBOLS)} && {DRAWN}")
    browser.ask("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(1))))")
    return browser.picture()


if __name__ == "__main__":
    with TemporaryDirectory() as name, sample(Path(name)) as address, chromium() as started:
        Path(sys.argv[1]).write_bytes(pictured(started, address))
