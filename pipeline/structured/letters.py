"""Letters: records that could not be read, as they came, with the reason in headers, in `<topic>.letters`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as sql

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

from pipeline.kafka.letters import SUFFIX

HEADERS: Final = "array<struct<key: string, value: binary>>"


def as_rows(letters: DataFrame) -> DataFrame:
    """Rows of the sink from letters (columns `service.LETTER`)."""
    headers = sql.array(
        _header("reason", sql.col("reason")),
        _header("topic", sql.col("topic")),
        _header("partition", sql.col("partition").cast("string")),
        _header("offset", sql.col("offset").cast("string")),
        _header("timestamp", sql.unix_millis("timestamp").cast("string")),
        _header("field", sql.col("field")),
        _header("error", sql.col("error")),
    )
    return letters.select(
        sql.concat(sql.col("topic"), sql.lit(SUFFIX)).alias("to"),
        sql.filter(headers, lambda header: header["value"].isNotNull()).alias("headers"),
        sql.col("reason").alias("kind"),
        "key",
        "value",
        "topic",
        "partition",
        "offset",
    )


def _header(name: str, value: Column) -> Column:
    return sql.struct(sql.lit(name).alias("key"), value.cast("binary").alias("value"))
