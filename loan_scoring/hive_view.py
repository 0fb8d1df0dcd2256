"""The five columns of old, for Hive's readers: a view of the table of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loan_scoring.names import HIVE_VIEW, PREDICTIONS
from loan_scoring.table import OLD_COLUMNS
from pipeline.lake.errors import translated
from pipeline.lake.lake import Lake, spark_name
from pipeline.settings.lake import GLUE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TYPES: Final = {"annual_inc": "int", "data": "float", "funded_amnt": "int", "member_id": "int", "status": "string"}
TEXT: Final = f"SELECT {', '.join(OLD_COLUMNS)} FROM {{}}"


def ensure_view(lake: Lake, session: SparkSession) -> None:
    """Make it where it is missing. Raises `Transient`."""
    if lake.where == GLUE:
        _in_glue(lake)
    else:
        session.sql(f"CREATE VIEW IF NOT EXISTS {spark_name(HIVE_VIEW)} AS {TEXT.format(spark_name(PREDICTIONS))}")


def _in_glue(lake: Lake) -> None:
    """Iceberg has no views there: one of Glue's own, in the words that Hive and Spark have in common."""
    from pyiceberg.catalog.glue import GlueCatalog

    catalog = lake.catalog()
    assert isinstance(catalog, GlueCatalog)
    database, _, name = HIVE_VIEW.partition(".")
    text = TEXT.format(PREDICTIONS)
    columns = [{"Name": column, "Type": TYPES[column]} for column in OLD_COLUMNS]
    view = {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "ViewOriginalText": text,
        "ViewExpandedText": text,
        "StorageDescriptor": {"Columns": columns, "SerdeInfo": {}},
    }
    with translated():
        try:
            catalog.glue.create_table(DatabaseName=database, TableInput=view)
        except catalog.glue.exceptions.AlreadyExistsException:
            return
