"""Candles, told again from the records themselves: every one of a topic by its offset, then the batch computation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.market.batch import Document, Row, difference, documents

PRICES = ("open", "high", "low", "close")
OWN = ("version", "volume_exact")
"""Fields for the service itself; the second in documents whose volume has a fraction."""

Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass
class History:
    """What is left of a topic: a row per minute (naive, UTC), and the places of what came too late."""

    rows: dict[datetime, Row] = field(default_factory=dict)
    late: list[Place] = field(default_factory=list)

    def take(self, place: Place, row: Row, lateness: int) -> None:
        """The next record, by offset."""
        began = row["at"]
        if self.rows.get(began) == row:
            return
        if sum(other > began for other in self.rows) > lateness:
            self.late.append(place)
        else:
            self.rows[began] = row

    def documents(self, zone: str = "America/New_York") -> list[Document]:
        """What the topic's collection should hold."""
        return documents([self.rows[began] for began in sorted(self.rows)], zone)


def parsed(value: bytes, zone: ZoneInfo) -> Row:
    """The row of a record that is known to be a candle."""
    fields = json.loads(value)
    began = datetime.fromisoformat(fields["datetime"])
    if began.tzinfo is None:
        began = began.replace(tzinfo=zone)
    prices = {name: float(fields[name]) for name in PRICES}
    return {"at": began.astimezone(UTC).replace(tzinfo=None), **prices, "volume": float(fields.get("volume") or 0)}


def histories(
    records: Iterable[tuple[Place, bytes | None]],
    broken: Set[Place],
    lateness: int = 10,
    zone: str = "America/New_York",
) -> dict[str, History]:
    """Topic → what is left of it. `records`: each topic's by offset. `broken`: those that are no candles."""
    found: dict[str, History] = {}
    for place, value in records:
        history = found.setdefault(place[0], History())
        if place not in broken and value is not None:
            history.take(place, parsed(value, ZoneInfo(zone)), lateness)
    return found


def differences(found: Sequence[Mapping[str, Any]], wanted: Sequence[Document]) -> list[str]:
    """What is not the same in two collections, a line each."""
    there = {document["_id"]: document for document in found}
    right = {document["_id"]: document for document in wanted}
    lines = [f"{began} is missing" for began in sorted(right.keys() - there.keys())]
    lines += [f"{began} should not be there" for began in sorted(there.keys() - right.keys())]
    if len(there) < len(found):
        lines.append(f"{len(found) - len(there)} documents of a minute that is there already")
    for began in sorted(right.keys() & there.keys()):
        document = {name: value for name, value in there[began].items() if name not in OWN}
        if said := difference(document, right[began]):
            lines.append(said)
    return lines
