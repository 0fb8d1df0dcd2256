"""The command line: `python -m demo` is the money's; the analytics': `market`, `candles`, `trades`, `page-views`,
`loan-scoring`, and `channel-stats`.

These are there where their packages are: `make demo SERVICE=market` installs them.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from shlex import quote
from typing import Annotated

import typer
from rich.console import Console

from demo.job import Progress, job
from demo.reconciliation import Reconciliation, reconcile, take_snapshot
from demo.stage import SHARDS, SMALL_BATCHES, Stage, stage
from demo.telling import Say, act
from demo.view import table_of, watch
from producers.kinesis import Sent
from tests.faults.tables import Snapshot, Tables, read_tables

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

NEXT = """\
Where to look next: README.md (what the service promises), `make run` (against a real stream and database),
`make test` (every test, crashes included), `.venv/bin/python -m producers --help` (more traffic)."""


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    messages: Annotated[int, typer.Option(min=100, help="How many messages to put.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Another seed is another bank and other traffic.")] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the servers afterwards, until Ctrl-C, to look in.")
    ] = False,
) -> None:
    """The whole service on this machine, with traffic, and the proof that every message was accounted for.

    Starts a MariaDB and an emulator of Kinesis, DynamoDB and SES (private, on 127.0.0.1, gone afterwards), fills a
    bank, puts messages as the bank's producers send them, and lets the real job, `python stream_consumer.py
    --until-caught-up`, work them off. Then stream and database are held against each other: one outcome per message,
    money to the cent, floors, dead letters, and every decision told again by an independent model of the rules.

    Exit codes: 0 all of it adds up; 1 something does not, or could not be started (a line says what); 130 interrupted.

        make demo

        .venv/bin/python -m demo --messages 200000 --seed 7

        .venv/bin/python -m demo --messages 5000 --keep
    """
    if context.invoked_subcommand is None:
        act(partial(play, messages, seed, keep))


def play(messages: int, seed: int, keep: bool, console: Console, say: Say) -> bool:
    """All of it; whether everything adds up."""
    say("starting MariaDB, Kinesis, DynamoDB and SES")
    with stage() as here:
        sent, opening = _prepare(here, messages, seed, say)
        result = _consume(here, sent, opening, console, say)
        _tell(here, result, console)
        say("done")
        console.print(NEXT, markup=False, soft_wrap=True)
        if keep:
            _keep(here, console)
    return result.report.ok


def _prepare(here: Stage, messages: int, seed: int, say: Say) -> tuple[Sent, Tables]:
    say(f"they answer: {here.database.url} and {here.aws.url}")
    rows = here.fill(seed)
    say(f"a bank: {', '.join(f'{len(part):,} {table}' for table, part in rows._asdict().items())}")
    sent = here.put(messages, seed)
    size = sum(len(put.data) for put in sent.records) / 1e6
    records = len({(put.shard, put.sequence) for put in sent.records})
    say(f"{messages:,} messages ({size:.1f} MB) put into {SHARDS} shards, packed in {records:,} KPL records")
    return sent, read_tables(here.database.connect())


def _consume(here: Stage, sent: Sent, opening: Tables, console: Console, say: Say) -> Reconciliation:
    """Let the job work, looking into the tables half-way, then reconcile."""
    progress, snapshots = Progress(len(sent.records)), list[Snapshot]()
    say("python stream_consumer.py --until-caught-up")
    with job(here.environment, here.folder) as running:
        for seen in watch(running, progress, console):
            if not snapshots and seen.total <= 2 * seen.messages < 2 * seen.total:
                snapshots.append(take_snapshot(here))
    say(f"caught up: {progress.messages:,} messages in {progress.seconds:.1f} s, {progress.batches} batches")
    say("reconciling stream and database")
    return reconcile(here, sent, opening, snapshots, progress.messages, running.log.read_text(errors="replace"))


def _tell(here: Stage, result: Reconciliation, console: Console) -> None:
    console.print(table_of(result.report.outcomes, reasons=True))
    console.print(result.table())
    ((alerts, mails),) = here.database.query("SELECT COUNT(*), COUNT(sent_at) FROM fraud_alerts")
    console.print(
        f"{alerts:,} fraud alerts, {mails:,} mails sent so far; the rest waits in the outbox for the next start"
    )
    if not result.report.ok:
        console.print(str(result.report), markup=False, soft_wrap=True)
    console.print(result.sentence, style="bold green" if result.report.ok else "bold red", soft_wrap=True)


def _keep(here: Stage, console: Console) -> None:
    where = here.database
    mysql = f"mariadb -h{where.host} -P{where.port} -u{where.user} -p{where.password} {where.name}"
    settings = {name: value for name, value in here.environment.items() if name not in SMALL_BATCHES}
    lines = (
        "Until Ctrl-C, in another terminal:",
        mysql,
        f"export {' '.join(f'{name}={quote(value)}' for name, value in settings.items())}",
        "make run, .venv/bin/python -m pipeline status, or any other command of docs/operations.md",
    )
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


if find_spec("confluent_kafka"):
    from demo.market import play_candles, play_market, play_trades

    app.command("market")(play_market)
    app.command("candles")(play_candles)
    app.command("trades")(play_trades)

if find_spec("confluent_kafka") and find_spec("pyiceberg"):
    from demo.page_views import play_page_views

    app.command("page-views")(play_page_views)

if find_spec("optbinning"):
    from demo.loans import play_loans

    app.command("loan-scoring")(play_loans)

if find_spec("fastavro"):
    from demo.channel_stats import play_channel_stats

    app.command("channel-stats")(play_channel_stats)

if __name__ == "__main__":
    app()
