"""What the commands that fill topics have in common: sending with a bar, and troubles in a line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import SystemRandom
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from pipeline.kafka.client import client_options
from pipeline.kafka.topics import Topics
from pipeline.runtime.errors import PipelineError
from pipeline.settings.errors import SettingsError
from pipeline.settings.kafka import BrokerSettings
from producers.kafka import Delivered, DeliveryError, abort, deliver
from producers.made import Made

ABORTED: Final = "producers.aborted"
"""The transaction that nobody gets to see."""
console = Console(stderr=True)

Rate = Annotated[float | None, typer.Option(min=0.1, help="Records per second; none is as fast as it goes.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same records; none is a new one each time.")]
Aborted = Annotated[int, typer.Option(min=0, help="First so many in a transaction that is aborted.")]
Note = Annotated[Path | None, typer.Option(help="A file for where each record lies: a JSON object a line.")]


def send(
    records: Sequence[Made], topics: Sequence[str], partitions: int, rate: float | None, aborted: int, note: Path | None
) -> list[Delivered]:
    """Send records to topics that are made where they are missing; where each lies, also in the file `note`.

    Raises `DeliveryError`, `PipelineError`.
    """
    kafka = client()
    Topics(kafka).make(topics, partitions, 1)
    if aborted:
        console.print(f"{abort(kafka, islice(records, aborted), ABORTED):,} records in an aborted transaction")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(show_speed=True))
    started = time.monotonic()
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("records", total=len(records))
        sent = deliver(kafka, records, rate=rate, on_progress=lambda taken: progress.update(task, completed=taken))
    took = time.monotonic() - started
    console.print(f"{len(sent):,} records in {took:.1f} s, {len(sent) / took:,.0f}/s, {kinds_of(sent)}")
    write_down(sent, note)
    return sent


def kinds_of(sent: Sequence[Delivered]) -> str:
    """How many there are of each kind."""
    kinds = [record.kind for record in sent]
    return ", ".join(f"{kinds.count(kind):,} {kind}" for kind in dict.fromkeys(kinds))


def write_down(sent: Sequence[Delivered], note: Path | None) -> None:
    """Where each record lies, a JSON object a line."""
    if note:
        note.write_text("".join(json.dumps(record._asdict()) + "\n" for record in sent))


def client() -> dict[str, Any]:
    """Of the brokers that the environment names. Raises `SettingsError`."""
    return client_options(BrokerSettings.read(os.environ))


def seeded(seed: int | None) -> int:
    """The seed, or a new one."""
    return SystemRandom().randrange(10**9) if seed is None else seed


@contextmanager
def explained() -> Iterator[None]:
    """A line for each trouble: exit code 2 where a setting is wrong, 1 where the brokers are the trouble."""
    try:
        yield
    except SettingsError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(2) from None
    except (PipelineError, DeliveryError, OSError) as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from None
