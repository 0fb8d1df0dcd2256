"""A scorecard as Spark SQL: what tasks compute in the JVM, equal to `Scorecard` itself."""

from __future__ import annotations

from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sql
from pyspark.sql.functions import col, lit

from loan_scoring.features import FEATURES, REASONS, SCORE_PLACES
from loan_scoring.scorecard import Feature, Scorecard

PROBABILITY, SCORE, REASON_COLUMN = "probability", "data", "reasons"

_POINTS: Final = "points_of_"
FIELDS: Final = ", ".join(f"{name}: DOUBLE" for name in FEATURES)
"""Of the column `features` that is computed with."""


def scored(applications: DataFrame, card: Scorecard) -> DataFrame:
    """The same, with `probability` (double), `data` (float, rounded) and `reasons`. Has a column `features`."""
    points = {f"{_POINTS}{one.name}": worth(one, col(f"features.{one.name}")) for one in card.features}
    log_odds = reduce(Column.__add__, [col(name) for name in points], lit(card.base))
    return (
        applications.withColumns(points)
        .withColumn(PROBABILITY, 1.0 / (1.0 + sql.exp(-log_odds)))
        .withColumns({SCORE: sql.round(PROBABILITY, SCORE_PLACES).cast("float"), REASON_COLUMN: reasons(card)})
        .drop(*points)
    )


def worth(feature: Feature, value: Column) -> Column:
    """Points of a value."""
    found = sql.when(value.isNull(), lit(feature.missing))
    for split, points in zip(feature.splits, feature.points, strict=False):
        found = found.when(value < lit(split), lit(points))
    return found.otherwise(lit(feature.points[-1]))


def reasons(card: Scorecard) -> Column:
    """The features that lost most points, the worst first, of a frame with all points."""
    lost = [
        sql.struct(
            (col(f"{_POINTS}{one.name}") - lit(one.best)).alias("loss"),
            lit(place).alias("place"),
            lit(one.name).alias("name"),
        )
        for place, one in enumerate(card.features)
    ]
    worst = sql.slice(sql.array_sort(sql.array(*lost)), 1, REASONS)
    return sql.transform(sql.filter(worst, lambda one: one["loss"] < 0), lambda one: one["name"])
