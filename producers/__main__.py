"""The command line: `python -m producers bank`, then `python -m producers traffic`.

`candles`, `trades`, `provider`, `page-views`, `harvests` and `loans` are there where the packages of the analytics are,
which `make setup` installs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from itertools import islice
from random import SystemRandom
from typing import TYPE_CHECKING, Annotated, Any

import boto3
import mysql.connector
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from pipeline.mysql.location import parse_mysql_location
from producers.bank import BankShape, fill
from producers.kinesis import PutError, put
from producers.traffic import MIX, PARTITION_KEY, Traffic

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", add_completion=False, help=__doc__)
console = Console(stderr=True)

SLICE = 0.2
"""Seconds to wait where a rate is kept and nothing is due."""
AT_ONCE = 5_000
"""Most messages put before the next look at the rate."""

BankSize = Annotated[int, typer.Option("--accounts", min=10, help="How many accounts the bank has.")]
BankSeed = Annotated[int, typer.Option(help="The bank's seed: the same seed and size is the same bank.")]


class PartitionKey(StrEnum):
    """`constant`: all into one shard, as the real producers do. `account`: spread, an account's messages together."""

    constant = "constant"
    account = "account"


@app.command()
def bank(accounts: BankSize = 10_000, bank_seed: BankSeed = 1) -> None:
    """Fill users, accounts, cards and loans of an empty, migrated database.

    Uses MYSQL_LOC, MYSQL_USER and MYSQL_PASS, as the service does.

        python -m producers bank --accounts 100000
    """
    started = time.monotonic()
    shape = BankShape(accounts)
    with _explained(), closing(_database()) as connection:
        rows = fill(connection, shape, bank_seed)
    counts = ", ".join(f"{len(part):,} {table}" for table, part in rows._asdict().items())
    console.print(f"{counts} in {time.monotonic() - started:.1f} s")


@app.command()
def traffic(
    messages: Annotated[int | None, typer.Option(min=1, help="How many messages to put, as fast as it goes.")] = None,
    rate: Annotated[float | None, typer.Option(min=1, help="Messages per second, with --seconds.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="How long to keep --rate.")] = None,
    mix: Annotated[str, typer.Option(help="Weights by type.")] = ",".join(f"{k}={w}" for k, w in MIX.items()),
    stream: Annotated[str, typer.Option(envvar="STREAM_NAME", help="The Kinesis stream.")] = PARTITION_KEY,
    aggregate: Annotated[bool, typer.Option("--aggregate", help="Pack KPL aggregates.")] = False,
    ids: Annotated[float, typer.Option(min=0, max=1, help="Share with an id of the producer's own.")] = 0.0,
    odd: Annotated[float, typer.Option(min=0, max=1, help="Share with something unusual or wrong.")] = 0.12,
    hot: Annotated[float, typer.Option(min=0, max=1, help="Share of card messages to one merchant.")] = 0.0,
    partition_key: Annotated[PartitionKey, typer.Option(help="What decides the shard.")] = PartitionKey.constant,
    seed: Annotated[int | None, typer.Option(help="Same seed, same messages; none is a new one each time.")] = None,
    accounts: BankSize = 10_000,
    bank_seed: BankSeed = 1,
) -> None:
    """Put messages about a bank that `bank` filled with the same --accounts and --bank-seed.

    AWS credentials and region as everywhere; AWS_ENDPOINT_URL leads to an emulator.

        python -m producers traffic --messages 10000

        python -m producers traffic --rate 500 --seconds 60 --mix transaction=1,card_transaction=1 --ids 0.3

        AWS_ENDPOINT_URL=http://127.0.0.1:5000 python -m producers traffic --messages 5000 --aggregate
    """
    if (messages is None) == (rate is None) or (rate is None) != (seconds is None):
        raise typer.BadParameter("give --messages, or --rate with --seconds")
    seed = SystemRandom().randrange(10**9) if seed is None else seed
    source = Traffic(
        seed,
        BankShape(accounts),
        bank_seed=bank_seed,
        mix=_mix(mix),
        odd=odd,
        ids=ids,
        hot=hot,
        partition_key=partition_key.value,
    )
    total = messages if messages is not None else int((rate or 0) * (seconds or 0))
    with _explained():
        _send(_kinesis(), stream, source, total, rate, aggregate)
    console.print(f"seed {seed}")


def _mix(text: str) -> dict[str, float]:
    try:
        mix = {name.strip(): float(weight) for name, weight in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise typer.BadParameter("--mix looks like transaction=40,stock=20") from None
    if not mix.keys() <= MIX.keys() or min(mix.values()) < 0 or sum(mix.values()) <= 0:
        raise typer.BadParameter(f"--mix is made of {', '.join(MIX)}, with weights that are not all 0")
    return mix


def _send(client: KinesisClient, stream: str, source: Traffic, total: int, rate: float | None, aggregate: bool) -> None:
    """Put `total` messages, `rate` of them a second (None: as fast as it goes)."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(show_speed=True))
    started, retried, put_so_far = time.monotonic(), 0, 0
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(f"messages to {stream}", total=total)
        while put_so_far < total:
            due = total if rate is None else min(total, int((time.monotonic() - started) * rate) + 1)
            part = min(due - put_so_far, AT_ONCE)
            if part <= 0:
                time.sleep(SLICE)
                continue
            sent = put(
                client, stream, islice(source, part), aggregate=aggregate, on_progress=partial(_advance, progress, task)
            )
            put_so_far += part
            retried += sent.retried
    took = time.monotonic() - started
    console.print(f"{put_so_far:,} messages in {took:.1f} s, {put_so_far / took:,.0f}/s, {retried:,} records put again")


def _advance(progress: Progress, task: TaskID, messages: int) -> None:
    progress.update(task, advance=messages)


def _kinesis() -> KinesisClient:
    client: KinesisClient = boto3.client("kinesis", config=Config(retries={"mode": "standard", "max_attempts": 5}))
    return client


def _database() -> Any:
    try:
        location = parse_mysql_location(os.environ.get("MYSQL_LOC", ""))
    except ValueError as error:
        raise typer.BadParameter(f"MYSQL_LOC {error}") from None
    return mysql.connector.connect(
        host=location.host,
        port=location.port,
        database=location.schema,
        user=os.environ.get("MYSQL_USER", location.user),
        password=os.environ.get("MYSQL_PASS", location.password),
        charset="utf8mb4",
        **dict(location.tls_arguments),
    )


@contextmanager
def _explained() -> Iterator[None]:
    """One line and exit code 1 where the database or the stream is the trouble."""
    try:
        yield
    except (mysql.connector.Error, BotoCoreError, ClientError, PutError) as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from None


if find_spec("confluent_kafka"):
    from producers.channels import send_harvests
    from producers.market import send_candles, send_loans, send_page_views, send_trades, stand_in

    app.command("candles")(send_candles)
    app.command("trades")(send_trades)
    app.command("page-views")(send_page_views)
    app.command("loans")(send_loans)
    app.command("harvests")(send_harvests)
    app.command("provider")(stand_in)

if __name__ == "__main__":
    app()
