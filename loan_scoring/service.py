"""The service `loan-scoring`: the topic `fintech_pyspark` → a row for each application in `lending.predictions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loan_scoring.champion import Champion
from loan_scoring.hive_view import ensure_view
from loan_scoring.names import READS
from loan_scoring.predictions import Predictions
from loan_scoring.registry import AWAY, Registry
from loan_scoring.settings import LoanSettings
from loan_scoring.table import TABLE
from loan_scoring.watch import Watch
from pipeline.lake.errors import NAME
from pipeline.lake.lake import Lake
from pipeline.lake.table import ensure
from pipeline.structured.service import FOR_NOW, Flow, Service

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JVM: Final = FOR_NOW
"""Compiling plans for hours to come took half of the processor time of the first batches, and later ones are no slower
without: 8.5 s of the JVM's against 16.9 for the first 100,000 applications, 4.4 against 5.3 for the fourth."""


def service(settings: LoanSettings) -> Service:
    """The service, put together."""
    lake, registry = Lake.of(settings), Registry(settings.models)
    champion = Champion(registry)
    predictions = Predictions(champion, settings.group_field)

    def prepare(session: SparkSession) -> None:
        lake.log_in(session)
        ensure(lake, [TABLE])
        ensure_view(lake, session)

    return Service(
        "loan-scoring",
        [Flow("predictions", [READS], predictions.apply)],
        packages=["loan_scoring"],
        needs=[(NAME, lake.probe), (AWAY, champion.current)],
        prepare=prepare,
        options=lake.options(),
        jars=lake.jars,
        jvm=JVM,
        watch=lambda told: Watch(lake, registry, champion, told),
        watch_interval=settings.watch_interval,
    )
