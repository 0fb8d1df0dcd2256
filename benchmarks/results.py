"""What was measured: one table to read, one JSON file to keep."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from benchmarks.machine import Use

FOLDER = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Result:
    """One line. `name`: as in the ratios. `figure`: what it comes to; `rate`: messages a second, where it has one.

    `facts`: whatever else was measured, for the file."""

    name: str
    what: str
    figure: str
    use: Use
    messages: int
    rate: float | None = None
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """What is to be reached, what was found, whether that is enough."""

    what: str
    found: str
    reached: bool


def medians(runs: list[list[Result]]) -> list[Result]:
    """Of each name the run in the middle, with the rates of all in `facts`, in the order of the runs."""
    grouped: dict[str, list[Result]] = {}
    for result in (result for run in runs for result in run):
        grouped.setdefault(result.name, []).append(result)
    return [_median(group) for group in grouped.values()]


def _median(group: list[Result]) -> Result:
    rates = [result.rate or 0.0 for result in group]
    middle = sorted(group, key=lambda result: result.rate or 0.0)[(len(group) - 1) // 2]
    figure = middle.figure if len(group) == 1 else f"{middle.figure} ({min(rates):,.0f} to {max(rates):,.0f})"
    return replace(middle, figure=figure, facts={**middle.facts, "rates": rates})


def show(results: list[Result], goals: list[Goal], console: Console) -> None:
    """Print what was measured, what it took of the processor, and how that compares with the goals."""
    figures = Table("", "what", "figure", "taken by others", title=f"Speed, {os.cpu_count()} cores")
    for result in results:
        taken = result.use.others / max(result.use.seconds, 0.01) / (os.cpu_count() or 1)
        figures.add_row(result.name, result.what, result.figure, f"{taken:.0%} of all cores")
    console.print(figures, _costs(results))
    if goals:
        verdicts = Table("goal", "found", "")
        for goal in goals:
            verdicts.add_row(goal.what, goal.found, "[green]reached[/]" if goal.reached else "[red]missed[/]")
        console.print(verdicts)


def _costs(results: list[Result]) -> Table:
    kinds = sorted({kind for result in results for kind, spent in result.use.used.items() if spent >= 0.005})
    table = Table("", *kinds, "all", title="Processor time, µs a message")
    for result in results:
        spent = [result.use.used.get(kind, 0.0) / result.messages * 1e6 for kind in kinds]
        table.add_row(result.name, *(f"{each:.0f}" for each in (*spent, sum(spent))))
    return table


def details(results: list[Result]) -> list[Table]:
    """What lanes and workers spent their time on, and how often the stream was asked, where measured."""
    return [
        *_detail(results, "µs a message", "Time of the lanes, µs a message", "{:,.1f}"),
        *_detail(results, "stages", "Processor time of a worker, stage by stage, µs a message", "{:,.1f}"),
        *_detail(results, "calls of the stream", "Calls of the stream", "{:,}"),
    ]


def _detail(results: list[Result], fact: str, title: str, form: str) -> list[Table]:
    measured: dict[str, Any] = {result.name: result.facts[fact] for result in results if result.facts.get(fact)}
    if not measured:
        return []
    table = Table("", *measured, title=title)
    for name in sorted({name for one in measured.values() for name in one}):
        table.add_row(name, *(form.format(one.get(name, 0)) for one in measured.values()))
    return [table]


def compared(results: list[Result]) -> list[Table]:
    """(c) beside (b), where both were measured of several kinds of traffic."""
    named = {result.name: result for result in results}
    kinds = [name.removesuffix(" (c)") for name in named if name.endswith(" (c)")]
    if not kinds:
        return []
    table = Table("traffic", "(b)", "(c)", "(c) ÷ (b)", "", title="Kinds of traffic")
    for kind in kinds:
        path, bare = named[f"{kind} (c)"], named[f"{kind} (b)"]
        ratio = statistics.median_low(ratios(path, bare))
        table.add_row(kind, bare.figure, path.figure, f"{ratio:.2f}", Bar(1.0, 0, min(ratio, 1.0), width=30))
    return [table]


def ratios(result: Result, other: Result) -> list[float]:
    """Run by run, as a machine may be faster in one than in the next."""
    rates: Any = result.facts["rates"], other.facts["rates"]
    return [mine / theirs for mine, theirs in zip(*rates, strict=True)]


def keep(results: list[Result], goals: list[Goal], options: dict[str, object]) -> Path:
    """Write the file; its path."""
    FOLDER.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = FOLDER / f"{now:%Y-%m-%dT%H-%M-%S}.json"
    found = {
        "at": now.isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {"cores": os.cpu_count(), "processor": _processor(), "python": platform.python_version()},
        "options": options,
        "results": [{**asdict(result), "use": result.use._asdict()} for result in results],
        "goals": [asdict(goal) for goal in goals],
    }
    path.write_text(json.dumps(found, indent=1, default=str) + "\n")
    return path


def _commit() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=FOLDER.parent, check=False
    )
    return asked.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
