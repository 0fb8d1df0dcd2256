"""Settings of the channel statistics, in groups."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from pipeline.mysql.location import MysqlLocation
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.settings.database import RdsSettings, location_of
from pipeline.settings.group import Count, SettingsGroup, setting
from pipeline.settings.kafka import BrokerSettings

SCHEMA: Final = "yt"


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")) or "@" in text:
        raise ValueError("is not an http:// or https:// URL without a user in it")
    return text.rstrip("/")


class RegistrySettings(SettingsGroup):
    """The registry of schemas."""

    title: ClassVar = "Schema registry"

    schema_registry_url: Annotated[str, AfterValidator(_address)] = setting(
        "Where Confluent's API of the registry begins; of Apicurio its path is /apis/ccompat/v7",
        "https://registry.example.org/apis/ccompat/v7",
        "URL",
    )
    schema_registry_user: str | None = setting(
        "User of the registry, where it asks for one", "channel-stats", "name", default=None
    )
    schema_registry_password: SecretStr | None = setting(
        "Password of that user", "(secret)", "secret", default=None, validate_default=True
    )
    schema_registry_ca: str | None = setting(
        "Certificates that the registry's own must descend from, where those that the system trusts do not do",
        "/etc/ssl/registry/ca.pem",
        "path of a PEM file",
        default=None,
    )

    @field_validator("schema_registry_password")
    @classmethod
    def _with_its_user(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (password is None) != (info.data.get("schema_registry_user") is None):
            raise ValueError("goes with SCHEMA_REGISTRY_USER: neither or both are set")
        return password

    @field_validator("schema_registry_ca")
    @classmethod
    def _is_a_file(cls, path: str | None) -> str | None:
        if path is not None and not Path(path).is_file():
            raise ValueError("is not the path of a file")
        return path


class TableSettings(RdsSettings):
    """The database with the tables."""

    title: ClassVar = "Tables of the channels"

    mysql_loc: Annotated[MysqlLocation, PlainValidator(partial(location_of, schema=SCHEMA))] = setting(
        f"Where the database is: a JDBC or mysql:// URL; port 3306 and schema {SCHEMA} unless it says otherwise",
        "jdbc:mysql://db.example.org:3306/yt?sslMode=VERIFY_IDENTITY",
        "URL",
    )
    aws_default_region: str = setting(
        "Region of the secret, or of the database; needed with MYSQL_SECRET_ID and MYSQL_IAM only; AWS_REGION where it "
        "is absent",
        "us-east-1",
        "region",
        default="",
        pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$",
    )

    @field_validator("mysql_iam")
    @classmethod
    def _somewhere(cls, iam: bool, info: ValidationInfo) -> bool:
        if (iam or info.data.get("mysql_secret_id")) and info.data.get("aws_default_region") == "":
            raise ValueError("or MYSQL_SECRET_ID is set: AWS_DEFAULT_REGION has to say where")
        return iam


class ChannelSettings(RegistrySettings, TableSettings, AnalyticsSettings):
    """Channel statistics: `python stream_analytics.py channel-stats`."""

    title: ClassVar = "channel-stats"

    max_records_per_batch: Annotated[Count, Field(le=10_000_000)] = setting(
        "Most harvests that one batch reads: a backlog is worked off by so many in each interval",
        "200000",
        "records",
        default=500_000,
    )
    daily_length: float = setting(
        "Interval of the batches per day, in place of BATCH_LENGTH: with the time that a batch takes, what is "
        "harvested is in effect within 10 seconds",
        "2",
        "seconds",
        default=6.0,
        ge=0.1,
        le=10,
        allow_inf_nan=False,
    )
    monthly_length: Annotated[float, Field(allow_inf_nan=False)] = setting(
        "Interval of the batches per month, in place of BATCH_LENGTH: with the time that a batch takes, what is "
        "harvested is in effect within 30 seconds",
        "10",
        "seconds",
        default=20.0,
        ge=0.1,
        le=30,
    )


class ReadSettings(RegistrySettings, BrokerSettings):
    """Avro of the channel statistics as JSON: `python -m channel_stats read`."""

    title: ClassVar = "python -m channel_stats read"


class StoreSettings(TableSettings, ReadSettings):
    """Avro of the channel statistics into tables: `python -m channel_stats store`."""

    title: ClassVar = "python -m channel_stats store"
