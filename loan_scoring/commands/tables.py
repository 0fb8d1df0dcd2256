"""Looking into the table of predictions: how the model fares, what the table is made of; taking over an old one."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table as Shown

from loan_scoring.commands.settled import TableSettings, run
from pipeline.console.options import Json, Yes
from pipeline.console.output import WrongUsage, answer, aside, ask
from pipeline.console.output import table as empty

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from loan_scoring.outcomes import Judged
    from loan_scoring.reporting import Reported

LAST: Final = 10
"""Snapshots that are shown."""


def report(
    days: Annotated[int, typer.Option(min=1, help="How many days, today included.")] = 7,
    out: Annotated[Path | None, typer.Option(help="A folder for plots, and the figures as JSON.")] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="A CSV file of application_id and paid (1 or 0): how loans ended meanwhile.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Whether the model fits the people whom it scores: drift, review, champion against challenger, groups of people.

    For each day and version, against the training of that version. 1: something has to be looked at.

        MODELS=… LAKE_URI=… LAKE_CATALOG=… python -m loan_scoring report --days 30 --out report

        python -m loan_scoring report --days 365 --outcomes loans-that-ended.csv
    """
    run(TableSettings, lambda settings: _report(settings, days, out, outcomes, as_json))


def _report(settings: TableSettings, days: int, out: Path | None, outcomes: Path | None, as_json: bool) -> int:
    from loan_scoring.looks import cards, days_of
    from loan_scoring.outcomes import judged
    from loan_scoring.registry import Registry
    from loan_scoring.reporting import reported

    found = _there(settings)
    card_of = cards(Registry(settings.models))
    since = datetime.now(UTC).date() - timedelta(days=days - 1)
    told = reported(days_of(found, since, card_of), card_of)
    ended = judged(found, since, outcomes) if outcomes else []
    if out is not None:
        from loan_scoring.plots import draw

        for path in draw(told, out):
            aside.print(f"written: {path}")
    data = {"days": [dataclasses.asdict(one) for one in told], "outcomes": [one._asdict() for one in ended]}
    alarms = [f"{one.day} {one.version}: {what}: {why}" for one in told for what, why in one.findings.items()]
    answer(as_json, data, _days(told), *([_ended(ended)] if ended else []), *alarms)
    return int(bool(alarms))


def _days(told: list[Reported]) -> Shown:
    heads = ("day", "version", "rows", "review", "score", "challenger", "apart", "PSI of scores", "worst PSI", "impact")
    shown = empty(*heads, whole=2)
    for one in told:
        found, worst = one.drift, one.drift.worst
        numbers = (f"{found.review:.1%}", f"{found.mean_score:.3f}", f"{found.mean_challenger:.3f}")
        psi = "" if found.score_psi is None else f"{found.score_psi:.3f}"
        moved = f"{worst[0]} {worst[1]:.3f}" if worst else ""
        impact = "" if found.impact is None else f"{found.impact:.2f}"
        shown.add_row(
            str(one.day), one.version, f"{found.rows:,}", *numbers, f"{found.distance:.3f}", psi, moved, impact
        )
    return shown


def _ended(ended: list[Judged]) -> Shown:
    shown = empty("version", "loans that ended", "paid back", "AUC", "challenger's AUC", "score, on average", whole=1)
    for one in ended:
        aucs = ("" if auc is None else f"{auc:.4f}" for auc in (one.auc, one.challenger_auc))
        shown.add_row(one.version, f"{one.loans:,}", f"{one.paid:.3f}", *aucs, f"{one.foretold:.3f}")
    return shown


def table(as_json: Json = False) -> None:
    """What the table of predictions is made of: rows, files and bytes of each day, and its last snapshots.

    LAKE_URI=… LAKE_CATALOG=… MODELS=… python -m loan_scoring table
    """
    run(TableSettings, lambda settings: _table(settings, as_json))


