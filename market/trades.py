"""The service `trades`: the topic `stocks` → sliding windows of average prices, to the topic `stocks_averages`.

Records are read in Spark's own SQL. How many of a batch are no trades is counted on the way; only where there are some
is the batch read again, for its letters.

| reason        | meaning                                                                         |
|---------------|---------------------------------------------------------------------------------|
| no_value      | a record without a value                                                        |
| empty         | no characters, or blanks only                                                   |
| not_utf8      | bytes that are no text                                                          |
| quoted        | a quotation mark: fields are never quoted, and hold no comma                    |
| wrong_columns | neither five fields nor six                                                     |
| missing_field | an empty name, price, quantity or time                                          |
| wrong_side    | neither SELL nor BUY, in capitals                                               |
| wrong_type    | no plain number; of the time, no whole number of milliseconds                   |
| not_finite    | NaN or an infinity                                                              |
| out_of_range  | a number that cannot be computed with, or a time after the year 9999            |
| negative      | a price, quantity or time below zero                                            |
| far_ahead     | an event more than five minutes after the record's own time                     |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sql
from pyspark.sql.functions import col, lit

from pipeline.structured.service import Batch, Flow, Service

READS, WRITES = "stocks", "stocks_averages"
LENGTH, EVERY, PATIENCE = "10 seconds", "5 seconds", "5 seconds"
"""Of the windows, and how long an event may be behind the newest one."""
AHEAD_MS: Final = 5 * 60 * 1000
HIGHEST: Final = 1e300
"""So that the sum of a window's prices is finite."""
LAST_MS: Final = 253_402_300_799_999
OBSERVED: Final = "trades"
SHOWN = ("name", "average", "lowest", "highest", "count")
MOST_SHOWN: Final = 1000
NUMBER: Final = r"\A[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\z"
MILLIS: Final = r"\A\d{1,15}\z"
FIELDS = ("name", "side", "price", "quantity", "time")

_TIME: Final = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"


def windows(records: DataFrame) -> DataFrame:
    """Records → windows that have closed: `window`, `name`, `average`, `lowest`, `highest`, `count`."""
    read = records.select(*_fields()).withColumn("good", _good())
    watched = read.observe(OBSERVED, sql.count_if(~col("good")).alias("letters"))
    price, moment = _double("price") + lit(0.0), sql.timestamp_millis(_millis())  # + 0: there is no -0
    trades = watched.where("good").select("name", price.alias("price"), moment.alias("moment"))
    return (
        trades.withWatermark("moment", PATIENCE)
        .groupBy(sql.window("moment", LENGTH, EVERY), "name")
        .agg(
            sql.avg("price").alias("average"),
            sql.min("price").alias("lowest"),
            sql.max("price").alias("highest"),
            sql.count(lit(1)).alias("count"),
        )
    )


def letters(records: DataFrame) -> DataFrame:
    """The records that are no trades, with their reasons."""
    place = ("key", "value", "topic", "partition", "offset", "timestamp")
    found = records.select("*", *_fields()).where(~_good())
    faults = _faults()
    reason = sql.coalesce(*(sql.when(fault, reason) for fault, reason, _ in faults))
    field = sql.coalesce(*(sql.when(fault, name) for fault, _, name in faults))
    error = lit(None).cast("string")
    return found.select(*place, reason.alias("reason"), sql.nullif(field, lit("")).alias("field"), error.alias("error"))


def rows(closed: DataFrame, topic: str) -> DataFrame:
    """Windows → what is written to `topic`: JSON by name, with the end of the window as its mark."""
    value = sql.to_json(
        sql.struct(
            sql.date_format("window.start", _TIME).alias("start"),
            sql.date_format("window.end", _TIME).alias("end"),
            col("name").alias("stockName"),
            col("average").alias("avgPrice"),
            col("lowest").alias("minPrice"),
            col("highest").alias("maxPrice"),
            "count",
        )
    )
    return closed.select(
        col("name").cast("binary").alias("key"),
        value.cast("binary").alias("value"),
        lit(topic).alias("topic"),
        lit(0).alias("partition"),
        sql.unix_millis("window.end").alias("offset"),
    )


