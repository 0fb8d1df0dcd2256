"""What every service needs that consumes a Kinesis stream into a database."""

from __future__ import annotations

from pipeline.settings.database import RdsSettings
from pipeline.settings.kinesis import KinesisSettings
from pipeline.settings.page import PageSettings
from pipeline.settings.spark import ScalingSettings, SparkSettings


class StreamSettings(PageSettings, ScalingSettings, SparkSettings, KinesisSettings, RdsSettings):
    """Database, AWS, stream, Spark and page."""
