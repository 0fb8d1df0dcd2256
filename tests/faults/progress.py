"""What must hold of the way through the stream, and of those who go it: I5, I6, I7, I8, I12."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from pipeline.messages.identity import letter_key
from pipeline.messages.records import Position
from tests.faults.facts import DriverLog, Facts, Sighting
from tests.faults.tables import Snapshot

ORDERING_COLUMNS = {
    "transactions": "origin_account",
    "card_transactions": "card_num",
    "loan_payments": "account_id",
    "stocks": "ticker",
}
IN_FLIGHT = 1
"""Batches that a driver may end after another has taken its leases: the one that it had begun."""


def nothing_is_passed_by(facts: Facts) -> Iterator[str]:
    """I5. Whatever lay behind a checkpoint when it was seen had its outcome, durable, by then."""
    for number, snapshot in enumerate(facts.run.snapshots):
        durable = {row["event_id"] for _, row in facts.new_rows(snapshot.tables)}
        for event, sightings in facts.events.items():
            passed = any(_behind(sighting.record.shard, sighting.record.position, snapshot) for sighting in sightings)
            if passed and event not in durable and not _was_letter(facts, snapshot, event):
                yield f"snapshot {number}: {sightings[0].name} is behind the checkpoint without an outcome"


def checkpoints_only_move_forward(facts: Facts) -> Iterator[str]:
    """I6. No checkpoint goes back."""
    last = dict[str, Position]()
    seen = [(f"snapshot {number}", snapshot.checkpoints) for number, snapshot in enumerate(facts.run.snapshots)]
    for name, checkpoints in [*seen, ("in the end", facts.run.checkpoints or {})]:
        for shard, position in checkpoints.items():
            if position < last.get(shard, position):
                yield f"{name}: the checkpoint of {shard} went back"
            last[shard] = position


def a_lost_lease_ends_it(facts: Facts) -> Iterator[str]:
    """I7. A driver that has lost its leases ends at most the batch in flight, and no message is two drivers' row."""
    for driver in facts.run.drivers:
        late = Counter(after for batch in driver.batches if (after := _led_since(facts, driver, batch.when)))
        for (name, when), batches in late.items():
            if batches > IN_FLIGHT:
                yield f"{driver.name} ended {batches} batches after {name} had taken the leases at {when:%H:%M:%S}"
    claimed = Counter[tuple[str, str]]()
    for driver in facts.run.drivers:
        for batch in driver.batches:
            for kind, outcomes in batch.outcomes.items():
                claimed.update({(kind, outcome): count for outcome, count in outcomes.items() if _is_status(outcome)})
    for (kind, status), count in claimed.items():
        if count > (rows := facts.outcomes[kind, status]):
            yield f"drivers tell of {count} times {kind} with status {status}, there are {rows} such rows"


def order_per_key(facts: Facts) -> Iterator[str]:
    """I8. What has one ordering key is applied in the order in which it was put into a shard, and after its parents'.

    Between shards that do not descend from one another there is no order.
    """
    if not facts.run.ordered:
        return
    last: dict[tuple[str, object, str], datetime] = {}
    for event, sightings in facts.events.items():
        if not _has_one_place(facts, event, sightings):
            continue
        shard = sightings[0].record.shard
        line = shard, *facts.ancestors(shard)
        for table, row in facts.rows_of.get(event, []):
            key = table, row[ORDERING_COLUMNS[table]]
            if any(row["applied_at"] <= last[*key, one] for one in line if (*key, one) in last):
                yield f"{sightings[0].name} was applied before another of its key that was put earlier"
            last[*key, shard] = row["applied_at"]


def _has_one_place(facts: Facts, event: bytes, sightings: Sequence[Sighting]) -> bool:
    """Whether it was the first sighting that became the row.

    Not known where one id says several things, in lanes of their own, where it was put into shards that are not read
    one after another, and where a letter came before the row.
    """
    first = sightings[0]
    return facts.letter_of(event) is None and all(
        one.said == first.said and first.record.shard in (one.record.shard, *facts.ancestors(one.record.shard))
        for one in sightings
    )


def the_lag_is_gone(facts: Facts) -> Iterator[str]:
    """I12. In the end every checkpoint is behind the last message of its shard: the lag is zero again."""
    if facts.run.checkpoints is None:
        return
    waiting = Counter(
        sighting.record.shard
        for sighting in facts.sightings
        if (at := facts.run.checkpoints.get(sighting.record.shard)) is None or at < sighting.record.position
    )
    for shard, messages in waiting.items():
        yield f"in the end {messages} messages of {shard} are ahead of its checkpoint"


def _behind(shard: str, position: Position, snapshot: Snapshot) -> bool:
    return shard in snapshot.checkpoints and position <= snapshot.checkpoints[shard]


def _was_letter(facts: Facts, snapshot: Snapshot, event: bytes) -> bool:
    if snapshot.letters is None:
        return facts.letter_of(event) is not None
    return letter_key(event) in snapshot.letters


def _led_since(facts: Facts, driver: DriverLog, moment: datetime) -> tuple[str, datetime] | None:
    """Another that had the leases at this moment, and since when; None where it was `driver` itself."""
    taken = [(when, other.name) for other in facts.run.drivers for when in other.leading if when <= moment]
    when, name = max(taken, default=(moment, driver.name))
    return None if name == driver.name else (name, when)


def _is_status(outcome: str) -> bool:
    return outcome.removeprefix("-").isdigit()
