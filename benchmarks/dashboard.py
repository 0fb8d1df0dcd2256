"""How fast the dashboard is: `python -m benchmarks dashboard`, on a database, a server and a browser of its own."""

from __future__ import annotations

import json
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final, cast

import psutil
import typer
from rich.console import Console

from benchmarks.machine import MIB, Watch
from benchmarks.results import Goal, Result, keep, show
from market.clock import Clock
from market.dashboard.book import minute_of
from tests.browser import Browser, chromium
from tests.market.dashboard import Dashboard, dashboard
from tests.market.histories import Row
from tests.market.look import DRAWN
from tests.market.trading import Trading, days
from tests.mongo import database

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
console = Console()

SYMBOLS: Final = tuple(f"sym{number}" for number in range(10))
DATES: Final = [date(2023, 8, day) for day in (21, 22, 23, 24, 25)]
LAST: Final = 200
"""Candles of the last day that are there at first."""
FIELDS: Final = "ema_26,macd,resistance,signal,support,vwap"
ASKS: Final = 0.8
"""Seconds between two questions of a page."""
SIZE: Final = (1600, 1000)
FIRST: Final = "performance.getEntriesByType('mark').filter(m => m.name.startsWith('chart '))[0].startTime"
BYTES: Final = """[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]
    .reduce((sum, one) => sum + one.decodedBodySize, 0)"""
NEWEST: Final = "[...Market.panels.values()].every(panel => panel.rows.minutes.at(-1) >= {minute})"


@app.command()
def bench(
    updates: Annotated[int, typer.Option(min=3, help="New candles of every symbol.")] = 30,
    viewers: Annotated[int, typer.Option(min=1, help="Pages that ask, the browser's included.")] = 10,
    openings: Annotated[int, typer.Option(min=1, help="How often the page is opened.")] = 5,
) -> None:
    """The dashboard: from opening the page to its first chart, its size, and what an update of 10 symbols takes.

    An update is a new candle of each symbol, written as the service writes it. The browser is a headless Chromium that
    paints without a graphics card; the other viewers ask as a page does.
    """
    with TemporaryDirectory(prefix="bench-") as name, Watch() as watch, database(Path(name) / "mongo") as mongo:
        trading, rows = Trading(mongo.uri, "market"), _rows()
        for symbol in SYMBOLS:
            trading.send({symbol: rows[symbol][: 4 * 390 + LAST]})
        clock = Clock((rows[SYMBOLS[0]][4 * 390 + LAST]["at"]).replace(tzinfo=UTC).timestamp(), time.time())
        settings = {"MONGO_URI": mongo.uri, "MARKET_CLOCK": str(clock), "SYMBOLS": ",".join(SYMBOLS)}
        with dashboard(settings, Path(name) / "server") as server, chromium(patience=600) as browser:
            results = [_opened(server, browser, watch, number, openings) for number in (2, 10)]
            results.append(_updated(server, browser, watch, trading, rows, updates, viewers))
    goals = _goals(results)
    show(results, goals, console)
    kept = keep(results, goals, {"updates": updates, "viewers": viewers, "openings": openings})
    console.print(f"written to {kept}")


def _rows() -> dict[str, list[Row]]:
    return {symbol: days(number, DATES, price=100.0 + 20 * number) for number, symbol in enumerate(SYMBOLS)}


def _opened(server: Dashboard, browser: Browser, watch: Watch, number: int, times: int) -> Result:
    """Seconds from the opening to the first chart, bytes of the page and all that it loads."""
    began = time.monotonic()
    query = f"{server.url}?symbols={','.join(SYMBOLS[:number])}"
    firsts: list[float] = []
    for _ in range(times):
        browser.forget()
        browser.open(query, *SIZE)
        browser.until(f"window.Market && Market.panels.size == {number} && {DRAWN}", 60)
        firsts.append(browser.ask(FIRST) / 1000)
    size = browser.ask(BYTES)
    figure = f"first chart {statistics.median(firsts):.2f} s, {size / 1e6:.2f} MB"
    facts: dict[str, object] = {"first": firsts, "bytes": size}
    use = watch.use(began, time.monotonic())
    return Result(f"opening, {number} symbols", "page, scripts, five days", figure, use, times, facts=facts)


