"""The dashboard as a real browser shows it, before a real database that is written as the service writes it."""

from __future__ import annotations

import itertools
import json
import random
import tarfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from market.clock import Clock
from market.dashboard.book import minute_of
from tests.browser import Browser, chromium
from tests.market.dashboard import Dashboard, dashboard
from tests.market.histories import NEW_YORK, Row
from tests.market.look import DRAWN, seen
from tests.market.trading import MINUTES, Trading, after, days
from tests.mongo import Mongo, database
from tests.servers import ROOT

DESK, PHONE = (1280, 900), (360, 740)
DATES = [date(2023, 8, day) for day in (17, 18, 21, 22, 23, 24, 25)]
LAST = 370
"""Candles of the last day, which goes on."""
NOW = datetime(2023, 8, 25, 19, 40, tzinfo=UTC)
STALE_AFTER = 20
SHOWN_WITHIN = 2.0
"""Seconds from the document to the page."""
AXE = ROOT / ".cache" / "jars" / "axe"
NAME = "market"
SYMBOLS: Final = {"aapl": 178.0, "btc-usd": 26_000.5, "msft": 322.0}
WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Page:
    """A dashboard and the browser that looks at it."""

    def __init__(self, mongo: Mongo, server: Dashboard, browser: Browser) -> None:
        self.mongo, self.server, self.browser = mongo, server, browser
        self.rows: dict[str, list[Row]] = {}
        self.trading: Trading | None = None
        self._rng = random.Random(7)

    def fill(self) -> None:
        """All symbols, once."""
        if not self.trading:
            self.trading = Trading(self.mongo.uri, NAME)
            for number, (topic, price) in enumerate(SYMBOLS.items()):
                whole = days(number, DATES, price=price)
                self.rows[topic] = whole[: len(whole) - MINUTES + LAST]
                self.trading.send({topic: self.rows[topic]})

    def open(self, query: str = "", size: tuple[int, int] = DESK, *, dark: bool = False, calm: bool = False) -> None:
        """Load the page, and wait for its charts."""
        self.browser.requests.clear()
        self.browser.complaints.clear()
        self.browser.open(f"{self.server.url}{query}", *size, dark=dark, calm=calm)
        self.until("window.Market && Market.panels.size && " + DRAWN)

    def until(self, script: str, seconds: float = 20.0) -> Any:
        return self.browser.until(script, seconds)

    def ask(self, script: str) -> Any:
        return self.browser.ask(script)

    def text(self, selector: str = "body") -> str:
        return str(self.ask(f"document.querySelector({json.dumps(selector)}).innerText"))

    def panel(self, topic: str, what: str) -> Any:
        return self.ask(f"Market.panels.get('{topic}').{what}")

    def shown(self) -> list[str]:
        return list(self.ask("[...document.querySelectorAll('.panel')].map(p => p.dataset.symbol)"))

    def check(self, group: str, value: str) -> None:
        """Click a box of the controls."""
        self.browser.click(f"#{group} input[value='{value}']")

    def query(self) -> str:
        return str(self.ask("decodeURIComponent(location.search)"))

    def send(self, topic: str, rows: Sequence[Row]) -> None:
        assert self.trading
        self.trading.send({topic: rows})
        known = {row["at"]: row for row in [*self.rows[topic], *rows]}
        self.rows[topic] = [known[at] for at in sorted(known)]

    def next_row(self, topic: str) -> Row:
        before = self.rows[topic][-1]
        return after(self._rng, before["close"], before["at"] + timedelta(minutes=1))

    def table(self, topic: str) -> list[list[str]]:
        """What stands in the table behind a chart, its head first."""
        rows = f"[...document.querySelectorAll(\"[data-symbol='{topic}'] .behind tr\")]"
        return list(self.ask(f"{rows}.map(row => [...row.children].map(cell => cell.textContent))"))

    def document(self, topic: str, at: datetime) -> dict[str, Any]:
        with self.mongo.client() as client:
            found = client[NAME][topic].find_one({"_id": at})
        assert found
        return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Before an empty database."""
    folder = tmp_path_factory.mktemp("dashboard")
    with database(folder / "mongo") as mongo, chromium(patience=600) as browser:
        clock = Clock(NOW.timestamp(), time.time())
        settings = {"MONGO_URI": mongo.uri, "MONGO_DBNAME": NAME, "MARKET_CLOCK": str(clock)}
        settings |= {"DASHBOARD_STALE_AFTER": str(STALE_AFTER), "SYMBOLS": ""}
        with dashboard(settings, folder / "server") as server:
            yield Page(mongo, server, browser)


@pytest.fixture
def page(bare: Page) -> Page:
    bare.fill()
    return bare


def test_an_empty_database_says_what_is_missing_and_which_command_fills_it_until_candles_come(bare: Page) -> None:
    browser = bare.browser
    browser.open(bare.server.url, *DESK)
    bare.until("document.getElementById('nothing') !== null")
    text = bare.text("main")
    assert f"The database {NAME} holds no candles yet" in text
    for command in ("python -m market.feed live", "python stream_analytics.py candles", "make demo SERVICE=market"):
        assert command in text
    assert violations(bare) == []
    bare.fill()
    bare.until("window.Market && Market.panels.size == 2 && " + DRAWN)
    assert bare.shown() == ["aapl", "btc-usd"]
    assert "no candles" not in bare.text()


def test_the_last_five_days_of_two_symbols_stand_side_by_side_in_exchange_time(page: Page) -> None:
    page.open()
    assert page.shown() == ["aapl", "btc-usd"]
    tops = page.ask("[...document.querySelectorAll('.panel')].map(p => Math.round(p.getBoundingClientRect().top))")
    assert tops[0] == tops[1], "side by side"
    wanted = [row for row in page.rows["aapl"] if row["at"].date() >= DATES[2]]
    assert page.panel("aapl", "rows.minutes") == [minute_of(row["at"]) for row in wanted]
    assert f"of {len(wanted)} candles" in page.text("[data-symbol=aapl] .shown")
    assert "Exchange time: America/New_York" in page.text()
    newest = wanted[-1]["at"] - timedelta(hours=4)
    assert f"newest candle Fri, 25 Aug 2023, {newest:%H:%M}" in page.text("[data-symbol=aapl] .fresh")
    assert page.panel("aapl", "plot.place.querySelectorAll('canvas').length") > 4


def test_the_page_loads_nothing_from_elsewhere_and_its_policy_would_not_let_it(page: Page) -> None:
    page.open("?panes=volume,macd,levels,rsi,atr&trends=ema_12,ema_200,sma_20,bollinger,vwap")
    found = seen(page.browser, page.server.url)
    assert (found.elsewhere, found.complaints, found.alarm) == ([], [], "")
    assert page.ask("fetch('http://127.0.0.1:1/').catch(error => error.message)") == "Failed to fetch"
    page.until("true")
    assert "Content Security Policy" in str(page.browser.complaints)
    assert page.ask("[...document.querySelectorAll('a[href*=tradingview]')].length") == 2, "its mark, and the footer"


def test_what_is_chosen_is_drawn_and_remembered_in_the_address(page: Page) -> None:
    page.open()
    page.check("symbols", "msft")
    page.until("Market.panels.size == 3 && " + DRAWN)
    page.check("symbols", "btc-usd")
    page.until("Market.panels.size == 2")
    assert page.shown() == ["aapl", "msft"]
    page.check("symbols", "aapl")
    page.until("Market.panels.size == 1")
    page.until("document.querySelectorAll('.panel a[href*=tradingview]').length == 1")
    page.check("symbols", "aapl")
    page.until("Market.panels.size == 2 && " + DRAWN)
    page.until("document.querySelectorAll('.panel a[href*=tradingview]').length == 1")
    assert page.shown() == ["aapl", "msft"]
    page.check("trends", "bollinger")
    page.check("panes", "rsi")
    page.check("panes", "volume")
    page.check("span", "5d")
    labels = "Market.panels.get('aapl').plot.series.map(s => s.line.label)"
    page.until(f"{labels}.includes('RSI 14') && {labels}.includes('Bollinger upper')")
    assert page.ask(labels) == [
        *("EMA 26", "Bollinger upper", "Bollinger lower", "VWAP", "Histogram", "MACD", "Signal"),
        *("Resistance", "Support", "RSI 14"),
    ]
    assert page.panel("aapl", "plot.chart.panes().length") == 4
    legend = page.text("[data-symbol=aapl] .legend")
    assert "Bollinger upper" in legend and "RSI 14" in legend
    query = page.query()
    for part in ("symbols=aapl,msft", "trends=ema_26,bollinger,vwap", "panes=macd,levels,rsi", "span=5d"):
        assert part in query
    page.open(query)
    assert page.shown() == ["aapl", "msft"]
    assert page.ask(labels)[1] == "Bollinger upper"
    assert page.ask("document.querySelectorAll('fieldset input:checked').length") == 9
    shown = page.text("[data-symbol=aapl] .shown")
    assert shown.endswith(f"{len(page.panel('aapl', 'rows.minutes'))} candles") and "21 Aug, 09:30" in shown


def test_nothing_chosen_is_remembered_too_and_more_than_the_server_gives_cannot_be_chosen(page: Page) -> None:
    page.open("?symbols=aapl")
    page.check("symbols", "aapl")
    page.until("Market.panels.size == 0")
    assert "symbols=none" in page.query()
    page.browser.open(f"{page.server.url}{page.query()}", *DESK)
    page.until("document.querySelectorAll('#symbols input').length >= 3")
    assert page.ask("document.querySelectorAll('#symbols input:checked').length") == 0
    many = ",".join(["aapl", *(f"none-{number}" for number in range(30))])
    page.browser.open(f"{page.server.url}?symbols={many}", *DESK)
    page.until("Market.panels.size == 24 && Market.panels.get('aapl').rows.length")
    disabled = "[...document.querySelectorAll('#symbols input')].map(box => [box.value, box.disabled])"
    assert ["msft", True] in page.ask(disabled) and ["aapl", False] in page.ask(disabled)
    assert page.text("#alarm") == ""


def test_a_support_and_a_resistance_can_be_chosen_and_are_lines_at_their_prices(page: Page) -> None:
    page.open("?symbols=aapl")
    lines = "plot.levels.map(line => [line.options().title, line.options().price, line.options().lineStyle])"
    newest: dict[str, float] = {}
    for field in ("support", "resistance"):
        with page.mongo.client() as client:
            found = client[NAME]["aapl"].find_one({field: {"$ne": 0}}, sort=[("_id", -1)])
        assert found
        newest[field] = found[field]
    assert page.panel("aapl", lines) == [["support", newest["support"], 0], ["resistance", newest["resistance"], 2]]
    options = page.panel("aapl", "levels.choices.support.options.length")
    with page.mongo.client() as client:
        since = {"$gte": datetime(2023, 8, 21)}
        levels = list(client[NAME]["aapl"].find({"support": {"$ne": 0}, "_id": since}, sort=[("_id", -1)]))
    assert options == len(levels) + 2, "every support of five days, the newest and none"
    third = levels[2]
    minute = minute_of(third["_id"].replace(tzinfo=None))
    choose(page, "support", str(minute))
    choose(page, "resistance", "none")
    assert page.panel("aapl", lines) == [["support", third["support"], 0]]
    assert f"levels=aapl:{minute}:none" in page.query()
    page.open(page.query())
    assert page.panel("aapl", lines) == [["support", third["support"], 0]]
    assert page.panel("aapl", "levels.choices.resistance.value") == "none"


def choose(page: Page, field: str, value: str) -> None:
    page.ask(f"""(() => {{ const choice = Market.panels.get('aapl').levels.choices.{field};
        choice.value = '{value}'; choice.dispatchEvent(new Event('change', {{bubbles: true}})); }})()""")


def test_closed_hours_take_no_room(page: Page) -> None:
    page.open("?symbols=aapl&span=5d")
    places = page.panel(
        "aapl",
        "rows.minutes.map((_, row) => Market.panels.get('aapl').plot._time(row))"
        ".map(time => Market.panels.get('aapl').plot.chart.timeScale().timeToCoordinate(time))",
    )
    steps = [after - before for before, after in itertools.pairwise(places)]
    assert min(steps) == pytest.approx(max(steps), abs=0.01)
    assert len(steps) == 4 * MINUTES + LAST - 1 + len(page.rows["aapl"]) - len(DATES[:-1]) * MINUTES - LAST


def test_zoom_by_mouse_and_by_keyboard(page: Page) -> None:
    page.open("?symbols=aapl&span=4h")
    width = "(r => r.to - r.from)(Market.panels.get('aapl').plot.range())"
    four_hours = page.ask(width)
    assert four_hours == pytest.approx(240, abs=4)
    page.browser.click("[data-symbol=aapl] .tools button")
    page.until(f"Math.abs({width} - {four_hours / 2}) < 1")
    page.ask("Market.panels.get('aapl').at.plot.focus()")
    page.browser.press("-", 2)
    page.until(f"Math.abs({width} - {2 * four_hours}) < 2")
    page.browser.press("+")
    page.until(f"Math.abs({width} - {four_hours}) < 2")
    page.check("span", "1h")
    page.until(f"{width} < 70")


def test_the_keyboard_alone_reaches_everything_and_reads_candle_by_candle(page: Page) -> None:
    page.open("?symbols=aapl&trends=none&panes=none")
    seen: list[str] = []
    for _ in range(60):
        page.browser.press("Tab")
        seen.append(page.ask("(e => e.id || e.value || e.className || e.textContent)(document.activeElement)"))
        if page.ask("document.activeElement.closest('footer') !== null"):
            break
    everything = page.ask("document.querySelectorAll('a, summary, select, button, input, .plot').length")
    spans = page.ask("document.querySelectorAll('#span input').length")
    assert len(seen) == everything - spans + 1, f"one of the spans is reached, the others by arrows: {seen}"
    page.ask("document.querySelector(\"#symbols input[value='msft']\").focus()")
    page.browser.press(" ")
    page.until("Market.panels.size == 2")
    page.ask("Market.panels.get('aapl').at.plot.focus()")
    last = len(page.panel("aapl", "rows.minutes")) - 1
    page.browser.press("ArrowLeft")
    assert page.panel("aapl", "plot.cursor") == last
    page.browser.press("ArrowLeft", 2)
    page.browser.press("ArrowLeft", shift=True)
    assert page.panel("aapl", "plot.cursor") == last - 12
    row = page.rows["aapl"][-13]
    spoken = page.panel("aapl", "at.spoken.textContent")
    local = row["at"] - timedelta(hours=4)
    assert spoken.startswith(f"Fri, 25 Aug 2023, {local:%H:%M}: Open {row['open']:.2f}, High {row['high']:.2f}")
    page.browser.press("Escape")
    assert page.panel("aapl", "plot.cursor") is None
    page.browser.press("Home")
    assert page.panel("aapl", "plot.cursor") == 0
    page.until("Market.panels.get('aapl').range[0] == 0")


def test_the_table_behind_a_chart_says_what_the_documents_say(page: Page) -> None:
    page.open("?symbols=aapl&span=1h&trends=ema_12,bollinger&panes=volume,macd,levels,rsi")
    page.browser.click("[data-symbol=aapl] summary")
    page.until("document.querySelectorAll('[data-symbol=aapl] tbody tr').length >= 57")
    head, *rows = page.table("aapl")
    assert head[:6] == ["Exchange time", "Open", "High", "Low", "Close", "Volume"]
    assert head[6:] == [
        *("EMA 12", "Bollinger upper", "Bollinger lower", "Histogram", "MACD", "Signal", "Resistance", "Support"),
        "RSI 14",
    ]
    for cells, row in zip(rows, reversed(page.rows["aapl"]), strict=False):
        found = page.document("aapl", row["at"])
        assert cells[0].endswith(f"{row['at'] - timedelta(hours=4):%H:%M}")
        assert cells[1:6] == [*(f"{row[name]:.2f}" for name in ("open", "high", "low", "close")), f"{row['volume']:,}"]
        for cell, name, digits in ((6, "ema_12", 2), (7, "bollinger_upper", 2), (10, "macd", 4), (14, "rsi_14", 1)):
            assert float(cells[cell]) == pytest.approx(found[name], abs=0.51 * 10**-digits)
        assert float(cells[9]) == pytest.approx(found["macd"] - found["signal"], abs=0.00011)


def test_a_new_candle_and_a_correction_of_earlier_ones_are_there_within_two_seconds(page: Page) -> None:
    page.open("?symbols=aapl,msft&span=1h")
    page.browser.click("[data-symbol=aapl] summary")
    took: list[float] = []
    for step in range(3):
        row = page.next_row("aapl")
        page.send("aapl", [row])
        began = time.monotonic()
        page.until(f"Market.panels.get('aapl').rows.minutes.at(-1) == {minute_of(row['at'])}", SHOWN_WITHIN + 5)
        took.append(time.monotonic() - began)
        assert page.text("[data-symbol=aapl] .price").startswith(f"{row['close']:.2f}"), step
    corrected = {**page.rows["aapl"][-6]}
    corrected["high"] = round(corrected["high"] + 5, 2)
    corrected["close"] = corrected["high"]
    page.send("aapl", [corrected])
    began = time.monotonic()
    known = "(rows => rows.value('close', rows.length - 6))(Market.panels.get('aapl').rows)"
    page.until(f"{known} == {corrected['close']}", SHOWN_WITHIN + 5)
    took.append(time.monotonic() - began)
    for back in range(1, 7):
        found = page.document("aapl", page.rows["aapl"][-back]["at"])
        shown = page.ask(f"(rows => rows.value('ema_26', rows.length - {back}))(Market.panels.get('aapl').rows)")
        assert shown == pytest.approx(found["ema_26"], abs=1e-3)
    page.until(f"document.querySelector('[data-symbol=aapl] tbody').innerText.includes('{corrected['close']:.2f}')")
    drawn = "(p => p.candles.data().at(-6).close)(Market.panels.get('aapl').plot)"
    assert page.ask(drawn) == corrected["close"], "drawn too"
    assert sorted(took)[1] < SHOWN_WITHIN, took
    assert page.browser.complaints == []


def test_a_chart_that_is_out_of_sight_is_drawn_when_it_comes_into_sight(page: Page) -> None:
    page.open("?symbols=aapl,btc-usd,msft&span=1h", PHONE)
    drawn = "(panel => panel.plot.drawn - panel.rows.length)(Market.panels.get('msft'))"
    page.until("!Market.panels.get('msft').inSight")
    rows = [page.next_row("msft")]
    page.send("msft", rows)
    rows.append(page.next_row("msft"))
    page.send("msft", rows[1:])
    page.until(f"Market.panels.get('msft').rows.minutes.at(-1) == {minute_of(rows[-1]['at'])}")
    assert page.ask(drawn) < 0
    assert page.text("[data-symbol=msft] .price").startswith(f"{rows[-1]['close']:.2f}"), "its figures are there"
    page.ask("document.querySelector('[data-symbol=msft] .plot').scrollIntoView()")
    page.until(f"{drawn} == 0")
    assert page.panel("msft", "plot.candles.data().at(-1).close") == rows[-1]["close"]
    assert page.panel("msft", "plot.candles.data().length") == len(page.panel("msft", "rows.minutes"))


def test_what_is_stale_says_so_and_is_live_again_with_the_next_candle(page: Page) -> None:
    page.open("?symbols=btc-usd,aapl")
    said = page.until(
        "(t => t.includes('Stale') && t)(document.querySelector('[data-symbol=btc-usd] .fresh').textContent)", 40
    )
    assert "are missing; newest candle Fri, 25 Aug 2023" in said
    page.until("document.getElementById('news').textContent.includes('BTC-USD')")
    page.send("btc-usd", [page.next_row("btc-usd")])
    page.until("document.querySelector('[data-symbol=btc-usd] .fresh').textContent.startsWith('● Live')")
    assert "BTC-USD" not in page.text("#news")


@pytest.mark.parametrize(
    ("is_open", "missing", "heard", "said"),
    [
        (True, 0, 9_000, "● Live; newest candle"),
        (True, 21, 9_000, "■ Stale: candles of the last 21 s are missing; newest candle"),
        (True, 7_300, 19, "● Live; newest candle"),
        (False, 0, 1, "○ Exchange closed, opens 28 Aug, 09:30; newest candle"),
        (False, 7_300, 9_000, "■ Stale: candles of the last 2 h 1 min are missing; newest candle"),
        (False, -60, 1, "● Live; newest candle"),
        (False, -60, 9_000, "○ Exchange closed, opens 28 Aug, 09:30; newest candle"),
    ],
)
def test_a_chart_says_whether_it_is_live_stale_or_the_exchange_closed(
    page: Page, is_open: bool, missing: int, heard: int, said: str
) -> None:
    """`missing`: seconds for which candles are due. `heard`: seconds since the last change."""
    if "aapl" not in page.shown():
        page.open("?symbols=aapl")
    opened = json.dumps(is_open)
    due = f"(panel.rows.minutes.at(-1) + 1) * 60 + {missing}"
    market = f"{{now: 0, open: {opened}, due: {due}, opens: 1693229400}}"
    script = f"panel.heard = 0; panel.age({{clock: {heard}, market: {market}}}, 20); return panel.at.fresh.textContent"
    assert page.ask(f"(panel => {{ {script} }})(Market.panels.get('aapl'))").startswith(said)


def test_times_are_the_exchange_s_on_both_sides_of_a_change_of_the_clocks(page: Page) -> None:
    first = datetime(2023, 11, 5, 4, 30)
    made = days(9, DATES[:1])
    page.rows["eth-usd"] = [{**row, "at": first + timedelta(minutes=minute)} for minute, row in enumerate(made)]
    assert page.trading
    page.trading.send({"eth-usd": page.rows["eth-usd"]})
    page.browser.complaints.clear()
    page.browser.open(f"{page.server.url}?symbols=eth-usd&span=5d", *DESK)
    page.until("window.Market && Market.panels.size && " + DRAWN)
    times = page.panel("eth-usd", "rows.minutes.map(minute => Market.panels.get('eth-usd').clock.time(minute))")
    local = [row["at"].replace(tzinfo=UTC).astimezone(NEW_YORK) for row in page.rows["eth-usd"]]
    assert times == [f"{at:%H:%M}" for at in local]
    assert times.count("01:15") == 2, "an hour comes twice"
    plot = "Market.panels.get('eth-usd').plot"
    assert page.ask(f"{plot}.rows.minutes.map((_, row) => {plot}._mark({plot}._time(row), 3))") == times
    assert page.panel("eth-usd", "plot.candles.data().length") == len(times)
    assert page.browser.complaints == []


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it is."""
    (package,) = AXE.glob("axe-core-*.tgz")
    if not page.ask("window.axe !== undefined"):
        with tarfile.open(package) as packed:
            script = packed.extractfile("package/axe.min.js")
            assert script
            page.ask(f"{script.read().decode()};0")
    found = page.ask("axe.run(document).then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html)))")
    return list(found)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [DESK, PHONE])
