"""A row for each key, whatever is retried and whoever else writes: MERGE, in Spark."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors.exceptions.captured import CapturedException

from pipeline.lake.errors import NAME
from pipeline.lake.lake import spark_name
from pipeline.runtime.errors import Transient

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CONFLICTS: Final = (
    "org.apache.iceberg.exceptions.ValidationException",
    "org.apache.iceberg.exceptions.CommitFailedException",
)
NEVER: Final = "old.`{key}` IS NULL"
"""A clause for rows that match has to be there: without one, Iceberg appends, and of two writers both insert."""


def merge_once(rows: DataFrame, table: str, key: str, replaces: str = "", within: str = "") -> None:
    """Insert rows whose key is not in the table yet; those that are there stay.

    `rows`: columns of the table, some at least, and none twice by key. `table`: with its namespace. `replaces`: SQL on
    `old` and `new` that says when a row takes the place of the one that is there. `within`: SQL on `old` that is true
    of each row of these keys: files of which the table knows that it is not are not read.

    Raises `Transient` where another writer was faster: nothing is written then.
    """
    session = rows.sparkSession
    same = f"old.`{key}` = new.`{key}`" + (f" AND {within}" if within else "")
    view = f"rows_{uuid.uuid4().hex}"
    rows.coalesce(1).createOrReplaceTempView(view)
    try:
        session.sql(
            f"MERGE INTO {spark_name(table)} AS old USING {view} AS new ON {same} "
            f"WHEN MATCHED AND {replaces or NEVER.format(key=key)} THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )
    except (Py4JJavaError, CapturedException) as error:
        if not any(conflict in str(error) for conflict in CONFLICTS):
            raise
        lost = Transient(f"another writer of {table} was faster")
        lost.waits_for = NAME
        raise lost from None
    finally:
        session.catalog.dropTempView(view)
