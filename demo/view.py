"""What people see: a table that fills on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.job import Job, Progress
from tests.model.outcome import TABLES

PLAIN_EVERY: Final = 3.0
"""Seconds between two lines where the output is no terminal."""
STATUSES: Final = {
    "1": "accepted",
    "-1": "insufficient funds",
    "-2": "inactive (stock: negative)",
    "-3": "expired card",
    "-4": "wrong code or amount",
    "-5": "wrong account type",
    "-6": "payment too large",
    "-7": "no such card",
    "-8": "potential fraud",
}

Outcomes = Counter[tuple[str, str]]
"""(type, outcome) → messages, as `Report.outcomes` of the checker."""


def summary(outcomes: Outcomes) -> dict[str, int]:
    """How many rows, letters, skipped messages and repeats; "none" where messages have no outcome at all."""
    kinds = Counter[str]()
    for (_, outcome), count in outcomes.items():
        kinds["rows" if outcome in STATUSES else outcome.partition(":")[0]] += count
    names = {"rows": "rows", "letter": "letters", "skipped": "skipped", "repeat": "repeats", "none": "without outcome"}
    return {name: kinds[kind] for kind, name in names.items() if kind != "none" or kinds[kind]}


def in_words(outcomes: Outcomes) -> str:
    """As "47,312 rows, 1,107 letters, 581 skipped, 293 repeats"."""
    return ", ".join(f"{count:,} {name}" for name, count in summary(outcomes).items())


def table_of(outcomes: Outcomes, *, reasons: bool) -> Table:
    """Outcomes by type; dead letters by reason, or all in one line."""
    shown = outcomes if reasons else _without_reasons(outcomes)
    kinds = [*TABLES, ""]
    sums = [sum(count for (of, _), count in shown.items() if of == kind) for kind in kinds]
    table = Table(box=SIMPLE_HEAD, show_footer=reasons)
    table.add_column("outcome", "all")
    for kind, count in zip([*kinds, "all"], [*sums, sum(sums)], strict=True):
        table.add_column(kind.replace("_", "\n") or "no type", f"{count:,}", justify="right")
    for outcome in sorted({outcome for _, outcome in shown}, key=_rank):
        counts = [shown[kind, outcome] for kind in kinds]
        table.add_row(_name(outcome), *(f"{count:,}" if count else "" for count in counts), f"{sum(counts):,}")
    return table


def watch(job: Job, progress: Progress, console: Console) -> Iterator[Progress]:
    """Show what the job tells until it has ended; yields after every batch. Raises `JobFailed`."""
    shown = _shown_live if console.is_terminal else _shown_plainly
    yield from shown(job, progress, console)


def _shown_live(job: Job, progress: Progress, console: Console) -> Iterator[Progress]:
    with Live(get_renderable=lambda: _picture(progress), console=console, refresh_per_second=5):
        yield from _heard(job, progress, console)


def _shown_plainly(job: Job, progress: Progress, console: Console) -> Iterator[Progress]:
    due = 0.0
    for _ in _heard(job, progress, console):
        if time.monotonic() >= due or progress.messages == progress.total:
            console.print(f"         {_state(progress)}: {in_words(progress.outcomes)}", soft_wrap=True)
            due = time.monotonic() + PLAIN_EVERY
        yield progress


def _heard(job: Job, progress: Progress, console: Console) -> Iterator[Progress]:
    for lines in job.follow():
        for line in lines:
            before = progress.batches
            progress.hear(line)
            if progress.complaints:
                console.print(f"         the job says: {progress.complaints.pop()}", markup=False, soft_wrap=True)
            if progress.batches > before:
                yield progress


def _state(progress: Progress) -> str:
    return (
        f"{progress.messages:,} of {progress.total:,} messages, {progress.per_second:,.0f} a second, "
        f"{progress.behind_ms / 1000:.1f} s behind"
    )


def _picture(progress: Progress) -> RenderableType:
    bar = ProgressBar(total=progress.total, completed=progress.messages, width=60)
    if not progress.messages:
        return Group(Text("Spark is starting"), bar)
    return Group(Text(_state(progress)), bar, table_of(progress.outcomes, reasons=False))


def _without_reasons(outcomes: Outcomes) -> Outcomes:
    shown: Outcomes = Counter()
    for (kind, outcome), count in outcomes.items():
        shown[kind, outcome.partition(":")[0]] += count
    return shown


def _name(outcome: str) -> str:
    if outcome in STATUSES:
        return f"{outcome:>2} {STATUSES[outcome]}"
    kind, _, reason = outcome.partition(":")
    name = {"repeat": "repeat, not applied", "none": "no outcome"}.get(kind, kind)
    return f"   {name}{': ' * bool(reason)}{reason.replace('_', ' ')}"


def _rank(outcome: str) -> tuple[int, str]:
    order = [*STATUSES, "letter", "skipped", "repeat", "none"]
    return order.index(outcome.partition(":")[0]), outcome