def _table(settings: TableSettings, as_json: bool) -> int:
    found = _there(settings)
    files = _files(found)
    snapshots = [_snapshot(one) for one in found.snapshots()[-LAST:]]
    days = empty("day", "rows", "files", "bytes", whole=1)
    for one in files:
        days.add_row(str(one["day"]), f"{one['rows']:,}", f"{one['files']:,}", f"{one['bytes']:,}")
    shown = empty("snapshot", "at (UTC)", "operation", "rows added", "rows", whole=1)
    for told in snapshots:
        numbers = (f"{told[name]:,}" for name in ("added", "rows"))
        shown.add_row(str(told["snapshot"]), str(told["at"]), str(told["operation"]), *numbers)
    total = f"{sum(one['rows'] for one in files):,} rows in {sum(one['files'] for one in files):,} files"
    data = {"location": found.location(), "days": files, "snapshots": snapshots}
    answer(as_json, data, days, shown, f"{total}; {len(found.snapshots()):,} snapshots; {found.location()}")
    return 0


def _files(found: Table) -> list[dict[str, Any]]:
    """Of each day, the newest last."""
    days: dict[str, dict[str, Any]] = {}
    for file in found.inspect.data_files().to_pylist() if found.current_snapshot() else []:
        day = str(next(iter(file["partition"].values()), None))
        one = days.setdefault(day, {"day": day, "rows": 0, "files": 0, "bytes": 0})
        one["rows"] += file["record_count"]
        one["files"] += 1
        one["bytes"] += file["file_size_in_bytes"]
    return [days[day] for day in sorted(days)]


def _snapshot(one: Any) -> dict[str, Any]:
    summary = one.summary.additional_properties if one.summary else {}
    return {
        "snapshot": one.snapshot_id,
        "at": f"{datetime.fromtimestamp(one.timestamp_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}",
        "operation": str(one.summary.operation.value) if one.summary else "",
        "added": int(summary.get("added-records", 0)),
        "rows": int(summary.get("total-records", 0)),
    }


def takeover(
    folder: Annotated[str, typer.Argument(help="Of the old table's files, here or in a store (s3://…).")],
    delimiter: Annotated[str, typer.Option(help="Between the columns; Hive's own unless given.")] = "\x01",
    rest: Annotated[Path | None, typer.Option(help="A file for lines that are no rows; else one stops it all.")] = None,
    yes: Yes = False,
) -> None:
    """Take over a table of the old columns, in Hive's text format, into the table of predictions: once, however often.

    The columns are annual_inc, data, funded_amnt, member_id, status. What nobody knows of those rows is null; their
    applied_at is the time of their file. All of it is one commit. Run it where nobody writes the old table any more.

        LAKE_URI=… LAKE_CATALOG=… MODELS=… python -m loan_scoring takeover /warehouse/lending.db/predictions
    """
    run(TableSettings, lambda settings: _takeover(settings, folder, delimiter, rest, yes))


def _takeover(settings: TableSettings, folder: str, delimiter: str, rest: Path | None, yes: bool) -> int:
    from loan_scoring.takeover import old_rows, take_over
    from pipeline.lake.lake import Lake

    found = old_rows(folder, delimiter.encode().decode("unicode_escape"))
    if found.broken and rest is None:
        first = found.broken[0]
        text = f"{len(found.broken):,} lines are no rows, the first is {first.file}:{first.line} ({first.why})"
        raise WrongUsage(f"{text}: nothing was changed; --rest FILE keeps them apart")
    ask(f"Take over {found.rows.num_rows:,} rows of {found.files:,} files?", yes)
    taken = take_over(Lake.of(settings), folder, found)
    if rest is not None and found.broken:
        lines = "".join(f"{one.file}:{one.line}\t{one.why}\t{one.text}\n" for one in found.broken)
        rest.write_text(lines, errors="surrogateescape")
        aside.print(f"{len(found.broken):,} lines are in {rest}")
    answer(
        False, None, f"{found.rows.num_rows:,} rows taken over" if taken else "they are there already: nothing to do"
    )
    return 0


def _there(settings: TableSettings) -> Table:
    from loan_scoring.looks import table_of
    from pipeline.lake.lake import Lake

    found = table_of(Lake.of(settings))
    if found is None:
        raise WrongUsage("there is no table of predictions yet: python stream_analytics.py loan-scoring makes it")
    return found
