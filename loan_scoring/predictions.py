"""One batch of applications: scored, then into the table by their identity, then letters.

**Once, whatever dies.** The table has a row for an application or has none: a batch that comes again finds its rows,
and leaves them, also where another model is the champion by then; so does another driver that has the same records.
Which of two applications with one id counts is what the table says, so that a conflict is one ever after.

1. rows, in one commit: death after it, and the batch comes again, inserts nothing and goes on;
2. conflicts are looked up in the table, behind the commit: what is in it stays as it is;
3. letters, then Spark's commit (the engine's business).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sql
from pyspark.sql.functions import col, lit

from loan_scoring.champion import Champion
from loan_scoring.compiled import scored
from loan_scoring.names import PREDICTIONS
from loan_scoring.registry import Model
from loan_scoring.table import COLUMNS, KEY, REVIEW, SUCCESS
from loan_scoring.tasks import GIVEN, READ, Read
from pipeline.lake.lake import spark_name
from pipeline.lake.merge import merge_once
from pipeline.structured.service import LETTER, Batch

PLACE: Final = ("topic", "partition", "offset")
CONFLICT: Final = "conflict"

_LETTER: Final = [part.split()[0] for part in LETTER.split(", ")]


class Seen(NamedTuple):
    """Of a batch: applications, those with an id of their own, those with too much missing, letters.

    `first`, `last`: of the times of those without, in us since the epoch. `lowest`, `highest`: of the ids of producers'
    own. Without meaning where there are none.
    """

    applications: int
    own: int
    review: int
    letters: int
    first: int | None
    last: int | None
    lowest: str
    highest: str


class Predictions:
    """Takes batch after batch. `group_field`: tells of a group of people."""

    def __init__(self, champion: Champion, group_field: str) -> None:
        self._champion, self._group_field = champion, group_field

    def apply(self, batch: Batch) -> None:
        """Raises `PipelineError`."""
        model = self._champion.current()
        task = Read(model.challenger, dict(batch.identities), self._group_field)
        with persisted(batch.frame.select(*GIVEN).mapInArrow(task, READ)) as read:
            found = seen(read, model)
            now = datetime.now(UTC)
            if found.applications:
                merge_once(
                    rows(read, model, now, dedupe=found.own > 0), PREDICTIONS, KEY, within=where_they_would_be(found)
                )
            with persisted(known_already(read, found, now)) as known:
                conflicts = _conflicts(batch, known) if found.own else 0
                self._letters(batch, read, known, found.letters, conflicts)
        batch.count(SUCCESS, found.applications - found.review)
        batch.count(REVIEW, found.review)

    def _letters(self, batch: Batch, read: DataFrame, known: DataFrame, unread: int, conflicts: int) -> None:
        """In one write: a batch's letters are marked as one."""
        letters = [read.where("reason IS NOT NULL").select(*_LETTER)] if unread else []
        if conflicts:
            which = sql.broadcast(known.where("conflict").select(*PLACE))
            none = lit(None).cast("string")
            told = {"reason": lit(CONFLICT), "field": lit(KEY), "error": none}
            letters.append(batch.records().join(which, list(PLACE)).withColumns(told).select(*_LETTER))
        if letters:
            batch.letters(letters[0] if len(letters) == 1 else letters[0].unionByName(letters[1]))


def seen(read: DataFrame, model: Model) -> Seen:
    """What is in a batch that was read (columns `READ`)."""
    good, time = col("reason").isNull(), sql.unix_micros("timestamp")
    own, nameless = good & col("own"), good & ~col("own")
    row = read.agg(
        sql.count_if(good),
        sql.count_if(own),
        sql.count_if(good & (col("missing") > model.scorecard.most_missing)),
        sql.count_if(~good),
        sql.min(sql.when(nameless, time)),
        sql.max(sql.when(nameless, time)),
        sql.coalesce(sql.min(sql.when(own, col(KEY))), lit("")),
        sql.coalesce(sql.max(sql.when(own, col(KEY))), lit("")),
    ).collect()[0]
    return Seen(*row)


def rows(read: DataFrame, model: Model, now: datetime, *, dedupe: bool) -> DataFrame:
    """What a batch that was read is to be in the table. `dedupe`: there may be two of one id: the first counts."""
    applications = read.where("reason IS NULL")
    if dedupe:
        own = applications.where("own")
        applications = applications.where("NOT own").unionByName(firsts(own))
    status = sql.when(col("missing") > model.scorecard.most_missing, REVIEW).otherwise(SUCCESS)
    told = {
        "status": status,
        "model_version": lit(model.version),
        "applied_at": col("timestamp"),
        "scored_at": lit(now),
        "challenger": col("challenger").cast("float"),
    }
    return scored(applications, model.scorecard).withColumns(told).select(*COLUMNS.names)


def firsts(applications: DataFrame) -> DataFrame:
    """The first of each id: of a partition by its place, of several partitions by its time."""
    of_partition = applications.groupBy(KEY, "topic", "partition").agg(_first(applications, "offset"))
    candidates = of_partition.select("one.*")
    return candidates.groupBy(KEY).agg(_first(candidates, "timestamp", "topic", "partition")).select("one.*")


def known_already(read: DataFrame, found: Seen, now: datetime) -> DataFrame:
    """Applications with an id of their own beside what the table has for it by now.

    `conflict`: it says something else. `new`: the table has it since this batch.
    """
    own = read.where("own").select(*PLACE, KEY, "content")
    table = own.sparkSession.table(spark_name(PREDICTIONS))
    there = table.where(col(KEY).between(found.lowest, found.highest)).select(
        col(KEY), col("content").alias("said"), col("scored_at")
    )
    conflict = ~col("content").eqNullSafe(col("said"))
    return there.join(sql.broadcast(own), KEY).select(
        *PLACE, KEY, conflict.alias("conflict"), (col("scored_at") == lit(now)).alias("new")
    )


@contextmanager
def persisted(frame: DataFrame) -> Iterator[DataFrame]:
    """The frame, computed once; forgotten with the context."""
    kept = frame.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


def _conflicts(batch: Batch, known: DataFrame) -> int:
    """How many there are; what only says again what is there already is counted."""
    row = known.agg(
        sql.count_if("conflict"),
        sql.count_if(~col("conflict")),
        sql.count_distinct(sql.when(~col("conflict") & col("new"), col(KEY))),
    ).collect()[0]
    conflicts, same, new = row
    batch.count("repeated", same - new)
    return int(conflicts)


def where_they_would_be(found: Seen) -> str:
    """SQL on `old`: where rows of this batch are, if they are in the table. Iceberg reads no other files.

    Those known by their place are of the same moment; ids of producers' own are between the first and the last of them.
    """
    places = f"old.applied_at BETWEEN timestamp_micros({found.first}) AND timestamp_micros({found.last})"
    if not found.own:
        return places
    lowest, highest = (f"CAST(X'{one.encode().hex()}' AS STRING)" for one in (found.lowest, found.highest))
    own = f"old.{KEY} BETWEEN {lowest} AND {highest}"
    return own if found.own == found.applications else f"({own} OR {places})"


def _first(frame: DataFrame, *order: str) -> Column:
    everything = sql.struct(*frame.columns)
    return sql.min_by(everything, sql.struct(*order)).alias("one")
