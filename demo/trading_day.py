"""The demo of the market: a trading day at many times its speed, in front of a browser, and the proof of all of it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from demo.acts import Heard
from demo.agreement import agreement, newest_of
from demo.checks import Check, told
from demo.fed import limits_kept, whole
from demo.job import Line, job
from demo.market_ground import DATABASE, MarketGround, market_ground
from demo.pictures import Pictures
from demo.telling import Say
from market.calendar import Calendar, Session
from market.clock import Clock
from market.feed.feed import moment
from market.symbols import topics_of
from producers.provider import KEY, Provider, standing_in
from tests.market.look import look
from tests.mongo import Client
from tests.processes import Process, free_port
from tests.servers import HERE, ROOT
from tests.topics import read

EXCHANGE: Final = "XNYS"
BEFORE: Final = timedelta(days=12)
"""Of candles that the stand-in has of the days before: a warm start takes 2,000, five days and a bit."""
LEAD: Final = 20.0
"""Seconds of ours before the first minute that is shown, in which Spark starts."""
PER_MINUTE: Final = 55
"""Credits that the stand-in's plan allows: a small one that is paid for."""
MISHAPS: Final = 0.03
"""Share of the calls that the stand-in does not answer, or not in a way to be read."""
KILLED_AT: Final = 0.5
"""Share of what is shown of the day after which it is killed."""


@dataclass(frozen=True)
class Showing:
    """What is shown of a day: from `begins`, seconds since the epoch, to the session's close."""

    session: Session
    begins: float
    speed: float

    @classmethod
    def last(cls, session: Session, minutes: int, speed: float) -> Showing:
        """The last minutes of a session."""
        closes = session.closes.timestamp()
        return cls(session, max(session.opens.timestamp(), closes - 60 * minutes), speed)

    def clock(self) -> Clock:
        """One that comes to the first minute when Spark has had time to start."""
        return Clock(self.begins - LEAD * self.speed, time.time(), self.speed)

    def share(self, clock: Clock) -> float:
        """How much of it is over."""
        whole = self.session.closes.timestamp() - self.begins
        return min(1.0, max(0.0, (clock.now() - self.begins) / whole))


@dataclass
class Told:
    """What day and stream have told: of records as `Heard`, the steps, and which process the stream is."""

    heard: Heard = field(default_factory=Heard)
    step: str = ""
    stream: int = 0

    def hear(self, line: Line) -> None:
        """Take a line of the log into account."""
        self.heard.hear(line)
        if line["event"] == "step":
            self.step = str(line["name"])
        if line["event"] == "stream started":
            self.stream = int(line["process"])


def play(
    symbols: tuple[str, ...],
    day: date,
    minutes: int,
    speed: float,
    seed: int,
    keep: bool,
    console: Console,
    say: Say,
) -> bool:
    """All of it; whether everything adds up. Raises RuntimeError where the exchange is closed on that day."""
    session = Calendar(EXCHANGE).session(day)
    if session is None:
        raise RuntimeError(f"{EXCHANGE} is closed on {day}: choose another --day")
    sessions = Calendar(EXCHANGE).sessions(day - BEFORE, day)
    showing = Showing.last(session, minutes, speed)
    say("starting a Kafka broker and a database that speaks MongoDB's protocol")
    with market_ground() as here, Client(here.mongo.uri) as mongo:
        provider = Provider(symbols, sessions, showing.clock(), PER_MINUTE, per_day=0, seed=seed, mishaps=MISHAPS)
        with standing_in(provider) as url:
            environment = _environment(here, provider, url)
            with _dashboard(here, environment) as page:
                say(f"the dashboard: {page}")
                say(f"{day} from {moment(showing.begins):%H:%M} to {session.closes:%H:%M} UTC, {speed:g} times as fast")
                _run(here, provider, environment, showing, mongo[DATABASE], page, console, say)
                say(f"the day is over; {provider.failed} of the provider's answers were bad on purpose")
                say("reconciling: the provider, the topics, the database, and the page")
                checks = _checks(here, provider, session, mongo[DATABASE], page)
                good = told(checks, f"a trading day of {len(symbols)} symbols", console)
                if keep:
                    _keep(page, environment, console)
    return good


