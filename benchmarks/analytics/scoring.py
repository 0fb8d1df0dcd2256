"""Loan scoring without topics, in a process of its own: `python -m benchmarks.analytics.scoring stages|day NUMBER`.

`stages`: NUMBER applications in memory through reading, both models and the table's columns, to nowhere.
`day`: NUMBER batches of a day into the table, with maintenance in between; then what the table has become.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlparse

import structlog
from pyspark.sql import DataFrame, SparkSession

from loan_scoring.names import PREDICTIONS
from loan_scoring.predictions import rows
from loan_scoring.registry import Model, Registry
from loan_scoring.service import JVM
from loan_scoring.settings import LoanSettings
from loan_scoring.table import KEY, TABLE
from loan_scoring.tasks import GIVEN, READ, Read
from pipeline.lake.lake import Lake, spark_name
from pipeline.lake.maintenance import maintain
from pipeline.lake.merge import merge_once
from pipeline.lake.table import ensure
from pipeline.runtime import logs
from pipeline.structured.service import RECORD
from pipeline.structured.session import build_session
from producers.loans import TOPIC, Mishaps, applications

IN_A_BATCH = 100
MAINTAINED = 10
"""How often in the day: a real one has 24 hours with 360 batches each."""
ROUNDS = 3


def records(session: SparkSession, number: int, first: int = 0) -> DataFrame:
    """Applications as the source has them (columns `GIVEN`), all of today."""
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    made = applications(first + 1, number, Mishaps(ids=0.0, broken=0.0), first)
    told = [
        (one.key, one.value, TOPIC, 0, first + place, noon + timedelta(milliseconds=first + place), None)
        for place, one in enumerate(made)
    ]
    return session.createDataFrame(told, RECORD).select(*GIVEN)


def stages(session: SparkSession, model: Model, number: int) -> dict[str, object]:
    """Seconds of the best of some rounds, once everything is warm."""
    source = records(session, number // 10).repartition(4).persist()
    read_ = source.count()
    repeated = source.crossJoin(session.range(10)).select(*GIVEN)
    seconds = []
    for _ in range(ROUNDS):
        begun = time.monotonic()
        read = repeated.mapInArrow(Read(model.challenger, {TOPIC: "bench"}, "applicant_group"), READ)
        rows(read, model, datetime.now(UTC), dedupe=False).write.format("noop").mode("overwrite").save()
        seconds.append(time.monotonic() - begun)
    return {"seconds": min(seconds), "rows": read_ * 10}


def day(session: SparkSession, lake: Lake, model: Model, number: int) -> dict[str, object]:
    """What a table has become of so many batches."""
    ensure(lake, [TABLE])
    source = records(session, number * IN_A_BATCH).persist()
    source.count()
    took = []
    for batch in range(number):
        begun = time.monotonic()
        some = source.where(f"offset >= {batch * IN_A_BATCH} AND offset < {(batch + 1) * IN_A_BATCH}")
        read = some.mapInArrow(Read(model.challenger, {TOPIC: "bench"}, "applicant_group"), READ).persist()
        merge_once(rows(read, model, datetime.now(UTC), dedupe=False), PREDICTIONS, KEY)
        read.unpersist()
        took.append(time.monotonic() - begun)
        if (batch + 1) % max(number // MAINTAINED, 1) == 0:
            list(maintain(session, [PREDICTIONS], keep=timedelta(0)))
    return {"first": _mean(took[5:25]), "last": _mean(took[-20:]), **_shape(session, lake, number * IN_A_BATCH)}


def _shape(session: SparkSession, lake: Lake, expected: int) -> dict[str, object]:
    begun = time.monotonic()
    query = f"SELECT count(DISTINCT {KEY}), avg(data) FROM {spark_name(PREDICTIONS)} WHERE applied_at >= current_date()"
    found = session.sql(query).collect()[0][0]
    seconds = time.monotonic() - begun
    if found != expected:
        raise RuntimeError(f"{found} rows, not {expected}")
    table = lake.catalog().load_table(PREDICTIONS)
    folder = Path(urlparse(table.location()).path)
    size = {name: sum(one.stat().st_size for one in (folder / name).rglob("*") if one.is_file()) for name in _FOLDERS}
    files = len(table.inspect.data_files())
    return {
        "files": files,
        "data_bytes": size["data"],
        "metadata_bytes": size["metadata"],
        "query": seconds,
        "rows": found,
    }


_FOLDERS = ("data", "metadata")


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / max(len(numbers), 1)


def main() -> None:
    """Tells of it in one line of the log."""
    logs.configure()
    settings = LoanSettings.read(os.environ)
    lake = Lake.of(settings)
    session = build_session(
        "scoring", ["loan_scoring", "producers"], {**settings.spark_sizes(), **lake.options()}, jars=lake.jars, jvm=JVM
    )
    lake.log_in(session)
    champion = Registry(settings.models).promotions()[-1].version
    model = Registry(settings.models).model(champion)
    what, number = sys.argv[1], int(sys.argv[2])
    told = stages(session, model, number) if what == "stages" else day(session, lake, model, number)
    structlog.get_logger().info("ended", **told)
    session.stop()


if __name__ == "__main__":
    main()
