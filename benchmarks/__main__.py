"""The command line: `python -m benchmarks`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from benchmarks.goals import judge
from benchmarks.machine import Watch
from benchmarks.parts import TUNED, VARIATIONS, Bench
from benchmarks.plot import draw
from benchmarks.results import Result, compared, details, keep, medians, show
from benchmarks.workload import Workload
from tests import servers

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
console = Console()

RATES = (100, 1_000, 5_000)


class Part(StrEnum):
    """`old`: (a). `ceiling`: (b). `apply`: the second stage of (c). `path`: (c). `memory`: (c) over twice the messages.
    `latency`: (d). Not unless named: `compare`: (b) and (c) of each kind of traffic. `cluster`: (c) on two Workers.
    `driver`: its own work with many shards. `stages`: a worker's processor time. `emulator`: (c) on kinesis-local."""

    old = "old"
    ceiling = "ceiling"
    apply = "apply"
    path = "path"
    memory = "memory"
    latency = "latency"
    compare = "compare"
    cluster = "cluster"
    driver = "driver"
    stages = "stages"
    emulator = "emulator"


USUAL = (Part.old, Part.ceiling, Part.apply, Part.path, Part.memory, Part.latency)
ONCE = (Part.memory, Part.latency, Part.driver, Part.stages)
"""Parts that say enough in one run."""


