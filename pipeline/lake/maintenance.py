"""Keeping tables in few files, beside their writer: compaction, manifests, old snapshots, files of nobody. In Spark.

Each step is one or more commits of its own. What a writer commits meanwhile stays; a step that it has crossed is tried
again by Iceberg, and given up by the next run at the latest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pipeline.lake.lake import CATALOG, spark_name
from pipeline.spark.context import deaths_told

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEEP: Final = timedelta(days=3)
"""How long snapshots are kept, for readers and for looking back."""
ORPHANS: Final = timedelta(days=1)
"""How old a file has to be that no snapshot knows: a younger one may be of a commit under way."""
LEAST_FILES: Final = 5
"""Files of a partition that are worth being made one."""

Say = Callable[[str], object]


@dataclass(frozen=True)
class Maintained:
    """What came of one table: files made one, manifests written anew, snapshots that went, files of nobody removed."""

    table: str
    compacted: int
    into: int
    manifests: int
    expired: int
    orphans: int


def maintain(
    session: SparkSession,
    tables: Sequence[str],
    *,
    keep: timedelta = KEEP,
    orphans: timedelta = ORPHANS,
    say: Say = lambda _: None,
) -> Iterator[Maintained]:
    """One table after another. Raises `TaskDied` where Spark gives a step up."""
    for table in tables:
        with deaths_told():
            yield _maintain(session, table, datetime.now(UTC) - keep, datetime.now(UTC) - orphans, say)


def _maintain(session: SparkSession, table: str, keep: datetime, orphans: datetime, say: Say) -> Maintained:
    call = f"CALL `{CATALOG}`.system"
    say(f"{table}: small files")
    made = _row(
        session,
        f"{call}.rewrite_data_files(table => '{CATALOG}.{table}', strategy => '{_strategy(session, table)}', "
        f"options => map('min-input-files', '{LEAST_FILES}', 'partial-progress.enabled', 'true'))",
    )
    say(f"{table}: manifests")
    manifests = _row(session, f"{call}.rewrite_manifests(table => '{CATALOG}.{table}', use_caching => false)")
    say(f"{table}: snapshots of before {keep:%Y-%m-%d %H:%M}")
    expired = len(session.sql(f"SELECT 1 FROM {spark_name(table)}.snapshots").collect())
    _row(
        session,
        f"{call}.expire_snapshots(table => '{CATALOG}.{table}', older_than => {_moment(keep)}, retain_last => 2, "
        "stream_results => true)",
    )
    expired -= len(session.sql(f"SELECT 1 FROM {spark_name(table)}.snapshots").collect())
    say(f"{table}: files of nobody")
    gone = session.sql(
        f"{call}.remove_orphan_files(table => '{CATALOG}.{table}', older_than => {_moment(orphans)}, "
        "prefix_listing => true)"
    ).collect()
    return Maintained(
        table,
        int(made["rewritten_data_files_count"]),
        int(made["added_data_files_count"]),
        int(manifests["rewritten_manifests_count"]),
        expired,
        len(gone),
    )


def _strategy(session: SparkSession, table: str) -> str:
    """By the table's own order, where it has one."""
    told = session.sql(f"SHOW TBLPROPERTIES {spark_name(table)}").collect()
    return "sort" if any(row.key == "sort-order" for row in told) else "binpack"


def _row(session: SparkSession, statement: str) -> dict[str, int]:
    rows = session.sql(statement).collect()
    return dict(rows[0].asDict()) if rows else {}


def _moment(moment: datetime) -> str:
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f}'"
