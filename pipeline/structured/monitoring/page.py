"""The page at `/` on the port of a service of the analytics: `Status` for people, in one look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

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
from pipeline.structured.monitoring.status import Status

MOST_PARTITIONS: Final = 50


def page(service: str, status: Status, now: str) -> bytes:
    """The page, in UTF-8. `now`: when it was made, ISO 8601."""
    return framed(service, status, _mood(status), now, _main(status))


def _mood(status: Status) -> Mood:
    if not status.healthy.ok or not status.ready.ok:
        return "bad"
    return "good" if status.state == "running" else "idle"


def _main(status: Status) -> Iterable[Element]:
    yield from alarms(status)
    for what, why in status.alarms.items():
        yield alarm(what, why)
    yield _tiles(status)
    yield plot(status.per_minute, "records")
    yield section("Partitions", _partitions(status))
    outcomes = [
        (flow, outcome, f"{number:,}") for flow, counts in status.outcomes.items() for outcome, number in counts.items()
    ]
    letters = [(reason, f"{number:,}") for reason, number in status.letters.items()]
    yield columns(
        section("Outcomes, last hour", table(("flow", "outcome", "records"), outcomes, numbers=1)),
        section("Letters, since it began", table(("reason", "letters"), letters, numbers=1)),
    )
    yield section("Last batches", _batches(status.batches))


def _tiles(status: Status) -> Element:
    return tiles(
        (
            (length(status.worst_lag), "behind"),
            (f"{sum(lag.records for lag in status.lag):,}", "records not in effect yet"),
            (f"{sum(status.letters.values()):,}", "letters, since it began"),
            (f"{sum(status.late.values()):,}", "too late for a window: rows, once for each window"),
            (f"{sum(status.state_rows.values()):,}", "rows of state"),
        )
    )


def _partitions(status: Status) -> Element:
    rows = [
        (lag.topic, str(lag.partition), f"{lag.records:,}", length(lag.seconds)) for lag in status.lag[:MOST_PARTITIONS]
    ]
    if len(status.lag) > MOST_PARTITIONS:
        rows.append((f"and {len(status.lag) - MOST_PARTITIONS:,} that are less behind", "", "", ""))
    return table(("topic", "partition", "records behind", "behind"), rows, numbers=3)


def _batches(batches: Sequence[Mapping[str, Any]]) -> Element:
    rows = [
        (
            moment(str(batch["ended"])),
            str(batch["flow"]),
            _counts(batch["counts"]),
            f"{sum(batch['letters'].values()):,}",
            f"{batch['repeated']:,}",
            f"{batch['seconds']:.1f}",
        )
        for batch in batches
    ]
    return table(("ended", "flow", "what came of it", "letters", "repeated", "seconds"), rows, numbers=3)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {outcome}" for outcome, number in counts.items())
