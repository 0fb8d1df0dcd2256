"""The command line: `python -m market.feed --help`."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pipeline.console.application import application
from pipeline.console.process import exit_code
from pipeline.runtime.stopping import StopSignal

HELP = """\
Candles from the Twelve Data API, or a file, into the topics of SYMBOLS.

Settings are environment variables (docs/settings.md). What is missing since the newest candle in a topic is fetched, so
every command may be run at any time, and again after whatever went wrong. SIGTERM and Ctrl-C end it with 0. Exit codes:
0 done, or stopped; 1 could not go on (a line says why); 2 wrong settings or usage.
"""
CLOSE = "close"
app = application(HELP)


@app.command()
def topics() -> None:
    """Make the topics of SYMBOLS that are missing; the provider is not asked.

    python -m market.feed topics
    """
    from market.feed.settings import TopicSettings
    from market.feed.steps import make_topics

    _run(lambda stop: make_topics(TopicSettings.read(os.environ), stop))


@app.command()
def warm_start() -> None:
    """Fill every topic up to now, one that is new with the newest WARM_CANDLES, and end.

    TWELVE_DATA_KEY=… SYMBOLS=AAPL,BTC/USD python -m market.feed warm-start
    """
    from market.feed.settings import FeedSettings
    from market.feed.steps import observed, warm_start

    def run(stop: StopSignal) -> None:
        settings = FeedSettings.read(os.environ)
        with observed(settings) as told:
            warm_start(settings, stop, told)

    _run(run)


@app.command()
def live(
    until: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="2026-11-27T18:00:00Z, UTC where it says no zone; or close.")
    ] = None,
) -> None:
    """Fill every topic, then fetch the newest candles each minute, for N_SAMPLES minutes or until MOMENT.

    With `--until close` it goes by MARKET_CALENDAR, session after session, and stands by between them: as a service.

    TWELVE_DATA_KEY=… python -m market.feed live

    TWELVE_DATA_KEY=… python -m market.feed live --until close
    """
    from market.feed.settings import FeedSettings
    from market.feed.steps import live, live_by_calendar, observed

    end = None if until in (None, CLOSE) else _moment(str(until))

    def run(stop: StopSignal) -> None:
        settings = FeedSettings.read(os.environ)
        with observed(settings) as told:
            if until == CLOSE:
                live_by_calendar(settings, stop, told)
            else:
                live(settings, stop, end, told)

    _run(run)


@app.command()
def replay(file: Annotated[Path, typer.Argument(help="CSV with headings, or a JSON object a line.")]) -> None:
    """Send the candles of a file that are newer than what the topics hold, oldest first; no provider is asked.

    SYMBOLS=AAPL python -m market.feed replay aapl.csv
    """
    from market.feed.settings import TopicSettings
    from market.feed.steps import replay

    _run(lambda stop: replay(TopicSettings.read(os.environ), file, stop))


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("--until is neither a moment, as 2026-11-27T18:00:00Z is, nor close") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _run(action: Callable[[StopSignal], object]) -> NoReturn:
    from market.feed.waiting import Stopped

    def unless_stopped(stop: StopSignal) -> None:
        try:
            action(stop)
        except Stopped:
            return

    raise typer.Exit(exit_code(unless_stopped))


if __name__ == "__main__":
    app(prog_name="python -m market.feed")
