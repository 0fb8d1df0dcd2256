"""The commands `market`, `candles` and `trades`: the analytics of the market on this machine."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Final

import typer
from confluent_kafka import KafkaException
from pymongo.errors import PyMongoError

from demo import candles, trades
from demo.telling import EXPECTED, act
from market.symbols import topics_of
from producers.candles import MINUTES
from producers.kafka import DeliveryError

FRIDAY: Final = datetime(2023, 8, 25)
SYMBOLS: Final = "AAPL,MSFT,AMZN,GOOG,NVDA,TSLA,AMC,BTC/USD"
TROUBLES: Final = (*EXPECTED, KafkaException, PyMongoError, DeliveryError)

Symbols = Annotated[str, typer.Option(help="Symbols, by commas.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long the sending takes.")]
Seed = Annotated[int, typer.Option(help="Another seed is other traffic.")]


def play_candles(
    minutes: Annotated[int, typer.Option(min=30, max=MINUTES, help="Of a trading day, from 09:30 on.")] = 120,
    seconds: Seconds = 30.0,
    symbols: Symbols = SYMBOLS,
    seed: Seed = 1,
) -> None:
    """Candles into MongoDB on this machine, a service that is killed among them, and the proof that nothing is wrong.

    Starts a Kafka broker and a database that speaks MongoDB's protocol (private, on 127.0.0.1, gone afterwards), sends
    candles late, shuffled, repeated, corrected and broken, faster than life, and lets `stream_analytics.py candles`
    work on them: killed with kill -9 half-way, started again, stopped, and started once more to catch up. Then every
    document is held against a batch computation over all that was sent, and every letter against its record.

    Exit codes: 0 no difference; 1 some, or it could not be started (a line says what); 130 interrupted.

        make demo SERVICE=candles

        .venv/bin/python -m demo candles --minutes 390 --seconds 60 --seed 7
    """
    act(partial(candles.play, _names(symbols), minutes, seconds, seed), TROUBLES)


def play_trades(
    minutes: Annotated[int, typer.Option(min=1, help="Minutes of trading.")] = 5,
    seconds: Seconds = 30.0,
    symbols: Symbols = SYMBOLS,
    seed: Seed = 1,
) -> None:
    """Trades into sliding windows on this machine, a service that is killed among them, and the proof of every window.

    Starts a Kafka broker (private, on 127.0.0.1, gone afterwards), sends trades out of order, repeated and broken,
    faster than life, and in the end one that is 12 s late, while `stream_analytics.py trades` works on them: killed
    with kill -9 half-way, started again, stopped, and started once more to catch up. Then every window is held against
    a batch computation over all that was sent, and every letter against its record.

    Exit codes: 0 no difference; 1 some, or it could not be started (a line says what); 130 interrupted.

        make demo SERVICE=trades

        .venv/bin/python -m demo trades --minutes 30 --seconds 60 --seed 7
    """
    act(partial(trades.play, _names(symbols), minutes, seconds, seed), TROUBLES)


def play_market(
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="A day of the New York exchange.")] = FRIDAY,
    minutes: Annotated[
        int, typer.Option(min=10, help="Of that day, the last ones: 390, or 210 of a half day.")
    ] = MINUTES,
    speed: Annotated[float, typer.Option(min=1, max=600, help="How many times as fast as life.")] = 60.0,
    symbols: Symbols = SYMBOLS,
    seed: Seed = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Keep everything up afterwards, until Ctrl-C.")] = False,
) -> None:
    """A trading day at 60 times its speed, with its dashboard in your browser, and the proof that nothing is wrong.

    Starts a Kafka broker, a database that speaks MongoDB's protocol, a stand-in of the provider of candles and the
    dashboard (private, on 127.0.0.1, gone afterwards), and runs `python -m market.day`: topics, stream, warm start, a
    candle of each symbol every second, and the close. At noon it is killed with kill -9, feed and stream, and started
    again. Then the topics are held against what the provider gave, every document against a batch computation over
    them, and a browser without windows looks at the page. Open the address that is printed, and watch.

    Exit codes: 0 no difference; 1 some, or it could not be started (a line says what); 130 interrupted.

        make demo SERVICE=market

        .venv/bin/python -m demo market --keep

        .venv/bin/python -m demo market --day 2026-11-27 --speed 120 --symbols AAPL,MSFT
    """
    from demo import trading_day  # its calendar and its page need what `make setup` of the market installs

    act(partial(trading_day.play, _names(symbols), day.date(), minutes, speed, seed, keep), TROUBLES)


def _names(symbols: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in symbols.split(","))
    try:
        topics_of(names)
    except ValueError as error:
        raise typer.BadParameter(f"--symbols {error}") from None
    return names
