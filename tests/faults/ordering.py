"""Whether messages of one ordering key were applied in the order in which they were put."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tests.faults.facts import Facts, Run

ORDERING_COLUMNS = {
    "transactions": "origin_account",
    "card_transactions": "card_num",
    "loan_payments": "account_id",
    "stocks": "ticker",
}


def out_of_order(run: Run) -> Iterator[str]:
    """Every row that was applied before another of its key that was put earlier.

    All messages of a key have to be in one shard or its descendants.
    """
    facts = Facts(run)
    last: dict[tuple[str, object], datetime] = {}
    for event, sightings in facts.events.items():
        for table, row in facts.rows_of.get(event, []):
            key = table, row[ORDERING_COLUMNS[table]]
            if key in last and row["applied_at"] <= last[key]:
                yield f"{sightings[0].name} was applied before another of its key that was put earlier"
            last[key] = row["applied_at"]
