"""What a table of the lakehouse is, and making it: with what keeps it small from its first day on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyarrow as pa  # type: ignore[import-untyped]

from pipeline.lake.errors import translated
from pipeline.lake.lake import Lake
from pipeline.runtime.errors import Fatal

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

PROPERTIES: Final = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    # Without these two metadata outgrow the data: 507 MB for 6 MB after 1,000 batches. Set later they reclaim little.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    # A MERGE: no deletes that readers have to apply, and an error where another writer has changed what it read.
    "write.merge.mode": "copy-on-write",
    "write.merge.isolation-level": "serializable",
    # One file of a partition, whatever the number of tasks.
    "write.merge.distribution-mode": "hash",
    "write.distribution-mode": "hash",
    "commit.retry.num-retries": "10",
    "commit.retry.max-wait-ms": "1000",
}


@dataclass(frozen=True)
class Table:
    """`name`: with its namespace, `lending.predictions`. `columns`: nullable=False is NOT NULL.

    `day`: the column by whose days it is partitioned. `sort`: columns by which maintenance sorts within files. `says`:
    what it holds, for people. `properties`: on top of `PROPERTIES`.
    """

    name: str
    columns: pa.Schema
    day: str | None = None
    sort: Sequence[str] = ()
    says: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


def ensure(lake: Lake, tables: Sequence[Table]) -> None:
    """Make what is missing: namespaces, tables, columns. What is there else is left as it is.

    Raises `Transient`, and `Fatal` for a table whose columns are of other types.
    """
    with closing(lake.catalog()) as catalog, translated():
        for namespace in sorted({table.name.rpartition(".")[0] for table in tables}):
            catalog.create_namespace_if_not_exists(namespace)
        for table in tables:
            _ensure(catalog, table)


def _ensure(catalog: Catalog, table: Table) -> None:
    from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError

    try:
        found = catalog.load_table(table.name)
    except NoSuchTableError:
        try:
            _create(catalog, table)
            return
        except TableAlreadyExistsError:
            found = catalog.load_table(table.name)
    _add_columns(found, table)


def _create(catalog: Catalog, table: Table) -> None:
    from pyiceberg.transforms import DayTransform, IdentityTransform

    comment = {"comment": table.says} if table.says else {}
    with catalog.create_table_transaction(
        table.name, schema=table.columns, properties={**PROPERTIES, **table.properties, **comment}
    ) as making:
        if table.day:
            with making.update_spec() as spec:
                spec.add_field(table.day, DayTransform(), f"{table.day}_day")
        if table.sort:
            with making.update_sort_order() as order:
                for column in table.sort:
                    order.asc(column, IdentityTransform())


def _add_columns(found: IcebergTable, table: Table) -> None:
    there = found.schema().as_arrow()
    types: Mapping[str, pa.DataType] = {column.name: column.type for column in there}
    for column in table.columns:
        if column.name in types and not _alike(types[column.name], column.type):
            raise Fatal(
                f"{table.name}: the column {column.name} is {_short(types[column.name])}, and not {column.type}"
            )
    missing = [column for column in table.columns if column.name not in types]
    if missing:
        with found.update_schema() as change:
            change.union_by_name(pa.schema([column.with_nullable(True) for column in missing]))


def _alike(one: pa.DataType, other: pa.DataType) -> bool:
    """Arrow has more types than Iceberg: long ones of text, bytes and lists."""
    return bool(_short(one).equals(_short(other)))


def _short(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(pa.field("element", _short(kind.value_type)))
    return kind
