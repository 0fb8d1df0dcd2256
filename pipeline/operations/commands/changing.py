"""The commands that change something; each is noted in `operations_log` with who, what and how much."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.console.command_line import run
from pipeline.console.options import MOMENTS, Json, Reason, Type, Who, Yes, shown
from pipeline.console.output import Declined, WrongUsage, answer, ask, progress, table

if TYPE_CHECKING:
    from pipeline.operations.workbench import Workbench


def counted(as_json: bool, title: str, counts: Mapping[str, int]) -> None:
    """What was done, as a table of counts."""
    rows = table("", "", whole=1, show_header=False)
    for name, number in sorted(counts.items()):
        if number:
            rows.add_row(name, shown(number))
    answer(as_json, dict(sorted(counts.items())), title, *([rows] if rows.row_count else []))


def redrive(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(help="Only this letter.")] = None,
    reason: Reason = None,
    type_: Type = None,
    from_letters: Annotated[
        bool, typer.Option("--from-letters", help="Also what the stream has trimmed, where the letter holds all of it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be tried.")] = False,
    yes: Yes = False,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Apply dead letters again, once their cause is mended: all, or those that the options name. 1: some are left.

    Each record is read again from the stream, in arrival order, and goes the service's own way under its old identity:
    what is applied already is not applied twice, and running this twice, or killing it, does no harm. A letter ends
    when its row is there; the others stay, with one attempt more. What the stream has trimmed stays too (card payments
    always: their codes are in the stream only). Letters of the reason `outside_hash_range` are left out, since their
    producer sends them again itself: they take `--reason outside_hash_range --yes`.

        python -m pipeline redrive --reason no_account --dry-run

        python -m pipeline redrive --reason no_account --as "Ada, ticket 4711"
    """
    given = {"key": key, "reason": reason, "type": type_, "from_letters": from_letters, "dry_run": dry_run}
    run(context, lambda bench: _redrive(bench, given, yes, who, as_json))


def _redrive(bench: Workbench, given: Mapping[str, Any], yes: bool, who: str | None, as_json: bool) -> int:
    from pipeline.kinesis.aggregation import OUTSIDE_HASH_RANGE
    from pipeline.operations.journal import noted
    from pipeline.operations.letters.listing import Wanted, gather, read_key
    from pipeline.operations.letters.purge import delete
    from pipeline.operations.letters.redrive import Terms
    from pipeline.operations.letters.redrive import redrive as apply_again

    outside = given["reason"] == OUTSIDE_HASH_RANGE
    if outside and not yes and not given["dry_run"]:
        raise WrongUsage(
            f"{OUTSIDE_HASH_RANGE} letters are sent again by their producer, under another identity: redriven, their "
            "money may move twice. Say --yes where you know that they were not"
        )
    key = None if given["key"] is None else read_key(given["key"])
    terms = Terms(outside, given["from_letters"], given["dry_run"])
    with noted(bench, "redrive", given, who) as operation:
        counts = operation.counts
        with progress("letters read") as advance:
            found = gather(bench, Wanted(given["reason"], given["type"], key), operation.stepping(advance))
        if key is not None and not found.open and not found.settled:
            raise Declined(f"there is no letter {key} that can be read: `letters --export FILE` lists all keys")
        counts.update({"unreadable": len(found.unreadable)} if found.unreadable else {})
        if terms.dry_run:
            counts["settled"] = len(found.settled)
        else:
            delete(bench, found.settled, counts, "settled", operation.stepping(lambda more: None))
        with progress("letters redriven", len(found.open)) as advance:
            apply_again(bench, found.open, terms, counts, operation.stepping(advance))
    counted(as_json, "would be redriven" if terms.dry_run else "redriven", counts)
    return int(any(counts[name] for name in ("left", "trimmed", "excluded", "other_stream")) and not terms.dry_run)