def test_everyone_can_use_it_and_a_phone_needs_no_scrolling_sideways(
    page: Page, size: tuple[int, int], dark: bool
) -> None:
    page.open(
        "?symbols=aapl,msft&panes=volume,macd,levels,rsi,atr&trends=ema_12,bollinger,vwap&span=1h", size, dark=dark
    )
    assert page.ask("innerWidth") == size[0]
    assert page.ask("document.getElementById('choose').open") is (size == DESK)
    page.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.until("document.querySelectorAll('[data-symbol=msft] tbody tr').length > 50")
    assert page.ask(WIDER_THAN_THE_WINDOW) == 0
    assert violations(page) == []
    back = page.ask("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    assert page.panel("aapl", "plot.chart.options().layout.background.color") == ("#0d1117" if dark else "#ffffff")


def test_who_wants_no_motion_gets_none(page: Page) -> None:
    page.open("?symbols=aapl", calm=True)
    assert page.panel("aapl", "plot.chart.options().kineticScroll.touch") is False
    assert page.ask("document.getAnimations().length") == 0
    page.open("?symbols=aapl")
    assert page.panel("aapl", "plot.chart.options().kineticScroll.touch") is True


def test_a_symbol_that_is_not_there_says_so_and_the_others_are_shown(page: Page) -> None:
    page.browser.open(f"{page.server.url}?symbols=aapl,%3Cimg%20src=x%3E", *DESK)
    page.until("window.Market && Market.panels.size == 2 && Market.panels.get('aapl').rows.length")
    page.until("document.querySelectorAll('.panel .empty:not([hidden])').length == 1")
    assert "No candles of <IMG SRC=X> yet" in page.text()
    assert page.ask("document.querySelectorAll('img').length") == 0


def test_a_database_that_goes_away_and_comes_back_is_told_and_the_page_goes_on(page: Page) -> None:
    page.open("?symbols=aapl")
    candles = len(page.panel("aapl", "rows.minutes"))
    page.mongo.kill9()
    said = page.until("document.getElementById('alarm').textContent", 20)
    assert said.startswith(f"The database {NAME} is away since") and "charts show what was known then" in said
    assert len(page.panel("aapl", "rows.minutes")) == candles
    assert page.text("[data-symbol=aapl] .fresh").startswith("■ Not live: the database is away; newest candle")
    assert page.text("#news") == ""
    assert (page.server.status("healthz"), page.server.status("readyz")) == (200, 200)
    page.mongo.start()
    page.trading = None
    page.until("!document.getElementById('alarm').textContent", 20)
    page.until("document.querySelector('[data-symbol=aapl] .empty:not([hidden])') !== null", 20)
    page.fill()
    page.until("Market.panels.get('aapl').rows.length && " + DRAWN)
    assert page.panel("aapl", "rows.minutes").pop() == minute_of(page.rows["aapl"][-1]["at"])


def test_a_server_that_does_not_answer_is_told_by_the_page_alone(page: Page) -> None:
    page.open("?symbols=aapl")
    began = time.monotonic()
    page.server.process.stop()
    assert time.monotonic() - began < 20
    said = page.until("document.getElementById('alarm').textContent", 20)
    assert said.startswith("The dashboard's server has not answered since")
    assert page.text("[data-symbol=aapl] .fresh").startswith("■ Not live: the dashboard's server does not answer;")
    page.server.process.start()
    page.until("!document.getElementById('alarm').textContent", 20)
    assert page.panel("aapl", "rows.length") > 0
