"""What the feed does, each a step of a trading day: the same for the command line, a day on one machine, and a DAG.

Every step can be taken again: it goes on where it stopped. All raise `PipelineError`, and `Stopped` once `stop` is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from market.calendar import Calendar
from market.feed.credits import Credits
from market.feed.feed import Feed
from market.feed.files import MANY, FileFeed
from market.feed.filling import Filled, Filling
from market.feed.live import Live
from market.feed.pace import Pace
from market.feed.settings import FeedSettings, TopicSettings
from market.feed.tails import newest
from market.feed.told import FILLING, Told
from market.feed.twelve_data import TwelveData
from market.feed.waiting import Pauses
from market.symbols import topic_of
from pipeline.kafka.client import client_options
from pipeline.kafka.sending import Sender
from pipeline.kafka.topics import Topics
from pipeline.observability.liveness import STANDING_BY
from pipeline.observability.server import served
from pipeline.runtime.errors import Fatal, Halted, Transient
from pipeline.runtime.retries import retried
from pipeline.runtime.starting import PATIENCE, wait_for
from pipeline.runtime.stopping import StopSignal

LIVE_PATIENCE: Final = 40.0
"""Seconds for which one minute's call is tried again; then the next minute fetches all."""

log = structlog.get_logger()


def make_topics(settings: TopicSettings, stop: StopSignal) -> None:
    """Make the symbols' topics that are missing."""
    topics = Topics(client_options(settings))
    make = partial(topics.make, settings.topics, settings.topic_partitions, settings.topic_replication)
    if wait_for("KAFKA_BROKERS", make, stop):
        log.info("topics", topics=len(settings.topics))


def warm_start(settings: FeedSettings, stop: StopSignal, told: Told | None = None) -> Filled:
    """Fill every topic up to now. Raises `Halted` where the provider knows none of the symbols."""
    told = told or Told(settings.market_clock.now)
    pauses = Pauses(settings.market_clock, stop)
    make_topics(settings, stop)
    pauses.check()
    credits = _credits(settings)
    with _provider(settings, settings.provider_patience, credits, pauses, told) as feed:
        feed.ask_usage()
        told.becomes(FILLING)
        filled = _filling(settings, feed, settings.warm_candles, pauses, told).fill(
            settings.symbols, partial(_progress, len(settings.symbols))
        )
    told.not_known(filled.unknown)
    if len(filled.unknown) == len(settings.symbols):
        raise Halted(f"the provider knows none of SYMBOLS: {', '.join(settings.symbols)}")
    log.info("warm", candles=filled.candles, symbols=len(settings.symbols), unknown=sorted(filled.unknown))
    return filled


def live(
    settings: FeedSettings,
    stop: StopSignal,
    until: datetime | None = None,
    told: Told | None = None,
    watch: Callable[[], object] = lambda: None,
) -> None:
    """Fill every topic, and each minute fetch the newest, for N_SAMPLES minutes or until a moment.

    `watch` is called at least every second meanwhile, and may raise.
    """
    told = told or Told(settings.market_clock.now)
    with _looping(settings, Pauses(settings.market_clock, stop, watch), stop, told) as loop:
        loop.run(settings.n_samples, until.timestamp() if until else None)


def live_by_calendar(settings: FeedSettings, stop: StopSignal, told: Told | None = None) -> None:
    """Fill every topic, and be live in each session of the exchange, day after day, until `Stopped`.

    Between them it stands by, and asks nothing. A close whose last candles could not be fetched is said; the next
    session begins with them.
    """
    told = told or Told(settings.market_clock.now)
    pauses, calendar = Pauses(settings.market_clock, stop), Calendar(settings.market_calendar)
    with _looping(settings, pauses, stop, told) as loop:
        loop.catch_up()
        while True:
            session = calendar.next(settings.market_clock.moment())
            told.becomes(STANDING_BY)
            pauses.until(session.opens.timestamp(), told.turned)
            log.info("session", day=str(session.day), closes=f"{session.closes:%H:%M} UTC")
            minutes = (session.closes - session.opens) // timedelta(minutes=1)
            try:
                loop.run(minutes, session.closes.timestamp())
            except (Transient, Halted) as error:
                log.error(
                    "session ended early", reason=str(error), remedy="the next session begins with what is missing"
                )


def replay(settings: TopicSettings, path: Path, stop: StopSignal) -> int:
    """Send those candles of a file that are newer than what the topics hold; how many."""
    feed = FileFeed(path, settings.symbols, settings.market_zone)
    if not feed.symbols:
        raise Fatal(f"{path} holds no candles")
    if feed.corrected:
        log.warning("minutes that the file holds twice: the later line counts", minutes=feed.corrected)
    make_topics(settings, stop)
    pauses, told = Pauses(settings.market_clock, stop), Told(settings.market_clock.now)
    pauses.check()
    filling = _filling(settings, feed, MANY, pauses, told)
    filled = filling.fill(feed.symbols, partial(_progress, len(feed.symbols)))
    log.info("replayed", candles=filled.candles, symbols=len(feed.symbols))
    return filled.candles


@contextmanager
def observed(settings: FeedSettings) -> Iterator[Told]:
    """What the feed tells, on METRICS_PORT while the context lasts."""
    told = Told(settings.market_clock.now)
    with served(told, settings.metrics_address, settings.metrics_port):
        yield told


@contextmanager
def _looping(settings: FeedSettings, pauses: Pauses, stop: StopSignal, told: Told) -> Iterator[Live]:
    make_topics(settings, stop)
    pauses.check()
    credits = _credits(settings)
    with _provider(settings, LIVE_PATIENCE, credits, pauses, told) as feed:
        try:
            feed.ask_usage()
        except Transient as error:
            log.warning("the provider does not tell what of the plan is used", reason=str(error))
        filling = _filling(settings, feed, settings.warm_candles, pauses, told)
        pace = Pace(credits, len(settings.symbols))
        yield Live(filling, settings.symbols, settings.candle_delay, pace, pauses, told)


def _credits(settings: FeedSettings) -> Credits:
    return Credits(settings.credits_per_minute, settings.credits_per_day, settings.market_clock.now)


@contextmanager
def _provider(
    settings: FeedSettings, patience: float, credits: Credits, pauses: Pauses, told: Told
) -> Iterator[TwelveData]:
    feed = TwelveData(settings, settings.candle_delay, patience, pauses, credits, told)
    try:
        yield feed
    finally:
        feed.close()


def _filling(settings: TopicSettings, feed: Feed, warm: int, pauses: Pauses, told: Told) -> Filling:
    client = client_options(settings)

    def ask(symbols: Iterable[str]) -> Mapping[str, int]:
        names = {topic_of(symbol): symbol for symbol in symbols}
        look = partial(newest, client, names, settings.market_zone, settings.market_clock.now())
        # New topics have no leader yet.
        found = retried(look, _heals, PATIENCE, what="how far the topics are", sleep=pauses.sleep)
        return {names[topic]: at for topic, at in found.items()}

    return Filling(feed, partial(Sender, client), ask, warm, pauses, told)


def _heals(error: Exception) -> bool:
    return isinstance(error, Transient)


def _progress(symbols: int, done: int, sent: int) -> None:
    log.info("filling", symbols=f"{done} of {symbols}", candles=sent)