def replay(
    context: typer.Context,
    begin: Annotated[datetime, typer.Option("--from", formats=MOMENTS, help="Arrived from then on (UTC).")],
    end: Annotated[datetime, typer.Option("--to", formats=MOMENTS, help="Arrived before (UTC).")],
    shard: Annotated[str | None, typer.Option(help="Only this shard.")] = None,
    yes: Yes = False,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Read a span of the stream again: what has its row is dropped (`duplicate`), what has not is applied.

    For rows that were lost, as after restoring a database. Only what the service had committed is read; the rest is
    the running service's.

        python -m pipeline replay --from 2026-01-31T08:00:00 --to 2026-01-31T09:30:00
    """
    run(context, lambda bench: _replay(bench, begin, end, shard, yes, who, as_json))


def _replay(
    bench: Workbench, begin: datetime, end: datetime, shard: str | None, yes: bool, who: str | None, as_json: bool
) -> int:
    from pipeline.operations.journal import noted
    from pipeline.operations.replay import replay as read_again
    from pipeline.operations.replay import span_of

    span = span_of(begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    ask(f"Read {shard or 'every shard'} again from {begin} to {end} and apply what has no row?", yes)
    with (
        noted(bench, "replay", {"from": begin, "to": end, "shard": shard}, who) as operation,
        progress("records") as advance,
    ):
        read_again(bench, span, shard, operation.counts, operation.stepping(advance))
    counted(as_json, "replayed", operation.counts)
    return int(bool(operation.counts["shards_trimmed"]))


def purge(
    context: typer.Context,
    older_than: Annotated[float, typer.Option("--older-than", min=0, metavar="DAYS", help="Seen first before that.")],
    reason: Annotated[str | None, typer.Option(help="Also open letters of this reason: they are lost.")] = None,
    yes: Yes = False,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Delete old letters whose message has its row; with --reason also open ones, whose messages are lost then.

    python -m pipeline letters --reason wrong_type --export lost.jsonl

    python -m pipeline purge --older-than 90 --reason wrong_type
    """
    run(context, lambda bench: _purge(bench, older_than, reason, yes, who, as_json))


def _purge(bench: Workbench, days: float, reason: str | None, yes: bool, who: str | None, as_json: bool) -> int:
    from pipeline.operations.journal import noted
    from pipeline.operations.letters.listing import Wanted, gather
    from pipeline.operations.letters.purge import delete, older

    with progress("letters read") as advance:
        found = gather(bench, Wanted(), advance)
    settled = older(found.settled, days)
    lost = [one for one in older(found.open, days) if one.letter.reason == reason]
    if settled or lost:
        ask(f"Delete {len(settled):,} settled letters and {len(lost):,} open ones, whose messages are lost then?", yes)
    total = len(settled) + len(lost)
    with (
        noted(bench, "purge", {"older_than": days, "reason": reason}, who) as operation,
        progress("letters deleted", total) as advance,
    ):
        delete(bench, settled, operation.counts, "settled", operation.stepping(advance))
        delete(bench, lost, operation.counts, "lost", operation.stepping(advance))
    counted(as_json, f"{total:,} letters purged", operation.counts)
    return 0


def accept_loss(
    context: typer.Context,
    shard: Annotated[str, typer.Argument(help="The shard's id, as `status` shows it.")],
    yes: Yes = False,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Let a shard go on that stopped because records were trimmed before they were read, or the stream was made again.

    They are lost; where the stream was made again, the shard begins anew at the trim horizon.

    A running service sees it within a minute.

        python -m pipeline accept-loss shardId-000000000003
    """
    run(context, lambda bench: _accept_loss(bench, shard, yes, who, as_json))


def _accept_loss(bench: Workbench, shard: str, yes: bool, who: str | None, as_json: bool) -> int:
    from pipeline.operations.journal import noted
    from pipeline.operations.unread import is_stopped

    known = {lease.shard: lease for lease in bench.leases()}
    if shard not in known:
        raise WrongUsage(
            f"there is no lease of shard {shard[:60]}; there are {', '.join([*known][:20]) or 'none at all'}"
        )
    if not is_stopped(bench, known[shard]):
        raise Declined(f"{shard} is not stopped: the stream holds all that it has not read. Nothing was changed")
    ask(f"Accept that what {shard} held, was trimmed and not read by now is lost for ever?", yes)
    with noted(bench, "accept-loss", {"shard": shard}, who) as operation:
        operation.counts["accepted"] = int(bench.lease_table.accept_loss(shard, int(time.time() * 1000)))
    if not operation.counts["accepted"]:
        raise Declined(f"the lease of {shard} has gone meanwhile. Nothing was changed")
    counted(as_json, f"loss accepted for {shard}", operation.counts)
    return 0


def release(context: typer.Context, yes: Yes = False, who: Who = None, as_json: Json = False) -> None:
    """Free the leases of a holder that died. Refused while any of its counters moves, watched for 10 seconds.

    A second driver takes such leases by itself; a KCL fleet may wait longer.

        python -m pipeline release
    """
    run(context, lambda bench: _release(bench, yes, who, as_json))


def _release(bench: Workbench, yes: bool, who: str | None, as_json: bool) -> int:
    from pipeline.operations import holders
    from pipeline.operations.journal import noted

    leases = bench.leases()
    held = [lease for lease in leases if lease.owner is not None]
    if held:
        with progress("watching the counters") as advance:
            alive = holders.living(leases, bench.leases, holders.FAIL_OVER, advance)
        if alive:
            raise Declined(f"{', '.join(sorted(alive))} is alive: stop it first (SIGTERM); nothing was released")
        names = ", ".join(sorted(holders.owners(held)))
        ask(f"Free {len(held)} leases of {names}, which gave no sign of life for {holders.FAIL_OVER:g} s?", yes)
    with noted(bench, "release", {}, who) as operation:
        for lease in held:
            bench.lease_table.release(lease)
            operation.counts["released"] += 1
    counted(as_json, f"{operation.counts['released']} leases released", operation.counts)
    return 0


def scrub(context: typer.Context, yes: Yes = False, who: Who = None, as_json: Json = False) -> None:
    """Set PINs and codes to NULL in card payments' rows that an older service wrote. Batches of 1,000 rows.

    The service may run meanwhile; killed, it goes on where it is run again.

        python -m pipeline scrub
    """
    run(context, lambda bench: _scrub(bench, yes, who, as_json))


def _scrub(bench: Workbench, yes: bool, who: str | None, as_json: bool) -> int:
    from pipeline.operations.journal import noted
    from pipeline.operations.scrub import last_id
    from pipeline.operations.scrub import scrub as clear

    table, columns = bench.bank.scrubbed
    until = last_id(bench)
    ask(f"Set {', '.join(columns)} to NULL in all rows of {table} up to id {until:,}, for ever?", yes)
    with noted(bench, "scrub", {}, who) as operation, progress("ids", until) as advance:
        clear(bench, until, operation.counts, operation.stepping(advance))
    counted(as_json, f"{operation.counts['scrubbed']:,} rows scrubbed", operation.counts)
    return 0