def _updated(
    server: Dashboard,
    browser: Browser,
    watch: Watch,
    trading: Trading,
    rows: dict[str, list[Row]],
    updates: int,
    viewers: int,
) -> Result:
    """What a candle of each symbol takes of the browser and of the server, and how long until it is seen."""
    process = psutil.Process(server.process.pid)
    with _others(server, viewers - 1):
        time.sleep(3)
        began, spent, browsed = time.monotonic(), _cpu(process), browser.processor_seconds()
        delays: list[float] = []
        for at in range(4 * 390 + LAST, 4 * 390 + LAST + updates):
            trading.send({symbol: [rows[symbol][at]] for symbol in SYMBOLS})
            sent = time.monotonic()
            browser.until(NEWEST.format(minute=minute_of(rows[SYMBOLS[0]][at]["at"])))
            delays.append(time.monotonic() - sent)
        served, drawn = _cpu(process) - spent, browser.processor_seconds() - browsed
        ended = time.monotonic()
        resident = process.memory_info().rss / MIB
        facts: dict[str, object] = {
            "browser": drawn / updates,
            "server": served / updates,
            "resident": resident,
            "delays": delays,
            "idle": _idle(process, browser),
        }
    use = watch.use(began, ended)
    figure = (
        f"browser {1000 * drawn / updates:.0f} ms, server {1000 * served / updates:.0f} ms, seen {max(delays):.2f} s"
    )
    what = f"10 symbols, {viewers} viewers, one update every {(ended - began) / updates:.1f} s"
    return Result("an update", what, figure, use, updates, facts=facts)


def _idle(process: psutil.Process, browser: Browser) -> dict[str, float]:
    """Processor seconds a second, of both, while nothing new comes."""
    spent, browsed = _cpu(process), browser.processor_seconds()
    time.sleep(10)
    return {"server": (_cpu(process) - spent) / 10, "browser": (browser.processor_seconds() - browsed) / 10}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _others(server: Dashboard, number: int) -> Iterator[None]:
    """So many viewers more, that ask for what is new as often as a page does."""
    over = threading.Event()
    threads = [threading.Thread(target=_view, args=(server, over)) for _ in range(number)]
    for thread in threads:
        thread.start()
        time.sleep(1 / max(number, 1))
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _view(server: Dashboard, over: threading.Event) -> None:
    places: dict[str, str] = {}
    while not over.wait(ASKS):
        since = ",".join(f"{symbol}:{place}" for symbol, place in places.items())
        question = f"{server.url}candles?symbols={','.join(SYMBOLS)}&fields={FIELDS}&since={since}"
        with urllib.request.urlopen(question, timeout=30) as answer:  # noqa: S310 - our own server
            told: dict[str, Any] = json.loads(answer.read())
        places.update({symbol: chart["place"] for symbol, chart in told["charts"].items() if chart})


def _goals(results: list[Result]) -> list[Goal]:
    two, ten, update = (result.facts for result in results)
    first = statistics.median(_numbers(two["first"]))
    size, all_of_it = float(str(two["bytes"])), float(str(ten["bytes"]))
    browser, server = float(str(update["browser"])), float(str(update["server"]))
    resident, seen = float(str(update["resident"])), max(_numbers(update["delays"]))
    return [
        Goal("first chart at most 1.5 s after opening, nothing cached", f"{first:.2f} s", first <= 1.5),
        Goal("a page of 2 symbols at most 3 MB", f"{size / 1e6:.2f} MB", size <= 3e6),
        Goal("a page of 10 symbols at most 3 MB", f"{all_of_it / 1e6:.2f} MB", all_of_it <= 3e6),
        Goal("an update of 10 symbols at most 100 ms of the browser", f"{1000 * browser:.0f} ms", browser <= 0.1),
        Goal("an update at most 50 ms of the server", f"{1000 * server:.0f} ms", server <= 0.05),
        Goal("the server at most 200 MiB", f"{resident:.0f} MiB", resident <= 200),
        Goal("every update seen within 2 s", f"{seen:.2f} s", seen <= 2),
    ]


def _numbers(fact: object) -> list[float]:
    return cast(list[float], fact)
