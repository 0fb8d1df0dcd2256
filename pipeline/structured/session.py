"""Spark's session: with the jars of Kafka, in UTC, on this machine, a cluster or under spark-submit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from pipeline.runtime.errors import Fatal
from pipeline.spark.context import build_context
from pipeline.structured.jars import IAM, JARS, KAFKA
from pipeline.structured.source import IAM_LOGIN

CONNECTOR = "org.apache.spark.sql.kafka010.KafkaSourceProvider"
JVM_OPTIONS = "-XX:+UseSerialGC"
DEFAULTS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",  # of flows that keep a state, as many for ever
    "spark.sql.adaptive.enabled": "false",  # batches are small: thinking them over takes longer than running them
    "spark.sql.execution.arrow.maxRecordsPerBatch": "5000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 << 20),
    "spark.python.worker.faulthandler.enabled": "true",
    "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",
    "spark.sql.streaming.stopTimeout": "60s",
    "spark.sql.streaming.noDataProgressEventInterval": "2s",
    "spark.sql.ui.retainedExecutions": "20",
    "spark.io.encryption.enabled": "false",  # no codes of cards here
}


def build_session(
    name: str,
    packages: Iterable[str],
    options: Mapping[str, str],
    *,
    iam: bool = False,
    allow_plaintext: bool = False,
    jars: Sequence[str] = (),
    jvm: str = "",
    folder: Path = JARS,
) -> SparkSession:
    """The session, with `options` on top of ours. `jars`: further sections of jars.lock. `jvm`: further options.

    Raises `Fatal` where jars are not to be had.
    """
    folders = [folder / section for section in (KAFKA, *([IAM] if iam else []), *jars)]
    found = sorted(str(file) for section in folders for file in section.glob("*.jar"))
    own = {"spark.jars": ",".join(found)} if found else {}
    context = build_context(
        name,
        {*packages, "pipeline"},
        {**DEFAULTS, **own, **options},
        f"{JVM_OPTIONS} {jvm}".strip(),
        allow_plaintext=allow_plaintext,
    )
    try:
        for needed in (CONNECTOR, *([IAM_LOGIN] if iam else [])):
            context._jvm.java.lang.Class.forName(needed, True, _loader(context))  # type: ignore[union-attr]
    except Py4JError:
        context.stop()
        where = " ".join(map(str, folders))
        raise Fatal(
            f"Spark lacks jars for Kafka: `python -m scripts.fetch_jars` fetches them to {where}; "
            "under spark-submit, give them with --jars"
        ) from None
    return SparkSession(context)


def _loader(context: object) -> object:
    return context._jvm.org.apache.spark.util.Utils.getContextOrSparkClassLoader()  # type: ignore[attr-defined]
