"""What people see: tables, progress and questions; what machines see: one JSON document on stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from pipeline.runtime.durations import span
from pipeline.runtime.errors import PipelineError

SAY_EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal."""

PLAIN_WIDTH = 240
"""Columns where the answer goes to no terminal: a pipe, a file, `kubectl exec` without --tty."""

aside = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
"""Progress and questions: stdout is the answer's alone."""

Advance = Callable[[int], object]


class WrongUsage(PipelineError):
    """The command was asked for something that it does not do. The exit code is 2."""


class Declined(PipelineError):
    """The operator said no, or nobody was there to ask: nothing was changed."""


def answer(as_json: bool, data: Any, *shown: RenderableType) -> None:
    """Print `data` for machines, or what is `shown` for people."""
    if as_json:
        typer.echo(json.dumps(data, default=plain, ensure_ascii=False, indent=2))
    else:
        _people().print(*shown, sep="\n")


def _people() -> Console:
    """As wide as what the answer goes to at that moment."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)


def table(*headers: str, whole: int = 0, show_header: bool = True) -> Table:
    """An empty table whose cells are broken where they are too long, never cut: they hold names and commands to copy.

    The first `whole` columns are broken only where nothing else is left to break.
    """
    columns = [Column(header, overflow="fold", no_wrap=n < whole) for n, header in enumerate(headers)]
    return Table(*columns, box=None, show_header=show_header)


def plain(value: object) -> str:
    """Other types of ours in JSON: times in ISO 8601, money as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def ask(question: str, yes: bool) -> None:
    """Go on only if the operator agrees, or said `--yes`. Raises `Declined`."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Declined(f"{question} Nobody is here to ask: say --yes. Nothing was changed")
    if not typer.confirm(question, err=True):
        raise Declined("Nothing was changed")


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Advance]:
    """A function that takes how many more are done; shown on a terminal as a bar, else as a line now and then."""
    if not aside.is_terminal:
        yield _lines(title, total)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=aside, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda more: bar.advance(task, more)


def _lines(title: str, total: int | None) -> Advance:
    done, said = 0, time.monotonic()

    def advance(more: int) -> None:
        nonlocal done, said
        done += more
        if time.monotonic() - said >= SAY_EVERY:
            said = time.monotonic()
            typer.echo(f"{title}: {done:,}" + ("" if total is None else f" of {total:,}"), err=True)

    return advance


def age(moment: datetime) -> str:
    """How long ago, in its two largest units."""
    return span(datetime.now(UTC) - moment)
