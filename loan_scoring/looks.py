"""Looking into the table of predictions without Spark, with the versions that scored what is in it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from loan_scoring.drift import COLUMNS, CardOf, Tally, tallied
from loan_scoring.names import PREDICTIONS
from loan_scoring.registry import Registry
from loan_scoring.scorecard import Scorecard, Unfit
from loan_scoring.table import APPLIED_AT
from pipeline.lake.errors import translated
from pipeline.lake.lake import Lake

if TYPE_CHECKING:
    from pyiceberg.table import Table


def table_of(lake: Lake) -> Table | None:
    """The table, as it is now; None where it has not been made yet. Raises `Transient`, `Fatal`."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    with translated():
        try:
            return lake.catalog().load_table(PREDICTIONS)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None


def days_of(table: Table, since: date, card_of: CardOf) -> dict[tuple[date, str], Tally]:
    """What was scored of applications of that day or a later one, by day and version. Raises `Transient`."""
    with translated():
        scan = table.scan(since_day(since), selected_fields=COLUMNS)
        return tallied(scan.to_arrow_batch_reader(), card_of)


def since_day(day: date) -> str:
    """Rows of applications of that day or a later one, as PyIceberg is asked for them."""
    return f"{APPLIED_AT} >= '{datetime.combine(day, time(), UTC).isoformat()}'"


def cards(registry: Registry) -> CardOf:
    """Scorecards of the registry, each read once: a version never changes."""
    known: dict[str, Scorecard | None] = {}

    def card_of(version: str) -> Scorecard | None:
        if version not in known:
            try:
                known[version] = registry.model(version).scorecard
            except Unfit:
                known[version] = None
        return known[version]

    return card_of
