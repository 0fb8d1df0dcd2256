"""One picture of kept results: `python -m benchmarks.plot FILE.json… --to docs/performance.png`.

Rates with the bare ceiling beside, processor time by kind of process, latency by rate. Of several files everything is
shown; what one measured as another did is shown as the last has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Found = Mapping[str, Any]
"""A file that `results.keep` wrote."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
"""Told apart by everybody (Okabe and Ito)."""
KINDS = ("worker", "database", "JVM", "driver", "stream", "emulator", "moto", "benchmark")
CEILING = "#c8c8c8"
NAMES = {
    "(a)": "(a) old way",
    "(b)": "(b) bare ceiling",
    "(c)": "(c) whole path",
    "(c) empty": "(c) whole path, empty tables",
    "memory": "(c) twice the messages",
    "cluster": "(c) on a cluster of two Workers",
    "emulator": "(c) on kinesis-local",
    "apply 1": "second stage alone, 1 lane",
    "apply 2": "second stage alone, 2 lanes",
}
USUAL = {"database": "MariaDB", "accounts": 20_000, "shards": 4, "rows": 0, "pool": 256, "limits": False}
REMARKS = {
    "database": "{}",
    "accounts": "{:,} accounts",
    "shards": "{} shards",
    "rows": "{:,} older rows",
    "pool": "{} MiB of pool",
    "limits": "Kinesis' limits",
}
ROW = 0.36
"""Inches of height."""
PERCENTILES = {"p50": COLOURS[0], "p95": COLOURS[1], "p99": COLOURS[5]}


class Name(NamedTuple):
    """Of a result. `remark`: how its run differed from the usual one."""

    part: str
    remark: str

    @property
    def label(self) -> str:
        return ", ".join(filter(None, (NAMES.get(self.part, self.part.removesuffix(" (c)")), self.remark)))

    @property
    def ceiling(self) -> Name:
        """The result that stands beside this one."""
        return Name(self.part.removesuffix("(c)") + "(b)", self.remark) if self.part.endswith("(c)") else self


Results = dict[Name, dict[str, Any]]


def merged(files: Sequence[Found]) -> Results:
    """All results, in the order of the files."""
    return {
        Name(result["name"], _remark(result["name"], found["options"])): result
        for found in files
        for result in found["results"]
    }


def _remark(part: str, options: Mapping[str, Any]) -> str:
    """How the run differed; older rows are not in all parts' tables."""
    without_rows = part.startswith(("(a)", "(d)", "(c) empty", "emulator"))
    given = {**USUAL, **options, **({"rows": 0} if without_rows else {})}
    return ", ".join(form.format(given[name]) for name, form in REMARKS.items() if given[name] != USUAL[name])


