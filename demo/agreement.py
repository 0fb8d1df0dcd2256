"""Collections of candles as a demo shows them, and held against all that lies in the topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from demo.checks import Check
from tests.market import letters
from tests.market.candle_records import Place, differences, histories
from tests.topics import Found, read

LATE: Final = "late"
SHOWN: Final = ("close", "ema_12", "rsi_14", "vwap", "support", "resistance")


def newest_of(database: Any, topics: Sequence[str]) -> Table:
    """The newest document of each collection."""
    table = Table("collection", "documents", "newest (UTC)", *SHOWN, box=SIMPLE_HEAD)
    for topic in topics:
        newest = database[topic].find_one(sort=[("_id", -1)])
        if newest:
            figures = (_figure(newest.get(name)) for name in SHOWN)
            table.add_row(topic, f"{database[topic].count_documents({}):,}", f"{newest['_id']:%H:%M}", *figures)
    return table


def _figure(value: float | None) -> str:
    return "" if not value else f"{value:.2f}"


def agreement(
    bootstrap: str, database: Any, records: Mapping[str, Sequence[Found]], broken: Set[Place]
) -> tuple[Check, Check, Check]:
    """Documents, letters and collections against the records of each topic. `broken`: those that are no candles."""
    everything = [record for found in records.values() for record in found]
    told_again = histories(((letters.place_of(record), record.value) for record in everything), broken)
    documents = [(list(database[topic].find()), history.documents()) for topic, history in told_again.items()]
    late = {place for history in told_again.values() for place in history.late}
    wanted = dict.fromkeys(broken, "") | dict.fromkeys(late, LATE)
    written = [letter for topic in records for letter in read(bootstrap, f"{topic}.letters")]
    extra = set(database.list_collection_names()) - set(records)
    return (
        Check(
            "every document is that of a batch computation over all that was sent, to 1e-9",
            sum(len(right) for _, right in documents),
            [line for found, right in documents for line in differences(found, right)],
        ),
        Check(
            "every broken or late record is a letter, as it came, once, and nothing else is",
            len(everything),
            letters.differences(written, everything, wanted),
        ),
        Check("the database has a collection per symbol, and no other", len(records), sorted(extra)),
    )
