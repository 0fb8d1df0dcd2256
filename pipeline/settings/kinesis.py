"""The stream that is consumed, the tables beside it, and how its batches are cut."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core.core_schema import ValidationInfo

from pipeline.settings.group import Count, SettingsGroup, setting

TableName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{3,255}$")]


def position_of(text: object) -> str | datetime:
    """TRIM_HORIZON, LATEST or an aware moment. Raises `ValueError`."""
    if str(text).upper() in ("TRIM_HORIZON", "LATEST"):
        return str(text).upper()
    try:
        moment = datetime.fromisoformat(str(text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is neither TRIM_HORIZON nor LATEST nor an ISO 8601 time stamp") from None


class KinesisSettings(SettingsGroup):
    """The stream, its tables of leases and dead letters, and what one batch takes of it."""

    title: ClassVar = "Kinesis stream"

    stream_name: str = setting(
        "Kinesis stream to consume", "byte-henry", "name", default="byte-henry", pattern=r"^[a-zA-Z0-9_.-]{1,128}$"
    )
    consumer_name: TableName = setting(
        "DynamoDB table of leases and checkpoints", "cloud-consumer", "name", default="cloud-consumer"
    )
    failover_table: TableName = setting(
        "DynamoDB table of dead letters",
        "utopia-failover-HA-DynamoDB",
        "name",
        default="utopia-failover-HA-DynamoDB",
        validate_default=True,
    )
    initial_position: Annotated[Literal["TRIM_HORIZON", "LATEST"] | datetime, BeforeValidator(position_of)] = setting(
        "Where to begin in a shard that has no lease yet: TRIM_HORIZON, LATEST or a time of arrival (UTC)",
        "2021-10-06T11:28:47Z",
        "position",
        default="TRIM_HORIZON",
    )
    batch_length: float = setting(
        "Interval of the stream's ticks", "0.5", "seconds", default=5.0, ge=0.1, le=3600, allow_inf_nan=False
    )
    partitions: Count = setting("Partitions that a batch is spread over", "4", "partitions", default=4, le=1000)
    max_threads: Count = setting(
        "Threads of one task, and so its connections to the database", "4", "threads", default=4, le=100
    )
    max_records_per_shard: Count = setting(
        "Most records that one batch reads of one shard", "20000", "records", default=20_000, le=1_000_000
    )
    chunk_size: Count = setting("Most messages of one database transaction", "1000", "messages", default=1000, le=5000)

    @field_validator("failover_table")
    @classmethod
    def _table_of_its_own(cls, table: str, info: ValidationInfo) -> str:
        if table == info.data.get("consumer_name"):
            raise ValueError("is CONSUMER_NAME: leases share their table with nothing")
        return table
