"""A trading day, step by step, as the DAG runs it on a cluster: each can fail, and each can be taken again.

| step       | what it does                                                                     |
|------------|----------------------------------------------------------------------------------|
| session    | asks the exchange's calendar; a day without a session ends here, and all is well |
| topics     | makes those that are missing                                                     |
| stream     | starts `stream_analytics.py candles`                                             |
| ready      | waits until it is                                                                |
| warm-start | fills every topic up to now                                                      |
| opening    | waits for it                                                                     |
| live       | feeds every minute until the close, or for N_SAMPLES minutes                     |
| caught-up  | waits until all of that is in the database                                       |
| stop       | lets the stream finish and end                                                   |

A session that is over is made whole in the same way. After a step that failed no stream runs: whatever was sent is in
the topics, and is read by the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

from market.calendar import Calendar, Session
from market.clock import Clock
from market.day.settings import DaySettings
from market.day.stream import Stream
from market.feed import steps as feed
from market.feed.waiting import Pauses, Stopped
from pipeline.runtime.errors import Fatal, PipelineError
from pipeline.runtime.stopping import StopSignal

SESSION, TOPICS, STREAM, READY = "session", "topics", "stream", "ready"
WARM_START, OPENING, LIVE, CAUGHT_UP, STOP = "warm-start", "opening", "live", "caught-up", "stop"
STEPS: Final = (SESSION, TOPICS, STREAM, READY, WARM_START, OPENING, LIVE, CAUGHT_UP, STOP)
AGAIN: Final = "no stream is left running, and nothing is lost: run `python -m market.day` again, it goes on from there"

log = structlog.get_logger()

MakeStream = Callable[[Mapping[str, str], int, StopSignal], Stream]


def run(settings: DaySettings, environ: Mapping[str, str], stop: StopSignal, stream: MakeStream = Stream) -> None:
    """All of today's steps. Raises `Fatal`, which names the step and says how to go on."""
    with _step(SESSION):
        session = todays(settings)
    if session is None:
        return
    pauses = Pauses(settings.market_clock, stop)
    try:
        with stream(environ, settings.metrics_port, stop) as running:
            _run(settings, session, running, pauses, stop)
    except Stopped:
        log.info("stopped", remedy="python -m market.day goes on from there")


def todays(settings: DaySettings) -> Session | None:
    """The session that goes on, else today's, also once it is over, since some of it may be missing.

    None, and said, where there is none. Raises `Fatal`.
    """
    clock: Clock = settings.market_clock
    now = clock.moment()
    calendar = Calendar(settings.market_calendar)
    next_one = calendar.next(now)
    session = next_one if next_one.opens <= now else calendar.session(now.astimezone(settings.market_zone).date())
    if session is None:
        log.info("closed", exchange=settings.market_calendar, opens=f"{next_one.opens:%Y-%m-%d %H:%M} UTC")
        return None
    opens = f"{session.opens:%Y-%m-%d %H:%M} UTC"
    log.info("open today", exchange=settings.market_calendar, opens=opens, closes=f"{session.closes:%H:%M} UTC")
    return session


def _run(settings: DaySettings, session: Session, stream: Stream, pauses: Pauses, stop: StopSignal) -> None:
    with _step(TOPICS):
        feed.make_topics(settings, stop)
        pauses.check()
    with _step(STREAM):
        stream.start()
    with _step(READY):
        stream.wait_until_ready()
        pauses.check()
    with _step(WARM_START):
        feed.warm_start(settings, stop)
    with _step(OPENING):
        pauses.until(session.opens.timestamp(), stream.watch)
    with _step(LIVE):
        feed.live(settings, stop, session.closes, watch=stream.watch)
    with _step(CAUGHT_UP):
        stream.watch()
        stream.wait_until_caught_up()
        pauses.check()
    with _step(STOP):
        if code := stream.end():
            raise Fatal(f"the stream has ended with {code}: its own log says why")


@contextmanager
def _step(name: str) -> Iterator[None]:
    log.info("step", name=name, number=f"{STEPS.index(name) + 1} of {len(STEPS)}")
    try:
        yield
    except Stopped:
        raise
    except PipelineError as error:
        raise Fatal(f"step {name}: {error}; {AGAIN}") from error
