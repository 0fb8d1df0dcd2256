"""Spark's classes in one archive, which every JVM of the tests maps instead of reading 300 jars: a third of its start.

    python -m tests.spark_archive       # make it, where there is none for this Spark, Java and place

The JVM leaves it aside where it does not fit, and the tests run all the same without it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.servers import ROOT

FOLDER: Final = ROOT / ".cache" / "spark-classes"


def archive() -> Path:
    """Where it is, or would be: classes are looked up by where jars and Java are, and how old."""
    java = (
        Path(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else Path(str(shutil.which("java")))
    )
    spark = find_spec("pyspark")
    assert spark is not None and spark.origin is not None
    places = (Path(spark.origin).parent / "jars", java.resolve())
    known = " ".join(f"{place} {place.stat().st_mtime_ns}" for place in places)
    return FOLDER / f"{hashlib.sha256(known.encode()).hexdigest()[:16]}.jsa"


def quick_start() -> dict[str, str]:
    """What spark-submit, and so every driver, is to be told: start quickly, with the archive where there is one.

    The analytics' JVM compiles for hours to come, which takes 6 s of processor time before it has done anything.
    """
    own = [f"-XX:SharedArchiveFile={archive()}"] if archive().exists() else []
    return {"SPARK_SUBMIT_OPTS": " ".join(["-XX:TieredStopAtLevel=1", *own])}


def make() -> None:
    """Write what Spark has loaded after a little of all that the services do with it."""
    from pyspark.sql import SparkSession
    from pyspark.streaming import StreamingContext

    from pipeline.spark.context import JVM_OPTIONS, build_context
    from tests.own_jvm import end_jvm

    wanted = archive()
    shutil.rmtree(FOLDER, ignore_errors=True)  # those of other versions
    FOLDER.mkdir(parents=True)
    new = wanted.with_suffix(".new")
    options = {"spark.master": "local[2]", "spark.sql.shuffle.partitions": "2"}
    context = build_context("classes", ["pipeline"], options, f"{JVM_OPTIONS} -XX:ArchiveClassesAtExit={new}")
    StreamingContext(context, 1)
    context.parallelize(range(10), 2).map(str).collect()
    session = SparkSession(context)
    session.range(100).repartition(2, "id").selectExpr("count(*)", "max(id)").collect()
    stream = session.readStream.format("rate").load().groupBy("value").count()
    query = stream.writeStream.format("noop").outputMode("complete").trigger(availableNow=True).start()
    query.awaitTermination()
    context.stop()
    end_jvm()
    new.rename(wanted)


if __name__ == "__main__":
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if not archive().exists():
        make()
