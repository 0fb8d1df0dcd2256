"""Page views, a million of them: beside Spark alone, into all outputs, and the number of their users."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.analytics import backlog
from benchmarks.results import Goal
from demo.ground import Ground
from page_views.names import AGGREGATES, READS, SESSIONS, VIEWS
from page_views.users import Span, Sums, of_table, of_topic, summed
from pipeline.kafka.letters import letters_of
from pipeline.lake.description import describe
from pipeline.lake.lake import Lake

HOURS: Final = 2
SECONDS: Final = HOURS * 3600
OUTPUTS: Final = 180.0
"""Seconds that a million views may take through all outputs."""


def fill(here: Ground, number: int, each: int) -> None:
    """A backlog of so many views; `each`: of a visitor."""
    backlog.make(here.kafka.bootstrap, [READS, VIEWS, AGGREGATES, SESSIONS, letters_of(READS)], 4)
    backlog.fill_keyed(here.kafka.bootstrap, READS, backlog.views(number, each, SECONDS))


def close(here: Ground) -> None:
    """A view of the next day, which closes all windows: in a batch of its own, or those behind it were late."""
    closing = f"last,https://shop.example.org/,{backlog.VIEWS_FROM + 30 * 3600},Chrome,Linux,1x1"
    backlog.fill(here.kafka.bootstrap, READS, [closing.encode()])


class Outputs:
    """A folder for tables and files of batches, and the settings that lead there."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake((folder / "warehouse").as_uri(), f"jdbc:sqlite:{folder}/catalog.db")
        self.batches = folder / "batches"
        self.environment = {
            "LAKE_URI": self.lake.uri,
            "LAKE_CATALOG": self.lake.where,
            "USERS_SECRET": "nobody has to know this",
            "BATCHES_DIR": str(self.batches),
        }

    def expect(self, number: int) -> None:
        """All views are in table and files. Raises RuntimeError."""
        (facts,) = describe(self.lake, ["web.fact_page_views"])
        files = len(list(self.batches.glob("[0-9]*.json")))
        if facts.rows != number or files != number // 1000:
            raise RuntimeError(f"{facts.rows:,} rows and {files:,} files, not {number:,} and {number // 1000:,}")


def outputs() -> TemporaryDirectory[str]:
    """Where they go; gone afterwards."""
    return TemporaryDirectory(prefix="outputs-")


def counted(here: Ground, lake: Lake) -> tuple[Sums, Sums]:
    """The sums of all windows: by the topic, and by the table."""
    begin = datetime.fromtimestamp(backlog.VIEWS_FROM, UTC)
    span = Span.of(begin, begin + timedelta(hours=HOURS + 1))
    return summed(of_topic(here.client, span)), summed(of_table(lake, span))


def users_goal(found: Sums, users: int) -> Goal:
    """Within 2 %."""
    off = abs(found.users - users) / users
    return Goal(f"{users:,} unique users within 2 %", f"{found.users:,} ({off:.2%} off)", off <= 0.02)
