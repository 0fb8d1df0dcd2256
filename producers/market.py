"""The commands `candles`, `trades`, `page-views`, `loans`, `provider`: records into topics, a stand-in for the feed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from market.calendar import Calendar
from market.settings import CalendarSettings
from market.symbols import topics_of
from producers.candles import MINUTES, Disorder, candles, days_of
from producers.loans import TOPIC as LOANS
from producers.loans import Mishaps as LoanMishaps
from producers.loans import applications
from producers.page_views import HEADER, page_views
from producers.page_views import TOPIC as PAGE_VIEWS
from producers.page_views import Mishaps as ViewMishaps
from producers.provider import KEY, Provider, standing_in
from producers.sending import Aborted, Note, Rate, Seed, console, explained, seeded, send, write_down
from producers.trades import TOPIC, Mishaps, late_demonstration, milliseconds, trades

STOCKS: Final = "AAPL,MSFT,AMZN,GOOG,META,NVDA,TSLA,AMC,GME,BTC/USD"
FRIDAY: Final = datetime(2023, 8, 25)
OPENING: Final = datetime(2023, 8, 25, 13, 30)
PAST, AHEAD = timedelta(days=14), timedelta(days=31)
"""For which the stand-in of the provider has candles, once they are due."""

Symbols = Annotated[str, typer.Option(envvar="SYMBOLS", help="Symbols, by commas.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first trading day.")]


def send_candles(
    symbols: Symbols = STOCKS,
    day: Day = FRIDAY,
    days: Annotated[int, typer.Option(min=1, help="How many trading days.")] = 1,
    minutes: Annotated[int, typer.Option(min=1, max=MINUTES, help="Of each day, from 09:30 on.")] = MINUTES,
    shuffled: Annotated[int, typer.Option(min=0, help="By how many newer ones a candle may be overtaken.")] = 10,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that comes after more than that.")] = 0.01,
    repeated: Annotated[float, typer.Option(min=0, max=1, help="Share that comes again as it was.")] = 0.02,
    corrected: Annotated[float, typer.Option(min=0, max=1, help="Share that comes again with other figures.")] = 0.02,
    broken: Annotated[
        float, typer.Option(min=0, max=1, help="Broken ones beside the good, as a share of them.")
    ] = 0.01,
    unusual: Annotated[float, typer.Option(min=0, max=1, help="Share that is written unusually, and right.")] = 0.05,
    rate: Rate = None,
    aborted: Aborted = 0,
    note: Note = None,
    seed: Seed = None,
) -> None:
    """Send candles of one minute, each symbol's to its topic; topics that are missing are made, of one partition.

    Uses KAFKA_BROKERS and the other KAFKA_… settings, as the services do. Times are New York's.

        python -m producers candles --symbols AAPL,MSFT --minutes 60 --rate 20

        python -m producers candles --days 5 --late 0 --broken 0 --seed 7
    """
    seed = seeded(seed)
    names = _names(symbols)
    disorder = Disorder(shuffled, late, repeated, corrected, broken, unusual)
    source = list(candles(seed, names, days_of(day.date(), days), minutes, disorder))
    with explained():
        send(source, topics_of(tuple(names)), 1, rate, aborted, note)
    console.print(f"seed {seed}")


def send_trades(
    symbols: Symbols = STOCKS,
    begin: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%S"], help="Event time of the first, UTC.")
    ] = OPENING,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds of event time.")] = 300.0,
    per_second: Annotated[float, typer.Option(min=0.01, help="Trades a second of each symbol, in event time.")] = 5.0,
    shuffled: Annotated[float, typer.Option(min=0, help="Seconds by which a trade may be overtaken.")] = 4.0,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that comes too late.")] = 0.0,
    repeated: Annotated[float, typer.Option(min=0, max=1, help="Share that comes again, and counts again.")] = 0.01,
    broken: Annotated[
        float, typer.Option(min=0, max=1, help="Broken ones beside the good, as a share of them.")
    ] = 0.01,
    rate: Rate = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topic, where it is made.")] = 4,
    aborted: Aborted = 0,
    note: Note = None,
    seed: Seed = None,
    late_demo: Annotated[
        bool, typer.Option("--late-demo", help="Nothing else than three trades, of which the third is 12 s late.")
    ] = False,
    pause: Annotated[float, typer.Option(min=0, help="Seconds before that third one: some batches.")] = 10.0,
) -> None:
    """Send trades to the topic `stocks`, which is made where it is missing.

    Uses KAFKA_BROKERS and the other KAFKA_… settings, as the services do.

        python -m producers trades --seconds 3600 --per-second 10 --seed 7

        python -m producers trades --late-demo
    """
    seed = seeded(seed)
    names, start = _names(symbols), begin.replace(tzinfo=UTC)
    with explained():
        if late_demo:
            _demonstrate(names[0], start, partitions, pause, note)
            return
        source = list(trades(seed, names, start, seconds, per_second, Mishaps(shuffled, late, repeated, broken)))
        send(source, [TOPIC], partitions, rate, aborted, note)
    console.print(f"seed {seed}")


def send_page_views(
    visitors: Annotated[int, typer.Option(min=1, help="How many visitors there are.")] = 500,
    begin: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%S"], help="Event time of the first, UTC.")
    ] = OPENING,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds of event time.")] = 3600.0,
    shuffled: Annotated[float, typer.Option(min=0, help="Seconds by which a view may be overtaken.")] = 120.0,
    unusual: Annotated[float, typer.Option(min=0, max=1, help="Share that is written unusually, and right.")] = 0.1,
    broken: Annotated[
        float, typer.Option(min=0, max=1, help="Broken ones beside the good, as a share of them.")
    ] = 0.02,
    robots: Annotated[float, typer.Option(min=0, max=1, help="Views of robots beside them, as a share.")] = 0.02,
    folder: Annotated[
        Path | None, typer.Option(help="A folder to drop them into as one file, instead of the topic.")
    ] = None,
    rate: Rate = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topic, where it is made.")] = 4,
    aborted: Aborted = 0,
    note: Note = None,
    seed: Seed = None,
) -> None:
    """Send page views to the topic `page_views_raw`, which is made where it is missing, or drop them as a file.

    Uses KAFKA_BROKERS and the other KAFKA_… settings, as the services do.

        python -m producers page-views --visitors 5000 --seconds 86400 --seed 7

        python -m producers page-views --folder /var/spool/page-views
    """
    seed = seeded(seed)
    mishaps = ViewMishaps(shuffled, unusual, broken, robots)
    source = list(page_views(seed, visitors, milliseconds(begin.replace(tzinfo=UTC)) // 1000, seconds, mishaps))
    with explained():
        if folder:
            _drop(folder / f"views-{seed}.csv", [made.value for made in source if made.value is not None])
        else:
            send(source, [PAGE_VIEWS], partitions, rate, aborted, note)
    console.print(f"seed {seed}")


def send_loans(
    number: Annotated[int, typer.Option(min=1, help="How many applications.")] = 10_000,
    ids: Annotated[float, typer.Option(min=0, max=1, help="Share with an application_id of its own.")] = 0.5,
    unusual: Annotated[float, typer.Option(min=0, max=1, help="Share that is written unusually, and right.")] = 0.1,
    repeated: Annotated[float, typer.Option(min=0, max=1, help="Of those with an id: come again.")] = 0.03,
    conflicting: Annotated[
        float, typer.Option(min=0, max=1, help="Of those with an id: come again and say something else.")
    ] = 0.01,
    broken: Annotated[
        float, typer.Option(min=0, max=1, help="Broken ones beside the good, as a share of them.")
    ] = 0.02,
    drift: Annotated[float, typer.Option(help="By how much people are worse off than in training; 1: much.")] = 0.0,
    rate: Rate = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topic, where it is made.")] = 4,
    aborted: Aborted = 0,
    note: Note = None,
    seed: Seed = None,
) -> None:
    """Send applications for loans to the topic `fintech_pyspark`, which is made where it is missing.

    Uses KAFKA_BROKERS and the other KAFKA_… settings, as the services do.

        python -m producers loans --number 50000 --seed 7

        python -m producers loans --rate 100 --drift 1
    """
    seed = seeded(seed)
    mishaps = LoanMishaps(ids, unusual, repeated, conflicting, broken, drift)
    with explained():
        send(list(applications(seed, number, mishaps)), [LOANS], partitions, rate, aborted, note)
    console.print(f"seed {seed}")


def stand_in(
    symbols: Symbols = STOCKS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0: any.")] = 8900,
    per_minute: Annotated[int, typer.Option(min=1, help="Credits a minute.")] = 8,
    per_day: Annotated[int, typer.Option(min=0, help="Credits a day; 0: no such limit.")] = 800,
    mishaps: Annotated[float, typer.Option(min=0, max=1, help="Share of calls that fail, or are slow.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Same seed, same candles.")] = 1,
) -> None:
    """Stand in for the Twelve Data API on this machine, with prices that are made up, until Ctrl-C.

    The exchange's days and the time are those of MARKET_CALENDAR and MARKET_CLOCK, as for the feed.

        python -m producers provider --symbols AAPL,MSFT

        TWELVE_DATA_URL=http://127.0.0.1:8900 TWELVE_DATA_KEY=stand-in SYMBOLS=AAPL,MSFT python -m market.feed live
    """
    with explained():
        settings = CalendarSettings.read(os.environ)
        today = settings.market_clock.moment().date()
        sessions = Calendar(settings.market_calendar).sessions(today - PAST, today + AHEAD)
        made = Provider(
            _names(symbols), sessions, settings.market_clock, per_minute, per_day, mishaps=mishaps, seed=seed
        )
        with standing_in(made, port) as url, suppress(KeyboardInterrupt):
            console.print(f"TWELVE_DATA_URL={url} TWELVE_DATA_KEY={KEY}", soft_wrap=True)
            threading.Event().wait()


def _drop(path: Path, lines: Sequence[bytes]) -> None:
    """The file appears whole."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(b"".join(line.rstrip(b"\r\n") + b"\n" for line in (HEADER, *lines)))
    new.replace(path)
    console.print(f"{len(lines):,} lines in {path}", soft_wrap=True)


def _demonstrate(name: str, begin: datetime, partitions: int, pause: float, note: Path | None) -> None:
    first, moving, late = late_demonstration(name, begin)
    sent = send([first, moving], [TOPIC], partitions, None, 0, None)
    console.print(f"two trades of {name}, 18 s apart: the second closes the first one's windows; {pause:g} s …")
    time.sleep(pause)
    sent += send([late], [TOPIC], partitions, None, 0, None)
    console.print("a third, 12 s late, at 9999.00: no window of the service may show it, its status counts it as late")
    write_down(sent, note)


def _names(symbols: str) -> list[str]:
    names = [name.strip() for name in symbols.split(",")]
    try:
        topics_of(tuple(names))
    except ValueError as error:
        raise typer.BadParameter(f"--symbols {error}") from None
    return names
