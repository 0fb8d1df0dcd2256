"""Where the lakehouse is: its warehouse, and the catalog that says what the tables are by now."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from pipeline.mysql.location import parse_mysql_location
from pipeline.settings.group import SettingsGroup, setting

GLUE: Final = "glue"
SQLITE: Final = "jdbc:sqlite:"
MYSQL: Final = re.compile(r"(?i)jdbc:(mysql|mariadb)://")
_WAREHOUSE: Final = re.compile(r"(s3a?://[^/\s]+(/\S*)?|file:/\S+|/\S*|[^:\s]+)")


def _catalog(text: str) -> str:
    """Raises `ValueError`."""
    if text.lower() == GLUE:
        return GLUE
    if text.startswith(SQLITE) and text != SQLITE:
        return text
    if MYSQL.match(text):
        parse_mysql_location(text)
        return text
    raise ValueError("is none of jdbc:sqlite:/folder/file, jdbc:mysql://host:port/schema and glue")


def _warehouse(text: str) -> str:
    """Raises `ValueError`."""
    if not _WAREHOUSE.fullmatch(text):
        raise ValueError("is neither a folder nor an s3:// URI")
    return re.sub(r"^s3a:", "s3:", text).rstrip("/") or "/"


Warehouse = Annotated[str, AfterValidator(_warehouse)]
Catalog = Annotated[str, AfterValidator(_catalog)]
_URI: Final = ("The warehouse: where the tables' files are", "s3://bank-lake/warehouse", "folder or s3:// URI")
_CATALOG: Final = (
    "What knows the tables' newest state: a file of SQLite (one machine), a schema of MySQL or MariaDB, or AWS Glue",
    "jdbc:mysql://db.example.org:3306/lake?sslMode=VERIFY_IDENTITY",
    "jdbc:sqlite:…, jdbc:mysql://… or glue",
)


class LakeAccessSettings(SettingsGroup):
    """How to get into the lakehouse: tables of Iceberg, which Spark, DuckDB, Athena and others read."""

    title: ClassVar = "Lakehouse access"

    lake_user: str | None = setting(
        "User of the catalog in MySQL; wins over one within LAKE_CATALOG", "lake", "name", default=None, max_length=80
    )
    lake_password: SecretStr | None = setting("Their password", "(secret)", "secret", default=None)
    lake_ssl_ca: str | None = setting(
        "What the certificate of the catalog in MySQL must descend from, with sslMode=VERIFY_CA or VERIFY_IDENTITY",
        "/etc/rds/global-bundle.pem",
        "path of a PEM file",
        default=None,
    )
    lake_region: str | None = setting(
        "Region of Glue and S3, where it is not the one that AWS's own settings (AWS_REGION) name",
        "us-east-1",
        "region",
        default=None,
        pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$",
    )
    lake_endpoint: str | None = setting(
        "Another address of Glue and S3 than AWS's own",
        "http://127.0.0.1:5000",
        "URL",
        default=None,
        pattern=r"^https?://\S+$",
    )


class LakeSettings(LakeAccessSettings):
    """The lakehouse of a service that cannot do without its tables."""

    title: ClassVar = "Lakehouse"

    lake_uri: Warehouse = setting(*_URI)
    lake_catalog: Catalog = setting(*_CATALOG)


class OptionalLakeSettings(LakeAccessSettings):
    """The lakehouse of a service that writes its tables where they are wanted."""

    title: ClassVar = "Lakehouse, where it is wanted"

    lake_uri: Warehouse | None = setting(f"{_URI[0]}. Unless given, no tables are written", *_URI[1:], default=None)
    lake_catalog: Catalog | None = setting(
        f"{_CATALOG[0]}. With LAKE_URI, and needed there", *_CATALOG[1:], default=None, validate_default=True
    )

    @field_validator("lake_catalog")
    @classmethod
    def _with_a_warehouse(cls, catalog: str | None, info: ValidationInfo) -> str | None:
        if "lake_uri" in info.data and (catalog is None) != (info.data["lake_uri"] is None):
            raise ValueError("is missing, but LAKE_URI is given" if catalog is None else "is given without LAKE_URI")
        return catalog