@dataclass(frozen=True)
class Trades:
    """What becomes of each batch: windows that have closed to the topic `writes`, then letters."""

    writes: str

    def apply(self, batch: Batch) -> None:
        """Raises `PipelineError`."""
        self._write(batch, batch.frame)

    def apply_and_show(self, batch: Batch) -> None:
        """The same, and the windows to the console. Raises `PipelineError`."""
        closed = batch.frame.persist()
        try:
            self._write(batch, closed)
            if not closed.isEmpty():
                shown = closed.orderBy("window", "name").select(col("window.end").alias("until"), *SHOWN)
                shown.show(MOST_SHOWN, truncate=False)
        finally:
            closed.unpersist()

    def _write(self, batch: Batch, closed: DataFrame) -> None:
        batch.write(self.writes, rows(closed, self.writes), {(self.writes, 0): batch.watermark + 1})
        if batch.observed(OBSERVED)["letters"]:
            batch.letters(letters(batch.records()))


def service(*, console: bool = False) -> Service:
    """The service, put together; with `console`, windows are shown as well."""
    trades = Trades(WRITES)
    flow = Flow("windows", [READS], trades.apply_and_show if console else trades.apply, windows)
    return Service("trades", [flow], writes=[WRITES], packages=["market"])


def _fields() -> list[Column]:
    """The record as text, its time and its fields, null where there are none."""
    text = col("value").cast("string")
    parts = sql.split(text, ",", -1)
    fields = [sql.get(parts, lit(place)).alias(name) for place, name in enumerate(FIELDS)]
    return [
        text.alias("text"),
        sql.size(parts).alias("columns"),
        sql.unix_millis("timestamp").alias("arrived"),
        *fields,
    ]


def _good() -> Column:
    """Whether a record is a trade; what is not, has one of `_faults`."""
    checks = [
        col("columns").isin(5, 6),
        sql.rtrim("side").isin("SELL", "BUY"),
        sql.trim("name") != "",
        *(
            col(name).rlike(NUMBER) & (_double(name) >= 0) & (_double(name) <= HIGHEST)
            for name in ("price", "quantity")
        ),
        col("time").rlike(MILLIS) & (_millis() <= LAST_MS) & ~_far_ahead(),
        ~sql.contains("text", lit('"')),
        sql.is_valid_utf8("text"),
    ]
    return sql.coalesce(reduce(Column.__and__, checks), lit(False))


def _faults() -> list[tuple[Column, str, str]]:
    """What may be wrong with a record, the first counts: whether it is, reason, field."""
    return [
        (col("text").isNull(), "no_value", ""),
        (~sql.is_valid_utf8("text"), "not_utf8", ""),
        (sql.trim("text") == "", "empty", ""),
        (sql.contains("text", lit('"')), "quoted", ""),
        (~col("columns").isin(5, 6), "wrong_columns", ""),
        (sql.trim("name") == "", "missing_field", "name"),
        (~sql.rtrim("side").isin("SELL", "BUY"), "wrong_side", "side"),
        *_faults_of_number("price"),
        *_faults_of_number("quantity"),
        (sql.trim("time") == "", "missing_field", "time"),
        (col("time").rlike(r"\A-\d+\z"), "negative", "time"),
        (~col("time").rlike(r"\A\d+\z"), "wrong_type", "time"),
        (~col("time").rlike(MILLIS) | (_millis() > LAST_MS), "out_of_range", "time"),
        (_far_ahead(), "far_ahead", "time"),
    ]


def _faults_of_number(name: str) -> list[tuple[Column, str, str]]:
    return [
        (sql.trim(name) == "", "missing_field", name),
        (col(name).rlike("(?i)\\A[+-]?(nan|inf|infinity)\\z"), "not_finite", name),
        (~col(name).rlike(NUMBER), "wrong_type", name),
        (_double(name) < 0, "negative", name),
        (_double(name) > HIGHEST, "out_of_range", name),
    ]


def _double(name: str) -> Column:
    return col(name).try_cast("double")


def _millis() -> Column:
    """Never beyond what a time stamp holds."""
    return sql.least(col("time").try_cast("bigint"), lit(LAST_MS + 1))


def _far_ahead() -> Column:
    """A record of the oldest format has no time of its own."""
    return (col("arrived") > 0) & (_millis() > col("arrived") + AHEAD_MS)
