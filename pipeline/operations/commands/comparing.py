"""The command that compares: a rehearsal's schema with the service's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline.console.command_line import run
from pipeline.console.options import Json
from pipeline.console.output import WrongUsage, answer, progress, table

if TYPE_CHECKING:
    from pipeline.operations.compare import Comparison
    from pipeline.operations.workbench import Workbench

Moment = Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; UTC unless it says otherwise.")]


def compare(
    context: typer.Context,
    other_schema: Annotated[str, typer.Argument(metavar="OTHER_SCHEMA", help="A schema on the same server.")],
    other_failover_table: Annotated[
        str | None, typer.Option(help="Its dead letters; without it no letter is looked at, here or there.")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    examples: Annotated[int, typer.Option(min=0, help="How many messages to show one by one.")] = 20,
    as_json: Json = False,
) -> None:
    """What ended otherwise in a rehearsal: every message whose row or letter differs, by event id. 1: some do.

    A message that only this side has counts if it was applied here from --since to --until: the span that was
    rehearsed.

        python -m pipeline compare rehearsal --other-failover-table rehearsal-letters --until 2026-05-04T12:00:00
    """
    span = _moment("--since", since), _moment("--until", until)
    run(context, lambda bench: _compare(bench, other_schema, other_failover_table, span, examples, as_json))


def _compare(
    bench: Workbench,
    schema: str,
    letters: str | None,
    span: tuple[datetime | None, datetime | None],
    examples: int,
    as_json: bool,
) -> int:
    from pipeline.operations import compare as comparison

    other = _other(bench, schema, letters)
    tables = sorted({domain.table for domain in bench.bank.routes.values()}, key=lambda table: table.name)
    here, there = (
        comparison.outcomes(side.query, tables, side.letters() if letters else ()) for side in (bench, other)
    )
    with progress("messages compared") as advance:
        found = comparison.compare(here, there, since=span[0], until=span[1], examples=examples, advance=advance)
    answer(as_json, _data(found), *_shown(found, bench.settings.mysql.schema, schema))
    return int(bool(found.counts))


def _other(bench: Workbench, schema: str, letters: str | None) -> Workbench:
    """The same service on the other schema. Raises `WrongUsage` where there is no such schema or table."""
    from pipeline.dynamodb import describe_table
    from pipeline.operations.workbench import Workbench

    if not bench.query("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (schema,)):
        raise WrongUsage(f"there is no schema {schema} on this server, or no right to see it")
    if letters is not None and describe_table(bench.aws, letters) is None:
        raise WrongUsage(f"there is no DynamoDB table {letters}")
    settings = bench.settings
    changes = {
        "mysql_loc": replace(settings.mysql_loc, schema=schema),
        "failover_table": letters or settings.failover_table,
    }
    return Workbench(settings.model_copy(update=changes), bench.bank)


def _moment(name: str, text: str | None) -> datetime | None:
    """Naive, UTC, as the database's time stamps."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{name} takes an ISO 8601 time stamp, as 2026-05-04T12:00:00") from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _data(found: Comparison) -> dict[str, object]:
    return {
        "compared": found.compared,
        "outside_the_span": found.ignored,
        "different": found.counts.total(),
        "counts": [
            {"here": here, "there": there, "messages": count} for (here, there), count in found.counts.most_common()
        ],
        "examples": [{**one._asdict(), "event": one.event.hex()} for one in found.examples],
    }


def _shown(found: Comparison, here: str, there: str) -> Sequence[Table | str]:
    told = f"{found.compared:,} messages compared, {found.counts.total():,} ended otherwise"
    if found.ignored:
        told += f"; {found.ignored:,} that only {here} has lie outside the span"
    if not found.counts:
        return (told,)
    counts = table(here, there, "messages")
    for (ours, theirs), count in found.counts.most_common():
        counts.add_row(ours, theirs, f"{count:,}")
    shown = table("event", here, there, "changed", whole=1)
    for one in found.examples:
        shown.add_row(one.event.hex(), one.here, one.there, one.changed)
    return told, counts, "", "Some of them:", shown
