"""The command line: `python -m channel_stats --help`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from enum import StrEnum
from itertools import chain
from typing import Annotated, NoReturn

import typer

from pipeline.console.application import application
from pipeline.console.output import aside, progress
from pipeline.console.process import exit_code
from pipeline.runtime.stopping import StopSignal

HELP = """\
Schemas of the channel statistics, and their Avro for whoever has no Spark.

Settings are environment variables (docs/settings.md). Every command may be run at any time, beside the service and
beside itself, and again after whatever went wrong. SIGTERM and Ctrl-C end it with 0. Exit codes: 0 done, or stopped; 1
could not go on, or something could not be read (a line says what); 2 wrong settings or usage.
"""
app = application(HELP)
Follow = Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")]


class Topic(StrEnum):
    """The topics, and the tables of the same names."""

    yt_daily = "yt_daily"
    yt_monthly = "yt_monthly"


TOPICS = tuple(topic.value for topic in Topic)


@app.command()
def register(
    check: Annotated[bool, typer.Option("--check", help="Only ask whether the registry would take them.")] = False,
) -> None:
    """Register the schemas of both topics, every version that is missing, with compatibility FULL_TRANSITIVE.

    SCHEMA_REGISTRY_URL=http://registry:8080/apis/ccompat/v7 python -m channel_stats register
    """
    from channel_stats.composing import registry_of
    from channel_stats.schemas import newest
    from channel_stats.settings import RegistrySettings

    def run(_: StopSignal) -> bool:
        registry = registry_of(RegistrySettings.read(os.environ))
        if check:
            refused = [topic for topic in TOPICS if not registry.is_compatible(topic, newest(topic))]
            for topic in refused:
                aside.print(f"{topic}: the newest version is not compatible with every one that is registered")
            return not refused
        for topic in TOPICS:
            ids = ", ".join(map(str, registry.register(topic)))
            typer.echo(f"{topic}: registered, the ids of its versions are {ids}")
        return True

    _run(run)


@app.command()
def read(
    topic: Topic,
    follow: Follow = False,
) -> None:
    """Tell what a topic holds, a line of JSON for each record, decoded by the schema that each was written with.

    A record that cannot be read is told on stderr, by its place and the reason; the exit code is 1 then.

    python -m channel_stats read yt_daily
    """
    from channel_stats.composing import reader_of
    from channel_stats.settings import ReadSettings

    def run(stop: StopSignal) -> bool:
        good = True
        reader = reader_of(ReadSettings.read(os.environ), topic.value)
        for item in chain.from_iterable(reader.pieces(stop, follow=follow)):
            if item.told is not None:
                typer.echo(json.dumps(item.told.fields, ensure_ascii=False))
            else:
                good = False
                aside.print(f"{'/'.join(map(str, item.record[2:5]))}: {item.rejected}")
        return good

    _run(run)


@app.command()
def store(
    table: Topic,
    source: Annotated[
        Topic | None, typer.Option("--from", help="The topic to take: that of the table's name unless given.")
    ] = None,
    follow: Follow = False,
) -> None:
    """Store the Avro of a topic in a table, which takes what is newer than its own and nothing else.

    All that the topic holds is read each time. A record that cannot be read becomes a letter in TOPIC.letters, once,
    however often this runs. The months can be had from the days as well, and come to the same.

    python -m channel_stats store yt_daily

    python -m channel_stats store yt_monthly --from yt_daily
    """
    from channel_stats.composing import store_of
    from channel_stats.settings import StoreSettings

    taken = source or table
    if table is Topic.yt_daily and taken is not table:
        raise typer.BadParameter("yt_daily can be had of its own topic only: a month does not say what its days were")

    def run(stop: StopSignal) -> bool:
        keeping = store_of(StoreSettings.read(os.environ), table.value, taken.value)
        with progress(f"records of {taken}") as say:
            stored = keeping.run(stop, say, follow=follow)
        typer.echo(f"{stored.records:,} records of {taken} are in the table {table}")
        if stored.unread:
            aside.print(f"{stored.unread:,} cannot be read; {stored.letters:,} of them are letters since now")
        if stored.lost:
            aside.print(f"{stored.lost:,} rows could not be stored: docs/channels.md, Tables")
        return not stored.unread and not stored.lost

    _run(run)


def _run(action: Callable[[StopSignal], bool]) -> NoReturn:
    good: list[bool] = []
    code = exit_code(lambda stop: good.append(action(stop)))
    raise typer.Exit(code or int(good != [True]))


if __name__ == "__main__":
    app(prog_name="python -m channel_stats")
