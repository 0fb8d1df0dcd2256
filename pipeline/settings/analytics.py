"""What every service of the analytics needs: brokers, Spark, page."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.settings.group import Count, setting
from pipeline.settings.kafka import KafkaSettings
from pipeline.settings.page import PageSettings
from pipeline.settings.spark import SparkSettings


class AnalyticsSettings(SparkSettings, KafkaSettings, PageSettings):
    """A service's own settings inherit these."""

    title: ClassVar = "Analytics"

    max_records_per_batch: Annotated[Count, Field(le=10_000_000)] = setting(
        "Most records that one batch reads of all topics together; a task has two minutes to read and write its share",
        "20000",
        "records",
        default=100_000,
    )
