"""What operators ask of a service's tables: what they are made of, and to be made small again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.console.command_line import run
from pipeline.console.options import Json
from pipeline.console.output import WrongUsage, answer, aside, table

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.lake.lake import Lake
    from pipeline.lake.maintenance import Maintained
    from pipeline.structured.operations.workbench import Workbench

HEADING = "Tables"


def lake_commands(names: Sequence[str]) -> Sequence[Callable[..., None]]:
    """The commands of a service with these tables (`lending.predictions`); its settings name a lakehouse."""

    def tables(context: typer.Context, as_json: Json = False) -> None:
        """What the tables are made of: rows, files, small ones among them, snapshots. Needs no Spark.

        python -m pipeline page-views tables
        """
        run(context, lambda bench: _tables(bench, names, as_json))

    def maintain_tables(
        context: typer.Context,
        keep: Annotated[float, typer.Option(min=0, help="Hours that snapshots are kept.")] = 72.0,
        orphans: Annotated[
            float, typer.Option(min=24, help="Hours after which a file that no snapshot knows is removed.")
        ] = 24.0,
        as_json: Json = False,
    ) -> None:
        """Make few files of many, and drop what is old: compaction, manifests, snapshots, files of nobody.

        Runs beside the service, each hour or so; takes a Spark of its own on this machine, and minutes.

            python -m pipeline page-views maintain-tables
        """
        kept, known = timedelta(hours=keep), timedelta(hours=orphans)
        run(context, lambda bench: _maintain_tables(bench, names, kept, known, as_json))

    return tables, maintain_tables


def lake_of(bench: Workbench) -> Lake:
    """The lakehouse of a service's settings. Raises `WrongUsage` where they name none."""
    from pipeline.lake.lake import Lake
    from pipeline.settings.lake import LakeSettings, OptionalLakeSettings

    settings = bench.settings
    assert isinstance(settings, LakeSettings | OptionalLakeSettings)
    if settings.lake_uri is None:
        raise WrongUsage("there are no tables: LAKE_URI and LAKE_CATALOG are not given")
    return Lake.of(settings)


def _tables(bench: Workbench, names: Sequence[str], as_json: bool) -> int:
    from pipeline.lake.description import describe

    found = describe(lake_of(bench), names)
    shown = table("table", "rows", "files", "small", "MB", "snapshots", "written (UTC)", whole=1)
    for one in found:
        written = f"{one.written:%Y-%m-%d %H:%M:%S}" if one.written else "never"
        numbers = (f"{one.rows:,}", f"{one.files:,}", f"{one.small:,}", f"{one.size / 1e6:,.1f}", f"{one.snapshots:,}")
        shown.add_row(one.name, *numbers, written)
    missing = [name for name in names if name not in {one.name for one in found}]
    answer(as_json, [dataclasses.asdict(one) for one in found], shown, *(f"{name}: not made yet" for name in missing))
    return 0


def _maintain_tables(bench: Workbench, names: Sequence[str], keep: timedelta, orphans: timedelta, as_json: bool) -> int:
    from pipeline.lake.description import describe
    from pipeline.lake.maintenance import maintain
    from pipeline.structured.session import build_session

    lake, settings = lake_of(bench), bench.settings
    there = [one.name for one in describe(lake, names) if one.written]
    aside.print("starting Spark")
    options = {**settings.spark_sizes(), **lake.options()}
    session = build_session(
        f"{bench.service.name}-tables",
        [],
        options,
        jars=lake.jars,
        allow_plaintext=settings.spark_allow_plaintext,
    )
    try:
        lake.log_in(session)
        found = list(maintain(session, there, keep=keep, orphans=orphans, say=aside.print))
    finally:
        session.stop()
    answer(as_json, [dataclasses.asdict(one) for one in found], _shown(found))
    return 0


def _shown(found: Sequence[Maintained]) -> Table:
    shown = table("table", "files", "made", "manifests", "snapshots dropped", "files of nobody", whole=1)
    for one in found:
        numbers = (one.compacted, one.into, one.manifests, one.expired, one.orphans)
        shown.add_row(one.table, *(f"{number:,}" for number in numbers))
    return shown
