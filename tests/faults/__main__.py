"""The command line: `python -m tests.faults`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.stage import forget_surroundings
from tests import servers
from tests.faults import results, strikes_database
from tests.faults.catalogue import FAULTS
from tests.faults.fault import Fault, offered
from tests.faults.round import Round, play
from tests.faults.scene import Ground, ground
from tests.servers import ROOT

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)

Seed = Annotated[int, typer.Option(help="Decides bank, traffic, faults and moments. The next round has the next one.")]
Spark = Annotated[bool, typer.Option("--spark", help="Run batches on Spark; without, by processes that run its tasks.")]
Rounds = Annotated[int | None, typer.Option(min=1, help="So many rounds, whatever time they take.")]


@app.callback(invoke_without_command=True)
def chaos(
    context: typer.Context,
    seed: Seed = 1,
    minutes: Annotated[float, typer.Option(help="Begin no round after this time.")] = 5.0,
    rounds: Rounds = None,
    spark: Spark = False,
    note: Annotated[bool, typer.Option("--note", help="Keep the result for the table.")] = False,
) -> None:
    """Break the service at random, and see whether it keeps what it promises.

    Each round has a bank, a stream and a job of its own: producers put messages, one to three faults strike, all heals,
    and a checker holds what was put against what is there (invariants I1 to I14, tests/faults/checker.py). The job is
    the real one, with its own processes; the database is a real MariaDB, with TEST_DATABASE=mysql a real MySQL
    (scripts/setup_mysql.sh); Kinesis, DynamoDB and SES are emulated.

    Exit codes: 0 no violation; 1 some, each with the seed and the commit that repeat it.

        python -m tests.faults --seed 7 --minutes 10

        python -m tests.faults --seed 7 --rounds 1

        python -m tests.faults each "database killed" --rounds 3

        TEST_DATABASE=mysql python -m tests.faults each "database killed"

        python -m tests.faults list
    """
    if context.invoked_subcommand is not None:
        return
    until = time.monotonic() + minutes * 60
    seeds = range(seed, seed + rounds) if rounds else _while(lambda: time.monotonic() < until, count(seed))

    def one(where: Ground, folder: Path, number: int) -> Round:
        return play(where, folder, number, offered(FAULTS.values(), spark=spark), chaos=True, spark=spark)

    with _playing() as stage:
        shown = stage.show("chaos", seeds, one, lambda number: f"--seed {number} --rounds 1{' --spark' * spark}")
    if note:
        results.keep(results.summed(results.CHAOS, shown))
    _leave(shown)


@app.command()
def each(
    names: Annotated[list[str] | None, typer.Argument(help="Names of faults, as `list` has them; none: all.")] = None,
    seed: Seed = 1,
    rounds: Rounds = None,
    spark: Spark = False,
    long: Annotated[bool, typer.Option("--long", help="Each strike as often and as long as the table says.")] = False,
    database: Annotated[
        bool, typer.Option("--database", help="Only what strikes the database or its network.")
    ] = False,
    note: Annotated[bool, typer.Option("--note", help="Keep the results for the table.")] = False,
) -> None:
    """One fault after the other, each in rounds of its own."""
    among = strikes_database.FAULTS if database else FAULTS
    chosen = [among[name] for name in names] if names else offered(among.values(), spark=spark)
    everything: list[Round] = []
    with _playing() as stage:
        for fault in chosen:

            def one(where: Ground, folder: Path, number: int, fault: Fault = fault) -> Round:
                return play(where, folder, number, [fault], spark=spark, long=long)

            def again(number: int, fault: Fault = fault) -> str:
                return f'each "{fault.name}" --seed {number} --rounds 1{" --spark" * spark}{" --long" * long}'

            shown = stage.show(fault.name, range(seed, seed + (rounds or fault.rounds)), one, again)
            everything += shown
            if note:
                results.keep(results.summed(fault.name, shown))
    _leave(everything)


@app.command("list")
def list_() -> None:
    """Every fault: what happens, and how often chaos picks it."""
    shown = Table("fault", "what happens", "weight", box=None)
    for fault in FAULTS.values():
        shown.add_row(fault.name, fault.what, f"{fault.weight:g}")
    console.print(shown)


@app.command()
def table() -> None:
    """Write the table of docs/reliability.md from the results that were kept with --note."""
    results.PAGE.write_text(results.written(results.PAGE.read_text(), results.kept()))


class Stage:
    """Plays rounds and shows what becomes of them."""

    def __init__(self, where: Ground, folder: Path, progress: Progress) -> None:
        self._where, self._folder, self._progress = where, folder, progress

    def show(
        self,
        title: str,
        seeds: Iterable[int],
        one: Callable[[Ground, Path, int], Round],
        again: Callable[[int], str],
    ) -> list[Round]:
        """A line for each round; for one with violations these, and how to repeat it. Its logs are kept."""
        task = self._progress.add_task(title, total=len(seeds) if isinstance(seeds, Sequence) else None)
        shown = []
        for number in seeds:
            folder = Path(tempfile.mkdtemp(dir=self._folder, prefix=f"{number}-"))
            played = _played(one, self._where, folder, number)
            shown.append(played)
            self._progress.advance(task)
            _tell(title, played, again(number), folder)
        self._progress.remove_task(task)
        return shown


def _played(one: Callable[[Ground, Path, int], Round], where: Ground, folder: Path, seed: int) -> Round:
    """A round that gets stuck is a violation as well."""
    try:
        return one(where, folder, seed)
    except AssertionError as error:
        return Round(seed, False, False, [], {}, 0, [f"stuck: {error}"], 0.0)


def _tell(title: str, played: Round, again: str, folder: Path) -> None:
    names = ", ".join(f"{name} ({hits})" for name, hits in played.hits.items())
    verdict = f"{len(played.violations)} violations" if played.violations else "as it should be"
    console.print(
        f"{title}, seed {played.seed}: {names}; {played.messages:,} messages, back in {played.back:g} s: {verdict}",
        style="bold red" if played.violations else None,
        markup=False,
        soft_wrap=True,
    )
    if not played.violations:
        shutil.rmtree(folder)
        return
    front = results.IN_FRONT[servers.kind()]
    for violation in played.violations[:20]:
        console.print(f"  {violation}", markup=False, soft_wrap=True)
    console.print(
        f"  again, at commit {_commit()}: {front}python -m tests.faults {again}", markup=False, soft_wrap=True
    )
    console.print(f"  logs: {folder}", markup=False, soft_wrap=True)


@contextmanager
def _playing() -> Iterator[Stage]:
    forget_surroundings()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    rounds = Path(tempfile.mkdtemp(prefix="faults-"))
    with tempfile.TemporaryDirectory(prefix="servers-", ignore_cleanup_errors=True) as folder:
        console.print(f"starting {servers.NAMES[servers.kind()]}, Kinesis and DynamoDB")
        with ground(Path(folder)) as where, Progress(*columns, console=console, transient=True) as progress:
            yield Stage(where, rounds, progress)
    if not any(rounds.iterdir()):
        rounds.rmdir()


def _while(goes_on: Callable[[], bool], numbers: Iterator[int]) -> Iterator[int]:
    while goes_on():
        yield next(numbers)


def _leave(shown: Sequence[Round]) -> None:
    wrong = sum(len(one.violations) for one in shown)
    messages = sum(one.messages for one in shown)
    console.print(f"{len(shown)} rounds, {messages:,} messages, {wrong} violations")
    raise typer.Exit(1 if wrong else 0)


def _commit() -> str:
    said = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip() or "unknown"


if __name__ == "__main__":
    app()
