"""Tables of the lakehouse: made right, written once, kept small; by Spark and by PyIceberg, in each kind of catalog."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyspark.sql import SparkSession

from pipeline.lake.append import Note, append_once, noted
from pipeline.lake.description import describe
from pipeline.lake.lake import CATALOG, Lake
from pipeline.lake.maintenance import maintain
from pipeline.lake.merge import merge_once
from pipeline.lake.table import PROPERTIES, Table, ensure
from pipeline.runtime.errors import Fatal, Transient
from pipeline.structured.session import build_session
from tests.own_jvm import end_jvm
from tests.schema import Schema

COLUMNS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("amount", pa.int32()),
        pa.field("reasons", pa.list_(pa.string())),
    ]
)
DAY = datetime(2023, 8, 25, tzinfo=UTC)
TOPIC = "things"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("lake")
    return Lake((folder / "warehouse").as_uri(), f"jdbc:sqlite:{folder}/catalog.db")


@pytest.fixture(scope="module")
def spark(lake: Lake) -> Iterator[SparkSession]:
    os.environ |= {"SPARK_MASTER": "local[2]", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    aws = dataclasses.replace(lake, where="glue").jars
    session = build_session("lake", ["tests"], {**lake.options(), "spark.sql.shuffle.partitions": "2"}, jars=aws)
    try:
        yield session
    finally:
        session.stop()
        end_jvm()
        del os.environ["SPARK_MASTER"]


@pytest.fixture
def table(lake: Lake) -> Table:
    made = Table(f"shop.things{next(_numbers)}", COLUMNS, day="at", sort=("at",), says="Things")
    ensure(lake, [made])
    return made


def rows(*numbers: int, amount: int = 1) -> pa.Table:
    found = [(str(number), DAY + timedelta(minutes=number), amount, ["a", "b"]) for number in numbers]
    return pa.Table.from_pylist([dict(zip(COLUMNS.names, row, strict=True)) for row in found], COLUMNS)


def there(lake: Lake, table: Table) -> list[tuple[str, int]]:
    found = lake.catalog().load_table(table.name).scan().to_arrow().sort_by("id").to_pylist()
    return [(row["id"], row["amount"]) for row in found]


def in_spark(spark: SparkSession, some: pa.Table) -> Any:
    kinds = "id STRING NOT NULL, at TIMESTAMP NOT NULL, amount INT, reasons ARRAY<STRING>"
    return spark.createDataFrame([tuple(row.values()) for row in some.to_pylist()], kinds)


def load(lake: Lake, table: Table, some: pa.Table, through: int, identity: str = "one") -> None:
    there = lake.catalog().load_table(table.name)
    if noted(there, TOPIC, identity).through.get(0, 0) < through:
        append_once(there, some, TOPIC, Note(identity, {0: through}))


def test_a_table_is_made_with_what_keeps_it_small_and_grows_by_columns(lake: Lake, table: Table) -> None:
    made = lake.catalog().load_table(table.name)
    assert (
        made.properties.items() >= {key: value for key, value in PROPERTIES.items() if key != "format-version"}.items()
    )
    assert made.format_version == 2
    assert [field.name for field in made.spec().fields] == ["at_day"]
    assert made.properties["comment"] == "Things"
    ensure(lake, [dataclasses.replace(table, columns=COLUMNS.append(pa.field("more", pa.string())))])
    columns = lake.catalog().load_table(table.name).schema().fields
    assert [column.name for column in columns] == [*COLUMNS.names, "more"]
    wrong = pa.schema([pa.field("id", pa.int64())])
    with pytest.raises(Fatal, match="the column id is string, and not int64"):
        ensure(lake, [dataclasses.replace(table, columns=wrong)])


def test_rows_are_there_once_however_often_they_are_brought(lake: Lake, table: Table) -> None:
    load(lake, table, rows(1, 2), 2)
    load(lake, table, rows(1, 2), 2)
    load(lake, table, rows(3), 3)
    assert there(lake, table) == [("1", 1), ("2", 1), ("3", 1)]
    load(lake, table, rows(4), 1, identity="a topic that was made anew")
    assert len(there(lake, table)) == 4


def test_of_two_writers_who_have_read_the_same_note_one_adds_nothing(lake: Lake, table: Table) -> None:
    one, other = (lake.catalog().load_table(table.name) for _ in range(2))
    append_once(one, rows(1, 2), TOPIC, Note("one", {0: 2}))
    with pytest.raises(Transient, match="another writer of the table was faster"):
        append_once(other, rows(1, 2), TOPIC, Note("one", {0: 2}))
    with pytest.raises(Transient):
        append_once(other, rows(), TOPIC, Note("one", {0: 1}))
    assert there(lake, table) == [("1", 1), ("2", 1)]
    assert noted(lake.catalog().load_table(table.name), TOPIC, "one") == Note("one", {0: 2})


def test_maintenance_leaves_few_files_and_all_rows_and_costs_a_writer_nothing(
    lake: Lake, table: Table, spark: SparkSession
) -> None:
    for number in range(12):
        load(lake, table, rows(number, number + 100), number + 1)
    before, folder = there(lake, table), Path(lake.uri.removeprefix("file://")) / table.name.replace(".", "/")
    stranger = next(folder.rglob("*.parquet")).with_name("stranger.parquet")
    stranger.write_bytes(b"of a writer that died")
    os.utime(stranger, (0, 0))
    stale = lake.catalog().load_table(table.name)
    (done,) = maintain(spark, [table.name])
    assert (done.compacted, done.into, done.orphans, done.expired) == (12, 1, 1, 0)
    append_once(stale, rows(200), TOPIC, Note("one", {0: 13}))
    (done,) = maintain(spark, [table.name], keep=timedelta(0))
    assert done.expired > 10
    assert not stranger.exists()
    (found,) = describe(lake, [table.name, "shop.not_there"])
    assert (found.rows, found.files, found.small) == (25, 2, 2)
    assert found.snapshots <= 2
    assert there(lake, table) == sorted([*before, ("200", 1)])
    assert spark.table(f"{CATALOG}.{table.name}").count() == 25
    assert len(list(folder.rglob("*.metadata.json"))) <= 22
    load(lake, table, rows(0, 100), 1)
    assert len(there(lake, table)) == 25, "the note has outlived the snapshots"
    assert noted(lake.catalog().load_table(table.name), TOPIC, "one").through == {0: 13}


def test_a_row_of_a_key_is_merged_once(lake: Lake, table: Table, spark: SparkSession) -> None:
    merge_once(in_spark(spark, rows(*range(200))), table.name, "id")
    merge_once(in_spark(spark, rows(*range(100, 210), amount=2)), table.name, "id")
    found = there(lake, table)
    assert len(found) == 210
    assert sum(amount for _, amount in found) == 200 + 2 * 10
    merge_once(in_spark(spark, rows(5, amount=3)), table.name, "id", "new.amount > old.amount")
    merge_once(in_spark(spark, rows(5, amount=1)), table.name, "id", "new.amount > old.amount")
    assert ("5", 3) in there(lake, table)
    (told,) = describe(lake, [table.name])
    assert told.files <= 2


def test_of_two_who_merge_the_same_key_one_has_to_try_again(lake: Lake, table: Table, spark: SparkSession) -> None:
    """Another commits between what the MERGE reads and what it writes: in a task of the MERGE itself."""
    merge_once(in_spark(spark, rows(1)), table.name, "id")
    where = lake

    def meanwhile(some: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in some:
            if batch.num_rows:
                load(where, table, rows(2), 2)
            yield batch

    frame = in_spark(spark, rows(2)).coalesce(1)
    slow = frame.mapInArrow(meanwhile, frame.schema)
    with pytest.raises(Transient, match="was faster"):
        merge_once(slow, table.name, "id")
    assert there(lake, table) == [("1", 1), ("2", 1)]


def round_trip(spark: SparkSession, lake: Lake) -> None:
    """Made and written by PyIceberg, merged by Spark, maintained, read by both."""
    session = spark.newSession()
    for name, value in lake.options().items():
        if name != "spark.sql.extensions":
            session.conf.set(name, value)
    lake.log_in(session)
    table = Table("shop.elsewhere", COLUMNS, day="at")
    lake.probe()
    ensure(lake, [table])
    for number in range(5):
        load(lake, table, rows(number), number + 1)
    merge_once(in_spark(session, rows(4, 5, amount=2)), table.name, "id")
    list(maintain(session, [table.name]))
    assert there(lake, table) == [(str(number), 1) for number in range(5)] + [("5", 2)]
    assert session.table(f"{CATALOG}.{table.name}").count() == 6


def test_the_catalog_may_be_a_schema_of_mysql(spark: SparkSession, empty_schema: Schema, tmp_path: Path) -> None:
    where = f"jdbc:mysql://{empty_schema.host}:{empty_schema.port}/{empty_schema.name}"
    round_trip(spark, Lake(tmp_path.as_uri(), where, empty_schema.user, empty_schema.password))


def test_the_catalog_may_be_glue_and_the_warehouse_s3(spark: SparkSession, own_moto: str) -> None:
    boto3.client("s3", endpoint_url=own_moto).create_bucket(Bucket="lake")
    round_trip(spark, Lake("s3://lake/warehouse", "glue", region="us-east-1", endpoint=own_moto))
