"""The command that tells unique users of any span."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.console.command_line import run
from pipeline.console.options import MOMENTS, Json
from pipeline.console.output import WrongUsage, answer, table
from pipeline.lake.commands import lake_of

if TYPE_CHECKING:
    from page_views.settings import ViewSettings
    from page_views.users import Span
    from pipeline.structured.operations.workbench import Workbench


def users(
    context: typer.Context,
    begin: Annotated[datetime, typer.Option("--from", formats=MOMENTS, help="The first moment, in UTC.")],
    end: Annotated[datetime, typer.Option("--to", formats=MOMENTS, help="The moment after the last.")],
    path: Annotated[str | None, typer.Option(help="Of this page alone, as the windows tell it.")] = None,
    source: Annotated[str | None, typer.Option(help='Of this utm_source alone; "" is none.')] = None,
    medium: Annotated[str | None, typer.Option(help='Of this utm_medium alone; "" is none.')] = None,
    topic: Annotated[bool, typer.Option("--topic", help="From the topic, though there are tables.")] = False,
    as_json: Json = False,
) -> None:
    """How many people there were: an hour, a day, a month, a page, a campaign. Of windows that are closed.

    The sketches of the windows are put together, so nobody counts twice. From the table where LAKE_URI is given, else
    from the topic, which forgets. Whole windows of five minutes count. Needs no Spark.

        python -m pipeline page-views users --from 2023-08-25 --to 2023-08-26 --path /sale
    """
    run(context, lambda bench: _users(bench, (begin, end), (path, source, medium), topic, as_json))


def _users(
    bench: Workbench,
    moments: tuple[datetime, datetime],
    which: tuple[str | None, str | None, str | None],
    topic: bool,
    as_json: bool,
) -> int:
    from page_views.users import Span, of_table, of_topic, summed

    span = Span.of(*moments, *which)
    if span.begin >= span.end:
        raise WrongUsage("--to has to be after --from")
    settings: ViewSettings = bench.settings  # type: ignore[assignment]
    from_topic = topic or settings.lake_uri is None
    found = summed(of_topic(bench.client, span) if from_topic else of_table(lake_of(bench), span))
    shown = table("users", "95 of 100 between", "views", "sessions begun", "windows", "from (UTC)", "to (UTC)", whole=1)
    numbers = (f"{found.views:,}", f"{found.sessions:,}", f"{found.windows:,}")
    shown.add_row(f"{found.users:,}", f"{found.lower:,} and {found.upper:,}", *numbers, *_told(span))
    begin, end = _told(span)
    answer(as_json, {"from": begin, "to": end, **dataclasses.asdict(found)}, shown)
    return 0


def _told(span: Span) -> tuple[str, str]:
    return f"{span.begin:%Y-%m-%dT%H:%M}", f"{span.end:%Y-%m-%dT%H:%M}"
