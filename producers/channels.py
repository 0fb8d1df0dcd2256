"""The command `harvests`: records of the channel statistics into their topic."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from pipeline.kafka.topics import Topics
from pipeline.runtime.slices import chunks
from producers.harvests import TOPIC, Mishaps, harvests
from producers.kafka import deliver
from producers.sending import Rate, Seed, client, console, explained, seeded

YEAR: Final = datetime(2017, 1, 1)
AT_ONCE: Final = 50_000


def send_harvests(
    channels: Annotated[int, typer.Option(min=1, help="How many channels there are.")] = 200,
    begin: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day.")] = YEAR,
    days: Annotated[int, typer.Option(min=1, help="How many days.")] = 31,
    per_day: Annotated[int, typer.Option(min=1, max=144, help="Harvests of each channel a day.")] = 3,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that comes some rounds late.")] = 0.05,
    repeated: Annotated[float, typer.Option(min=0, max=1, help="Share that comes again.")] = 0.05,
    equal: Annotated[float, typer.Option(min=0, max=1, help="Share with another one of the same moment.")] = 0.02,
    unusual: Annotated[float, typer.Option(min=0, max=1, help="Share that is written unusually, and right.")] = 0.05,
    broken: Annotated[float, typer.Option(min=0, max=1, help="Broken ones beside the good, as a share.")] = 0.01,
    rate: Rate = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topic, where it is made.")] = 4,
    seed: Seed = None,
) -> None:
    """Send harvests of channels to the topic `yt_raw_harvest`, which is made where it is missing.

    They come round by round, shuffled. Uses KAFKA_BROKERS and the other KAFKA_… settings, as the service does.

        python -m producers harvests --channels 50000 --days 1 --seed 7
    """
    seed = seeded(seed)
    mishaps = Mishaps(late, Mishaps.rounds, repeated, equal, unusual, broken)
    source = harvests(seed, channels, int(begin.replace(tzinfo=UTC).timestamp()), days, per_day, mishaps)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(show_speed=True))
    began, sent = time.monotonic(), 0
    with explained():
        kafka = client()
        Topics(kafka).make([TOPIC], partitions, 1)
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            task = progress.add_task("harvests", total=channels * days * per_day)
            for some in chunks(source, AT_ONCE):
                sent += len(deliver(kafka, some, rate=rate))
                progress.update(task, completed=sent)
    took = time.monotonic() - began
    console.print(f"{sent:,} records in {took:.1f} s, {sent / took:,.0f}/s; seed {seed}")
