"""The page at `/` on the port of a stream's driver: `Status` for people, in one look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pipeline.dstream.monitoring.status import ShardAges, Status
from pipeline.observability.components import (
    Mood,
    alarm,
    alarms,
    columns,
    framed,
    length,
    moment,
    plot,
    section,
    table,
    tiles,
)
from pipeline.observability.markup import Element

MOST_SHARDS: Final = 50


def page(service: str, status: Status, now: str) -> bytes:
    """The page, in UTF-8. `now`: when it was made, ISO 8601."""
    return framed(service, status, _mood(status), now, _main(status))


def _mood(status: Status) -> Mood:
    if not status.healthy.ok or not status.ready.ok or status.stopped:
        return "bad"
    return "good" if status.state == "leading" else "idle"


def _main(status: Status) -> Iterable[Element]:
    yield from alarms(status)
    for shard, why in status.stopped.items():
        yield alarm(f"{shard} is stopped", f"{why}; an operator decides: python -m pipeline accept-loss {shard}")
    if status.audit_findings:
        yield alarm("the audit does not hold", f"{status.audit_findings:,} findings: python -m pipeline audit")
    yield _tiles(status)
    yield plot(status.per_minute)
    yield section("Shards", _shards(status))
    outcomes = [
        (type_ or "(unknown)", outcome, f"{number:,}")
        for type_, counts in status.outcomes.items()
        for outcome, number in counts.items()
    ]
    letters = [(reason, f"{n:,}") for reason, n in sorted(status.letters.items(), key=lambda letter: -letter[1])]
    yield columns(
        section("Outcomes, last hour", table(("type", "outcome", "messages"), outcomes, numbers=1)),
        section("Open letters", table(("reason", "letters"), letters, numbers=1)),
    )
    yield section("Last batches", _batches(status.batches))


def _tiles(status: Status) -> Element:
    oldest = "" if status.oldest_letter_seconds is None else f", oldest {length(status.oldest_letter_seconds)}"
    kept = "" if status.retention_seconds is None else f", the stream keeps {length(status.retention_seconds)}"
    return tiles(
        (
            (length(status.worst_lag), f"behind{kept}"),
            (f"{sum(status.per_minute):,}", "messages, last hour"),
            (f"{sum(status.letters.values()):,}", f"open letters{oldest}"),
            (f"{status.mails.get('waiting', 0):,}", f"mails waiting, {status.mails.get('parked', 0):,} parked"),
        )
    )


def _shards(status: Status) -> Element:
    worst = sorted(
        status.shards.items(), key=lambda shard: (shard[0] not in status.stopped, -(shard[1].lag_seconds or 0))
    )
    rows = [
        (shard, length(ages.lag_seconds), length(ages.checkpoint_age_seconds), _state(shard, ages, status.stopped))
        for shard, ages in worst[:MOST_SHARDS]
    ]
    if len(worst) > MOST_SHARDS:
        rows.append((f"and {len(worst) - MOST_SHARDS:,} that are less behind", "", "", ""))
    return table(("shard", "behind", "checkpoint", "state"), rows)


def _state(shard: str, ages: ShardAges, stopped: Mapping[str, str]) -> str:
    if shard in stopped:
        return "stopped"
    return "ended, or not read yet" if ages.lag_seconds is None else "read"


def _batches(batches: Sequence[Mapping[str, Any]]) -> Element:
    rows = [
        (
            moment(str(batch["ended"])),
            f"{batch['records']:,}",
            f"{batch['applied']:,}",
            f"{batch['per_second']:,}",
            f"{batch['retries']:,}",
        )
        for batch in batches
    ]
    return table(("ended", "messages", "rows", "a second", "retries"), rows, numbers=4)