def draw(files: Sequence[Found], path: Path) -> Figure:
    """Write the picture: what has a rate above, row by row with its processor time; latency below."""
    results = merged(files)
    rated, waited = _rated(results), _waited(results)
    heights = [1.0 + ROW * max(1, len(rows)) for rows in (rated, waited)]
    figure = Figure(figsize=(12, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=heights)
    if rated:
        rates = figure.add_subplot(grid[0, 0])
        _paint_rates(rates, rated, results)
        _paint_costs(figure.add_subplot(grid[0, 1], sharey=rates), rated)
    if waited:
        _paint_waits(figure.add_subplot(grid[1, :]), waited)
    figure.supxlabel(_origin(files), fontsize=8, color="#666666")
    figure.savefig(path, dpi=120)
    return figure


def _rated(results: Results) -> Results:
    """What has a rate, but the ceilings: those stand beside."""
    beside = {name.ceiling for name in results if name.ceiling != name}
    return {name: result for name, result in results.items() if result["rate"] and name not in beside}


def _waited(results: Results) -> Results:
    return {name: result for name, result in results.items() if "until the locks" in result["facts"]}


def _frame(axis: Axes, rows: Results, title: str, unit: str) -> None:
    """A row for each result, from the top, and nothing around but a faint grid."""
    axis.set_title(title, loc="left", fontweight="bold")
    axis.set_xlabel(unit)
    axis.set_yticks(range(len(rows)), [name.label for name in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(length=0)
    axis.grid(axis="x", color="#e5e5e5")
    axis.set_axisbelow(True)
    axis.xaxis.set_major_formatter("{x:,g}")


def _paint_rates(axis: Axes, rows: Results, results: Results) -> None:
    """The median run as a bar, a line from the slowest to the fastest, the ceiling below."""
    _frame(axis, rows, "Rate", "messages a second")
    named = {COLOURS[0]: "measured", CEILING: "(b) beside it"}
    for place, (name, result) in enumerate(rows.items()):
        ceiling = results.get(name.ceiling) if name.ceiling != name else None
        bars = [(-0.15, result, COLOURS[0]), (0.2, ceiling, CEILING)] if ceiling else [(0.0, result, COLOURS[0])]
        for shift, one, colour in bars:
            rates = one["facts"].get("rates") or [one["rate"]]
            axis.barh(place + shift, one["rate"], 0.35, color=colour, label=named.pop(colour, None))
            axis.plot((min(rates), max(rates)), [place + shift] * 2, color="#333333", linewidth=1)
            _note(axis, f"{one['rate']:,.0f}", max(rates), place + shift)
    axis.locator_params(axis="x", nbins=5)
    axis.margins(x=0.12)
    axis.legend(frameon=False, loc="lower right")


def _paint_costs(axis: Axes, rows: Results) -> None:
    """Not of the old way: that takes thirty times as much as the others, which would not be seen."""
    _frame(axis, rows, "Processor time", "µs a message")
    axis.tick_params(labelleft=False)
    shown = [{} if name.part == "(a)" else result["use"]["used"] for name, result in rows.items()]
    until = [0.0] * len(rows)
    for kind, colour in zip(KINDS, COLOURS, strict=True):
        spent = zip(shown, rows.values(), strict=True)
        each = [used.get(kind, 0.0) / result["messages"] * 1e6 for used, result in spent]
        axis.barh(range(len(rows)), each, 0.5, left=until, color=colour, label=kind)
        until = [before + more for before, more in zip(until, each, strict=True)]
    for place, whole in enumerate(until):
        _note(axis, f"{whole:,.0f}" if whole else "not shown", whole, place)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _paint_waits(axis: Axes, rows: Results) -> None:
    _frame(axis, rows, "Latency, from arrival in the stream until others see the row", "seconds")
    found = [_seen(result["facts"]) for result in rows.values()]
    for place, one in enumerate(found):
        axis.plot(list(one.values()), [place] * len(one), color=CEILING, linewidth=2, zorder=1)
    for percentile, colour in PERCENTILES.items():
        seconds = [one[percentile] for one in found]
        axis.scatter(seconds, range(len(rows)), color=colour, label=percentile, zorder=2)
        for place, second in enumerate(seconds):
            _note(axis, f"{second:.2f}", second, place, above=True)
    axis.set_xlim(left=0)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _note(axis: Axes, text: str, x: float, place: float, *, above: bool = False) -> None:
    """A figure beside what it says."""
    shift, across = ((0, 6), "center") if above else ((4, -3), "left")
    axis.annotate(text, (x, place), xytext=shift, textcoords="offset points", ha=across, fontsize=8)


def _seen(facts: Mapping[str, Any]) -> dict[str, float]:
    """Seconds until the locks and from there until seen, together: a little more than what they come to jointly."""
    return {name: facts["until the locks"][name] + facts["until seen"][name] for name in PERCENTILES}


def _origin(files: Sequence[Found]) -> str:
    """Where and of what the figures are."""
    machines = {f"{found['machine']['cores']} cores, {found['machine']['processor']}" for found in files}
    commits = {found["commit"] for found in files}
    return f"{'; '.join(sorted(machines))}; {', '.join(sorted(commits))}"


def main(
    files: Annotated[list[Path], typer.Argument(help="What runs have kept in benchmarks/results/.", exists=True)],
    to: Annotated[Path, typer.Option(help="The picture.")] = Path("docs/performance.png"),
) -> None:
    """Draw kept results, those of several runs together."""
    draw([json.loads(file.read_text()) for file in files], to)
    typer.echo(f"written to {to}")


if __name__ == "__main__":
    typer.run(main)