@app.command()
def bench(
    parts: Annotated[list[Part] | None, typer.Argument(help="Which parts to run; the first six unless named.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A tenth of the messages, one run, 20 s of latency: is all well?")
    ] = False,
    runs: Annotated[int, typer.Option(min=1, help="Runs of all but memory and latency; the median counts.")] = 3,
    messages: Annotated[int, typer.Option(min=1_000, help="Messages of the backlog.")] = 100_000,
    shards: Annotated[int, typer.Option(min=1, help="Shards of the stream.")] = 4,
    accounts: Annotated[int, typer.Option(min=100, help="Accounts of the bank.")] = 20_000,
    odd: Annotated[float, typer.Option(min=0, max=1, help="Share of messages with something unusual or wrong.")] = 0.02,
    rows: Annotated[int, typer.Option(min=0, help="Older rows in the tables of (b), (c) and apply.")] = 0,
    pool: Annotated[int, typer.Option(min=5, help="MiB of the database's buffer pool.")] = 256,
    rate: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Messages a second that latency is measured at; 100, 1,000 and 5,000 unless named."),
    ] = None,
    seconds: Annotated[int, typer.Option(min=5, help="For how long, at each rate.")] = 60,
    limits: Annotated[
        bool, typer.Option("--limits", help="A stream with the limits of Kinesis: 2 MB and 5 calls a second and shard.")
    ] = False,
    traffic: Annotated[
        list[str] | None,
        typer.Option(help=f"Kinds that `compare` compares: {', '.join(VARIATIONS)}; all unless named."),
    ] = None,
    mysql: Annotated[bool, typer.Option("--mysql", help="MySQL in place of MariaDB.")] = False,
    setting: Annotated[list[str] | None, typer.Option("--set", help="A setting of the job, as CHUNK_SIZE=300.")] = None,
) -> None:
    """How fast the service is on this machine, beside the old way and beside what the database can do at best.

    Everything is started here and ended here: a MariaDB with durable commits, moto for DynamoDB and SES, the job itself
    (`python stream_consumer.py`). The messages come from a stand-in for Kinesis that costs 1 µs each.

    - **(a) old**: a connection, one statement per look and write, and a commit for each message
    - **(b) ceiling**: the same rows and balances, decided beforehand, written by plain processes
    - **apply**: the second stage of (c) alone, from memory, with one lane and with all; what their time goes to
    - **(c) path**: the real job works off a backlog; clocked from its first plan to its last commit (with --rows: once
      with empty tables, once with those rows)
    - **memory**: (c) over twice the messages: the largest resident sizes, and whether they grow
    - **(d) latency**: from arrival to commit, at steady rates, with BATCH_LENGTH=0.5 unless --set says otherwise
    - **compare** (half an hour): (b) and (c) by message type, with hot accounts, refusals, letters, shards, aggregates,
      and with the partitions and threads that are deployed
    - **cluster**: (c) on a Spark Master and two Workers of one core each
    - **driver**: its own part of a batch, with a thousand shards
    - **stages**: the processor time of a worker of (c), stage by stage, each alone, without waiting
    - **emulator**: (c) on kinesis-local, at most 20,000 messages; how much of the processor that takes

    Figures from a busy machine are of little use: the last column shows what others took of its processors meanwhile.

        python -m benchmarks --quick

        python -m benchmarks ceiling path --messages 50000 --set PARTITIONS=8 --set MAX_THREADS=2
    """
    if quick:
        messages, seconds, runs = messages // 10, min(seconds, 20), 1
    rates = rate or RATES
    settings = dict(one.split("=", 1) for one in setting or [])
    chosen = parts or list(USUAL)
    kinds = traffic or list(VARIATIONS)
    if unknown := set(kinds) - set(VARIATIONS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: no such kind", param_hint="--traffic")
    if Part.latency in chosen:
        _check_limits(rates, shards, limits)
    found: list[list[Result]] = []
    with (
        TemporaryDirectory(prefix="bench-") as folder,
        (servers.mysql_server if mysql else servers.mariadb)(
            Path(folder), durable=True, options=(f"--innodb-buffer-pool-size={pool}M",)
        ) as database,
        servers.moto() as aws,
        Watch() as watch,
        console.status("") as status,
    ):
        run = Bench(database, aws, watch, messages, shards, odd, settings, accounts, limits=limits, rows=rows)
        for number in range(1, runs + 1):
            found.append([])
            for part in chosen if number == 1 else [part for part in chosen if part not in ONCE]:
                title = f"{part.value}, run {number} of {runs if part not in ONCE else 1}"
                status.update(f"{title} …")
                tell = partial(_tell, status, title)
                found[-1] += _run(replace(run, tell=tell), part, rates, seconds, kinds)
    results = medians(found)
    kind = "MySQL" if mysql else "MariaDB"
    goals = judge(results, kind)
    show(results, goals, console)
    options: dict[str, object] = {
        "database": kind,
        "runs": runs,
        "messages": messages,
        "shards": shards,
        "accounts": accounts,
        "odd": odd,
        "rows": rows,
        "pool": pool,
        "rates": rates,
        "seconds": seconds,
        "limits": limits,
        "traffic": kinds,
        **TUNED,
        **settings,
    }
    console.print(*details(results), *compared(results))
    kept = keep(results, goals, options)
    draw([json.loads(kept.read_text())], kept.with_suffix(".png"))
    console.print(f"written to {kept} and .png")


def _tell(status: Status, title: str, text: str) -> None:
    status.update(f"{title}: {text}")


def _check_limits(rates: Sequence[int], shards: int, limits: bool) -> None:
    try:
        for rate in rates:
            Workload(0, 0, shards, rate=rate, limits=limits)
    except ValueError as error:
        raise typer.BadParameter(f"{error}: --shards, or other --rate") from None


def _run(run: Bench, part: Part, rates: Sequence[int], seconds: int, kinds: Sequence[str]) -> list[Result]:
    match part:
        case Part.old:
            return [run.old()]
        case Part.ceiling:
            return [run.ceiling()]
        case Part.apply:
            return run.applying()
        case Part.path:
            return [*([replace(run, rows=0).path("(c) empty")] if run.rows else []), run.path("(c)")]
        case Part.memory:
            return [run.path("memory", factor=2)]
        case Part.compare:
            return run.compare(kinds)
        case Part.cluster:
            return [run.cluster()]
        case Part.driver:
            return [run.many_shards()]
        case Part.stages:
            return run.stages()
        case Part.emulator:
            return [run.emulator()]
        case Part.latency:
            return [run.latency(rate, seconds) for rate in rates]


def main() -> None:
    """`analytics` or `dashboard` first: theirs, which need packages of their own; else the money's."""
    if sys.argv[1:2] == ["analytics"]:
        from benchmarks.analytics.command import app as analytics

        analytics(sys.argv[2:], prog_name="python -m benchmarks analytics")
    elif sys.argv[1:2] == ["dashboard"]:
        from benchmarks.dashboard import app as dashboard

        dashboard(sys.argv[2:], prog_name="python -m benchmarks dashboard")
    else:
        app()


if __name__ == "__main__":
    main()
