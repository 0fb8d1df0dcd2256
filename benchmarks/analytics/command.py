"""The command line: `python -m benchmarks analytics`."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks.analytics.bench import LONG, PARTS, Bench, run
from benchmarks.machine import Watch
from benchmarks.results import Result, keep, show

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
console = Console()


WHICH: Final = f"Which of {', '.join((*PARTS, *LONG))}; all but the last unless named."


@app.command()
def bench(
    parts: Annotated[list[str] | None, typer.Argument(help=WHICH)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Little of everything: is all well?")] = False,
    messages: Annotated[int, typer.Option(min=1_000, help="Trades of a backlog.")] = 1_000_000,
    symbols: Annotated[int, typer.Option(min=1, help="Symbols with a candle each.")] = 10_000,
    seconds: Annotated[int, typer.Option(min=10, help="For how long latency is clocked.")] = 60,
) -> None:
    """How fast the analytics are on this machine, on a broker and a database of their own.

    - **trades**: windows from a backlog, beside the same query of Spark's alone
    - **sink**: the transactional sink, beside Spark's own
    - **warm**: 2,000 candles of each of 50 symbols
    - **many**: a candle of each of 10,000 symbols
    - **latency**: from arrival to the database, at 100 candles a second
    - **page-views**: windows beside Spark alone, all outputs, unique users
    - **channel-stats**: harvests of 50,000 channels into topics and tables, and the upsert by itself
    - **channel-year**: a harvest a day of 50,000 channels for a year, 18 million; only where it is named
    - **channel-ages**: from a harvest's arrival to topics and tables, at 100 a second
    - **loan-scoring**: the stages alone, a backlog into the table, time to the row, the table after a day
    """
    chosen = parts or list(PARTS)
    if unknown := set(chosen) - {*PARTS, *LONG}:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: no such part", param_hint="PARTS")
    if quick:
        messages, symbols, seconds = messages // 10, symbols // 20, 15
    with Watch() as watch, console.status("") as status:
        parts_of = Bench(watch, messages, symbols, seconds)
        results: list[Result] = []
        for part in chosen:
            status.update(f"{part} …")
            results += run(part, parts_of)
    show(results, parts_of.goals, console)
    kept = keep(results, parts_of.goals, {"messages": messages, "symbols": symbols, "seconds": seconds})
    console.print(f"written to {kept}")
