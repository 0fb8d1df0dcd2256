"""The commands that only look: check, status, letters, log."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipeline.console.command_line import run
from pipeline.console.options import Json, Reason, Type, shown
from pipeline.console.output import Declined, age, answer, aside, plain, progress, table
from pipeline.runtime.durations import span

if TYPE_CHECKING:
    from pipeline.operations.letters.listing import Group
    from pipeline.operations.status import Status
    from pipeline.operations.workbench import Workbench


def check(
    context: typer.Context,
    executors: Annotated[int, typer.Option(min=1, envvar="MAX_EXECUTORS", help="Executors that Spark may start.")] = 1,
    cores: Annotated[int, typer.Option(min=1, envvar="NUM_CORES", help="Cores, so tasks at once, of one.")] = 2,
    as_json: Json = False,
) -> None:
    """Whether all that the service needs is there and lets it in. Changes nothing. 1: something fails.

    python -m pipeline check --executors 4 --cores 2
    """
    run(context, lambda bench: _check(bench, executors * cores, as_json))


def _check(bench: Workbench, tasks: int, as_json: bool) -> int:
    from pipeline.console.finding import ok, tell
    from pipeline.operations.check import aws as check_aws
    from pipeline.operations.check import database as check_database
    from pipeline.operations.check.spark import check_spark

    settings, aws = bench.settings, "set AWS' region, keys or role and endpoint so that this machine gets in"
    looks = (
        ("settings", lambda: [ok("settings", f"complete; region {settings.aws_default_region}")]),
        ("spark", lambda: check_spark(settings, os.environ)),
        ("certificates", lambda: check_database.check_ca(bench)),
        ("database", lambda: check_database.check_database(bench, tasks)),
        ("stream", lambda: check_aws.check_stream(bench)),
        ("tables", lambda: check_aws.check_tables(bench)),
        ("mail", lambda: check_aws.check_mail(bench)),
    )
    return tell(looks, aws, as_json)


def status(context: typer.Context, as_json: Json = False) -> None:
    """How the service is doing: holder, shards and their lag, letters, mails, rows. 1: somebody has to look.

    Whether the holder of the leases lives is seen by looking at its counter twice, which takes up to 5 seconds.

        python -m pipeline status --json | jq '.shards[].behind'
    """
    run(context, lambda bench: _status(bench, as_json))


def _status(bench: Workbench, as_json: bool) -> int:
    from pipeline.operations.status import look

    with progress("looking twice") as advance:
        found = look(bench, advance)
    answer(as_json, _status_fields(found), *_status_tables(found))
    return int(bool(found.wrong))


def _status_fields(found: Status) -> dict[str, Any]:
    return {
        "holders": [{"owner": owner, "alive": owner in found.alive} for owner in sorted(found.holders)],
        "shards": [asdict(shard) for shard in found.shards],
        "retention_hours": found.stream.retention_hours,
        "letters": [group._asdict() for group in found.letters],
        "settled_letters": found.settled,
        "unreadable_letters": [one._asdict() for one in found.unreadable],
        "mails": {"waiting": found.mails_waiting, "parked": found.mails_parked},
        "rows_last_5_minutes": {table: recent._asdict() for table, recent in found.rows.items()},
        "wrong": found.wrong,
    }


def _status_tables(found: Status) -> list[Any]:
    holders = ", ".join(
        f"{owner} ({'alive: its counter moved' if owner in found.alive else 'no sign of life in 5 s'})"
        for owner in sorted(found.holders)
    )
    shards = table("shard", "position", "behind", "records waiting", "caught up until", "", whole=1)
    for one in found.shards:
        behind = "" if one.behind is None else span(timedelta(seconds=one.behind))
        caught_up = "" if one.caught_up is None else f"{span(timedelta(seconds=one.caught_up))} ago"
        shards.add_row(one.shard, one.position, behind, one.waiting, caught_up, one.wrong)
    rows = table("table", "rows, last 5 min", "newest")
    for name, recent in found.rows.items():
        rows.add_row(name, shown(recent.rows), f"{recent.newest:%F %T} UTC" if recent.newest else "none")
    retention = f"the stream keeps {found.stream.retention_hours} h"
    letters = [f"open letters ({retention})", _letters_table(found.letters)] if found.letters else ["no open letters"]
    mails = f"mails: {found.mails_waiting:,} waiting, {found.mails_parked:,} parked"
    wrong = [Text(line, style="bold red") for line in found.wrong]
    return [
        f"held by: {holders or 'nobody'}",
        "",
        shards,
        "",
        *letters,
        "",
        mails,
        "",
        rows,
        *(["", *wrong] if wrong else []),
    ]


def letters(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(help="One letter in full, by its key.")] = None,
    reason: Reason = None,
    type_: Type = None,
    export: Annotated[Path | None, typer.Option(help="Write all of them into this file, a JSON line each.")] = None,
    as_json: Json = False,
) -> None:
    """The dead letters, by reason and type; with KEY one in full. Those whose message has its row are shown as settled.

    A letter holds no PIN, no code and no full card number.

        python -m pipeline letters --type transaction --export letters.jsonl

        python -m pipeline letters 31415926535897932384626433832795028841
    """
    run(context, lambda bench: _letters(bench, key, reason, type_, export, as_json))


def _letters(
    bench: Workbench, key: str | None, reason: str | None, type_: str | None, export: Path | None, as_json: bool
) -> int:
    from pipeline.operations.letters.listing import Wanted, as_fields, gather, grouped, read_key

    if key is not None:
        return _one_letter(bench, read_key(key), as_json)
    with progress("letters read") as advance:
        found = gather(bench, Wanted(reason, type_), advance)
    if export is not None:
        lines = [as_fields(one, settled=False) for one in found.open] + [as_fields(one, True) for one in found.settled]
        _write_lines(export, lines)
        aside.print(f"{len(lines):,} letters in {export}")
    groups = grouped(found.open)
    unreadable = [one._asdict() for one in found.unreadable]
    data = {"open": [group._asdict() for group in groups], "settled": len(found.settled), "unreadable": unreadable}
    settled = f"{len(found.settled):,} more are settled: their message has its row; `redrive` and `purge` delete them"
    shown = [_letters_table(groups)] if groups else []
    answer(as_json, data, f"{len(found.open):,} open letters", *shown, *([settled] if found.settled else []))
    return 0


def _one_letter(bench: Workbench, key: int, as_json: bool) -> int:
    from pipeline.operations import remote
    from pipeline.operations.letters.listing import as_fields

    stored = remote.letter(bench.aws, bench.dead_letters.table, key)
    if stored is None:
        raise Declined(f"there is no letter {key}: `letters --export FILE` lists all keys")
    fields = as_fields(stored, stored.letter.identity in bench.rows_exist([stored.letter.identity]))
    shown = table("", "", whole=1, show_header=False)
    for name, value in fields.items():
        shown.add_row(name, json.dumps(value, default=str, ensure_ascii=False) if name == "payload" else str(value))
    answer(as_json, fields, shown)
    return 0


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    from pipeline.console.output import WrongUsage

    try:
        path.write_text("".join(json.dumps(line, default=plain, ensure_ascii=False) + "\n" for line in lines))
    except OSError as error:
        raise WrongUsage(f"cannot write {path}: {error.strerror}") from None


def _letters_table(groups: list[Group]) -> Table:
    found = table("reason", "type", "letters", "oldest", "newest", "most attempts", whole=2)
    for group in groups:
        moments = (f"{age(group.oldest)} ago", f"{age(group.newest)} ago")
        found.add_row(group.reason, group.type or "(none)", shown(group.letters), *moments, shown(group.attempts))
    return found


def log(
    context: typer.Context,
    most: Annotated[int, typer.Option("--most", min=1, help="How many, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """Who changed what with this command line, and when.

    python -m pipeline log --most 5
    """
    run(context, lambda bench: _log(bench, most, as_json))


def _log(bench: Workbench, most: int, as_json: bool) -> int:
    from pipeline.operations.journal import last

    entries = last(bench, most)
    told = table("began (UTC)", "ended", "who", "command", "arguments", "counts")
    for one in entries:
        ended = f"{one.ended_at:%T}" if one.ended_at else "not"
        told.add_row(f"{one.began_at:%F %T}", ended, one.who, one.command, one.arguments, one.counts or "")
    answer(as_json, [one._asdict() for one in entries], told)
    return 0