def _environment(here: MarketGround, provider: Provider, url: str) -> dict[str, str]:
    return {
        **here.environment,
        "SYMBOLS": ",".join(provider.symbols),
        "MARKET_CALENDAR": EXCHANGE,
        "MARKET_CLOCK": str(provider.clock),
        "TWELVE_DATA_URL": url,
        "TWELVE_DATA_KEY": KEY,
        "CREDITS_PER_MINUTE": str(provider.per_minute),
        "CREDITS_PER_DAY": "0",
    }


@contextmanager
def _dashboard(here: MarketGround, environment: Mapping[str, str]) -> Iterator[str]:
    """Its address, while the context lasts."""
    port = free_port()
    page = f"http://{HERE}:{port}/"
    own = {**environment, "DASHBOARD_PORT": str(port), "DASHBOARD_ADDRESS": HERE}
    command = [sys.executable, "-m", "market.dashboard"]
    process = Process("the dashboard", command, here.folder / "dashboard.log", lambda: _answers(port), own, ROOT)
    process.start()
    try:
        yield page
    finally:
        process.stop(patience=10)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HERE}:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _run(
    here: MarketGround,
    provider: Provider,
    environment: Mapping[str, str],
    showing: Showing,
    database: Any,
    page: str,
    console: Console,
    say: Say,
) -> None:
    """`python -m market.day`: killed in the midst of the day, stream and all, and started again until the close."""
    said, topics = Told(), topics_of(tuple(provider.symbols))

    def line() -> str:
        return f"{provider.clock.moment():%H:%M} UTC, {said.step}; {said.heard}"

    def picture() -> RenderableType:
        bar = ProgressBar(total=1, completed=showing.share(provider.clock), width=60)
        return Group(Text(f"{page}   {line()}"), bar, newest_of(database, topics))

    with Pictures(console, picture, line) as show:
        half_way = show.until(lambda: said.heard.batches > 0 and showing.share(provider.clock) >= KILLED_AT)
        over = show.until(lambda: False)
        say("python -m market.day")
        with job(environment, here.folder, ("-m", "market.day"), "morning") as running:
            for lines in running.follow():
                for told_line in lines:
                    said.hear(told_line)
                if half_way():
                    running.kill9()
                    with suppress(ProcessLookupError):
                        os.killpg(said.stream, signal.SIGKILL)
                    break
            else:
                say("the day was over before Spark had begun: this machine has too little time for it")
                return
        say("kill -9 of feed and stream in the midst of it, and started again")
        with job(environment, here.folder, ("-m", "market.day"), "afternoon") as running:
            for lines in running.follow():
                for told_line in lines:
                    said.hear(told_line)
                over()


def _checks(here: MarketGround, provider: Provider, session: Session, database: Any, page: str) -> list[Check]:
    topics = topics_of(tuple(provider.symbols))
    records = {topic: read(here.kafka.bootstrap, topic) for topic in topics}
    return [
        whole(provider, session, records),
        limits_kept(provider),
        *agreement(here.kafka.bootstrap, database, records, set()),
        _page(page, provider.symbols, int(session.closes.timestamp()) // 60 - 1),
    ]


def _page(page: str, symbols: Sequence[str], last: int) -> Check:
    """What a browser finds there. `last`: the day's last minute, since the epoch."""
    found = look(page, symbols)
    lines = [f"the page complains: {text}" for text in found.complaints]
    lines += [f"the page asks elsewhere for {address}" for address in found.elsewhere]
    for symbol in symbols:
        chart = found.charts.get(symbol)
        if chart is None or not chart.candles:
            lines.append(f"{symbol} has no chart")
        elif chart.newest != last:
            lines.append(f"{symbol} ends with {moment(60 * chart.newest):%H:%M} UTC")
    return Check("a browser finds every symbol's chart up to the close, and no complaint", len(found.charts), lines)


def _keep(page: str, environment: Mapping[str, str], console: Console) -> None:
    lines = (
        f"Until Ctrl-C: {page}",
        f"the database: {environment['MONGO_URI']}, and the brokers: {environment['KAFKA_BROKERS']}",
    )
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
