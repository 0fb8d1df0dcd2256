"""The parts of `python -m benchmarks analytics`, each with topics, a database and a checkpoint of its own."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from confluent_kafka import Producer

from benchmarks.analytics import ages, backlog, channels, runs, views
from benchmarks.analytics.copying import COPIES
from benchmarks.job import Job
from benchmarks.machine import Use, Watch
from benchmarks.results import Goal, Result
from demo.ground import Ground, ground
from demo.market_ground import DATABASE, market_ground
from market.trades import READS, WRITES
from pipeline.kafka.letters import letters_of
from tests.kafka import Broker
from tests.mongo import Mongo

CANDLES, TRADES = (*runs.SERVICE, "candles"), (*runs.SERVICE, "trades")
PAGE_VIEWS = (*runs.SERVICE, "page-views")
COPYING = (sys.executable, "-m", "benchmarks.analytics.copying")
MOST_APPLICATIONS = 400_000
RATE = 100
"""Candles a second, where the time to the database is clocked."""
SYMBOLS = 50
FIRST: Final = "the first minute, with new collections"
SENT: Final = "a minute, sending included"
WAITING: Final = "a minute that waits in its topics"
"""What is clocked with many symbols; sending to thousands of topics takes nearly as much as the rest."""


@dataclass
class Bench:
    """What parts need. `messages`: of the backlogs of trades; `symbols`: with a candle each; `seconds`: of latency."""

    watch: Watch
    messages: int
    symbols: int
    seconds: int
    goals: list[Goal] = field(default_factory=list)

    def trades(self) -> list[Result]:
        """Trades into windows, beside the same query of Spark's without anything done with them."""
        with ground() as here:
            self._fill_trades(here, [WRITES])
            bare = self._clocked("Spark alone", "Kafka → windows → noop", runs.alone("trades", here.environment))
            ours = self._clocked("trades", "Kafka → windows → topic, once", runs.caught_up(TRADES, here.environment))
        ratio = (ours.rate or 0) / (bare.rate or 1)
        self.goals.append(Goal("trades at least 0.8 × Spark alone", f"{ratio:.2f}", ratio >= 0.8))
        worker = max(self.watch.resident(*_window(ours)).get("worker", [0.0]))
        self.goals.append(Goal("a worker of trades at most 400 MiB", f"{worker:.0f} MiB", worker <= 400))
        return [bare, ours]

    def sink(self) -> list[Result]:
        """The transactional sink beside Spark's own, which repeats what it wrote of an open batch."""
        with ground() as here:
            self._fill_trades(here, [COPIES])
            bare = self._clocked("Spark's sink", "Kafka → topic, maybe twice", runs.alone("sink", here.environment))
            ours = self._clocked("our sink", "Kafka → topic, once", runs.caught_up(COPYING, here.environment))
        ratio = (ours.rate or 0) / (bare.rate or 1)
        self.goals.append(Goal("our sink at least 0.6 × Spark's own", f"{ratio:.2f}", ratio >= 0.6))
        return [bare, ours]

    def warm(self) -> list[Result]:
        """A backlog of 2,000 candles of each of 50 symbols."""
        names = [f"sym{number}" for number in range(SYMBOLS)]
        with market_ground() as here:
            _make(here, names)
            values = list(backlog.candles(2_000))
            for name in names:
                backlog.fill(here.kafka.bootstrap, name, values)
            environment = {**here.environment, "SYMBOLS": ",".join(names)}
            result = self._clocked("warm start", "50 × 2,000 candles", runs.caught_up(CANDLES, environment), 100_000)
            workers = self.watch.resident(*_window(result)).get("worker", [0.0])
            _expect(here.mongo, names, 2_000)
        seconds = result.use.seconds
        self.goals.append(Goal("50 × 2,000 candles within 60 s", f"{seconds:.1f} s", seconds <= 60))
        self.goals.append(Goal("a worker of candles at most 400 MiB", f"{max(workers):.0f} MiB", max(workers) <= 400))
        return [result]

    def many(self) -> list[Result]:
        """A candle of each of many symbols: the first, which makes their collections, and the next."""
        names = [f"sym{number}" for number in range(self.symbols)]
        random = Random(1)
        found = []
        with market_ground() as here:
            _make(here, names)
            backlog.fill_each(here.kafka.bootstrap, names, backlog.candle(random, 0))
            with runs.running(CANDLES, {**here.environment, "SYMBOLS": ",".join(names)}) as job:
                for minute, what in enumerate((FIRST, SENT, WAITING), 1):
                    candle = backlog.candle(random, minute)
                    sent = time.monotonic()
                    if what == FIRST:
                        sent = job.wait_for("running").at
                    elif what == WAITING:
                        with job.held():
                            backlog.fill_each(here.kafka.bootstrap, names, candle)
                        sent = time.monotonic()
                    else:
                        backlog.fill_each(here.kafka.bootstrap, names, candle)
                    ended = _accepted(job, minute * len(names))
                    _expect(here.mongo, names, minute)
                    found.append(self._clocked(f"{len(names):,} symbols", what, (sent, ended), len(names)))
        seconds = found[-1].use.seconds
        self.goals.append(Goal(f"{len(names):,} symbols within 10 s", f"{seconds:.1f} s", seconds <= 10))
        return found

    def latency(self) -> list[Result]:
        """From a candle's arrival in its topic until a reader of the database sees it."""
        names = [f"sym{number}" for number in range(SYMBOLS)]
        with market_ground() as here:
            _make(here, names)
            backlog.fill_each(here.kafka.bootstrap, names, backlog.candle(Random(0), 0))
            with runs.running(CANDLES, {**here.environment, "SYMBOLS": ",".join(names)}) as job:
                job.wait_for("batch")
                started = time.monotonic()
                seen = _Seen(here.mongo, names)
                sent = _send(here.kafka, names, self.seconds)
                delays = seen.delays(sent)
                ended = time.monotonic()
        p50, p95 = statistics.median(delays), statistics.quantiles(delays, n=20)[-1]
        use = self.watch.use(started, ended)
        self.goals.append(Goal(f"p95 at {RATE} candles/s at most 1.5 s", f"{p95:.2f} s", p95 <= 1.5))
        figure = f"p50 {p50:.2f} s, p95 {p95:.2f} s"
        return [Result("latency", f"{RATE} candles/s of {len(names)} symbols", figure, use, len(delays))]

    def page_views(self) -> list[Result]:
        """Page views: windows beside Spark alone, five views a visitor; then all outputs, as many visitors as views."""
        number = self.messages
        with ground() as here:
            views.fill(here, number, each=5)
            bare = self._clocked("Spark alone", "Kafka → windows → noop", runs.alone("page-views", here.environment))
            ours = self._clocked("page views", "Kafka → all topics, once", runs.caught_up(PAGE_VIEWS, here.environment))
        ratio = (ours.rate or 0) / (bare.rate or 1)
        self.goals.append(Goal("page views at least 0.7 × Spark alone", f"{ratio:.2f}", ratio >= 0.7))
        with ground() as here, views.outputs() as folder:
            views.fill(here, number, each=1)
            into = views.Outputs(Path(folder))
            given = {**here.environment, **into.environment}
            window = runs.ended(PAGE_VIEWS, given)
            everything = self._clocked("page views", "topics, tables, files", window)
            into.expect(number)
            views.close(here)
            runs.ended(PAGE_VIEWS, given)
            by_topic, by_table = views.counted(here, into.lake)
        seconds, most = window[1] - window[0], views.OUTPUTS * number / 1_000_000
        self.goals += [
            Goal(f"{number:,} views through all outputs within {most:.0f} s", f"{seconds:.1f} s", seconds <= most),
            views.users_goal(by_topic, number),
            views.users_goal(by_table, number),
        ]
        return [bare, ours, everything]

    def channel_stats(self) -> list[Result]:
        """Harvests of channels into topics and tables, and the upsert by itself."""
        return channels.measured(self)

    def channel_year(self) -> list[Result]:
        """A harvest a day of many channels, for a year."""
        return channels.year(self)

    def channel_ages(self) -> list[Result]:
        """How old a harvest is once it is in the topics and the tables."""
        return ages.measured(self)

    def loan_scoring(self) -> list[Result]:
        """Loan applications: the stages alone, a backlog into the table, time to the row, the table after a day."""
        from benchmarks.analytics.loans import Loans

        number = min(self.messages, MOST_APPLICATIONS)
        return Loans(self.watch, number, self.seconds, max(number // 1_000, 40), self.goals).all()

    def _fill_trades(self, here: Ground, writes: Iterable[str]) -> None:
        backlog.make(here.kafka.bootstrap, [READS, *writes], 4)
        backlog.settle(here.kafka.bootstrap, READS)
        backlog.fill(here.kafka.bootstrap, READS, backlog.trades(self.messages))

    def _clocked(self, name: str, what: str, window: tuple[float, float], messages: int = 0) -> Result:
        use, number = self.watch.use(*window), messages or self.messages
        seconds = window[1] - window[0]
        rate = number / seconds
        facts: dict[str, object] = {"window": window}
        return Result(name, what, f"{rate:,.0f}/s ({seconds:.1f} s)", _lasting(use, seconds), number, rate, facts)


class _Seen:
    """Looks at the collections, all the time, for the newest minute that each has."""

    def __init__(self, mongo: Mongo, names: Iterable[str]) -> None:
        self._mongo, self._names = mongo, list(names)
        self._when: dict[tuple[str, int], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def delays(self, sent: dict[tuple[str, int], float]) -> list[float]:
        """Of each candle, once all are there."""
        deadline = time.monotonic() + 60
        while not sent.keys() <= self._when.keys() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._over.set()
        self._thread.join()
        return [self._when[one] - at for one, at in sent.items()]

    def _look(self) -> None:
        with self._mongo.client() as client:
            while not self._over.wait(0.02):
                for name in self._names:
                    newest = client[DATABASE][name].find_one({}, {"_id": 1}, sort=[("_id", -1)])
                    minute = _minute(newest) if newest else 0
                    for earlier in range(minute, 0, -1):
                        if (name, earlier) in self._when:
                            break
                        self._when[name, earlier] = time.monotonic()


def _send(kafka: Broker, names: list[str], seconds: int) -> dict[tuple[str, int], float]:
    """`RATE` candles a second, the symbols in turn; when each was acknowledged."""
    random, sent = Random(2), dict[tuple[str, int], float]()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0})
    begun = time.monotonic()
    for number in range(RATE * seconds):
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        name, minute = names[number % len(names)], 1 + number // len(names)
        producer.produce(name, backlog.candle(random, minute))
        producer.flush(60)
        sent[name, minute] = time.monotonic()
    return sent


def _minute(found: dict[str, Any]) -> int:
    since: float = (found["_id"] - backlog.OPENING_UTC).total_seconds()
    return round(since / 60)


def _make(here: Ground, names: Iterable[str]) -> None:
    backlog.make(here.kafka.bootstrap, [made for name in names for made in (name, letters_of(name))])


def _accepted(job: Job, number: int) -> float:
    """When the batch ended (monotonic seconds) with which so many candles were in effect."""
    while True:
        accepted = 0
        for line in job.batches():
            accepted += line.fields["counts"]["accepted"]
            if accepted >= number:
                return line.at
        time.sleep(0.5)


def _expect(mongo: Mongo, names: Iterable[str], number: int) -> None:
    with mongo.client() as client:
        wrong = [name for name in names if client[DATABASE][name].count_documents({}) != number]
    if wrong:
        raise RuntimeError(f"{', '.join(wrong)}: not the {number} documents that were to be written")


def _window(result: Result) -> tuple[float, float]:
    window: tuple[float, float] = result.facts["window"]  # type: ignore[assignment]
    return window


def _lasting(use: Use, seconds: float) -> Use:
    return use._replace(seconds=seconds)


PARTS = ("trades", "sink", "warm", "many", "latency", "page-views", "channel-stats", "channel-ages", "loan-scoring")
LONG = ("channel-year",)
"""Parts that run where they are named only."""


def run(part: str, bench: Bench) -> list[Result]:
    """One part, by its name."""
    found: list[Result] = getattr(bench, part.replace("-", "_"))()
    return found
