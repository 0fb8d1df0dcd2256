"""Where the lakehouse is, as Spark and as PyIceberg are told of it: the same tables for both."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from pipeline.lake.errors import translated
from pipeline.mysql.location import MysqlLocation, parse_mysql_location
from pipeline.settings.lake import GLUE, MYSQL, SQLITE, LakeSettings, OptionalLakeSettings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyspark.sql import SparkSession

CATALOG: Final = "lake"
"""What it is called in Spark SQL: `lake.lending.predictions`. The rows in a catalog of SQL bear it, too."""
PREFIX: Final = f"spark.sql.catalog.{CATALOG}"
JARS, AWS_JARS = "iceberg", "iceberg-aws"
"""Sections of jars.lock."""
BUSY: Final = 30
"""Seconds that SQLite may be kept by another writer."""

_EXTENSIONS: Final = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
_MARIADB_MODES: Final = {
    "DISABLED": "disable",
    "PREFERRED": "disable",
    "REQUIRED": "trust",
    "VERIFY_CA": "verify-ca",
    "VERIFY_IDENTITY": "verify-full",
}


@dataclass(frozen=True)
class Lake:
    """`uri`: the warehouse, `where`: the catalog, as LAKE_URI and LAKE_CATALOG say it. `ca`: a PEM file. Picklable."""

    uri: str
    where: str
    user: str = ""
    password: str = field(default="", repr=False)
    region: str = ""
    endpoint: str = ""
    ca: str = ""

    @classmethod
    def of(cls, settings: LakeSettings | OptionalLakeSettings) -> Lake:
        """The lakehouse that settings name; they have to name one."""
        assert settings.lake_uri is not None and settings.lake_catalog is not None
        remote = settings.lake_uri.startswith(("s3:", "file:"))
        uri = settings.lake_uri if remote else Path(settings.lake_uri).resolve().as_uri()
        password = settings.lake_password.get_secret_value() if settings.lake_password else ""
        user, region, endpoint = settings.lake_user or "", settings.lake_region or "", settings.lake_endpoint or ""
        return cls(uri, settings.lake_catalog, user, password, region, endpoint, settings.lake_ssl_ca or "")

    @property
    def jars(self) -> tuple[str, ...]:
        """Sections of jars.lock that Spark needs for it."""
        return (JARS, AWS_JARS) if self._on_aws else (JARS,)

    def options(self) -> dict[str, str]:
        """Spark's options for it, but for a password (`log_in`).

        What a table is by now is asked of the catalog each time: others change it, too.
        """
        given = {"warehouse": self.uri, "cache-enabled": "false", **self._spark_catalog(), **self._spark_files()}
        return {
            "spark.sql.extensions": _EXTENSIONS,
            PREFIX: "org.apache.iceberg.spark.SparkCatalog",
            **{f"{PREFIX}.{name}": value for name, value in given.items()},
        }

    def log_in(self, session: SparkSession) -> None:
        """Tell a session the password of the catalog, before its first table: options can be seen by `ps`.

        Sessions that are made of it know it, too.
        """
        if MYSQL.match(self.where):
            session.conf.set(f"{PREFIX}.jdbc.password", self.password or self._mysql.password)

    def catalog(self) -> Catalog:
        """The same tables without Spark. Raises `Transient`, `Fatal`."""
        from pyiceberg.catalog import load_catalog

        if self.where.startswith(SQLITE):
            Path(self._sqlite).parent.mkdir(parents=True, exist_ok=True)
        with translated():
            return load_catalog(CATALOG, **self._python_catalog(), **self._python_files())

    def probe(self) -> None:
        """Raises `Transient` while the catalog does not answer."""
        with closing(self.catalog()) as catalog, translated():
            catalog.list_namespaces()

    @property
    def _on_aws(self) -> bool:
        return self.where == GLUE or self.uri.startswith("s3:")

    @property
    def _sqlite(self) -> str:
        return self.where.removeprefix(SQLITE).partition("?")[0]

    @property
    def _mysql(self) -> MysqlLocation:
        return parse_mysql_location(self.where)

    def _spark_catalog(self) -> dict[str, str]:
        if self.where == GLUE:
            return {"type": "glue", **({"glue.endpoint": self.endpoint} if self.endpoint else {})}
        if MYSQL.match(self.where):
            at = self._mysql
            mode = _MARIADB_MODES[at.tls]
            ca = f"&serverSslCert={self.ca}" if at.verifies and self.ca else ""
            uri = f"jdbc:mariadb://{at.host}:{at.port}/{at.schema}?sslMode={mode}{ca}"
            login = {"jdbc.user": self.user or at.user}
        else:
            uri, login = f"{SQLITE}{self._sqlite}", {"jdbc.busy_timeout": str(BUSY * 1000)}
        return {"type": "jdbc", "uri": uri, "jdbc.schema-version": "V1", **login}

    def _spark_files(self) -> dict[str, str]:
        if not self._on_aws:
            return {}
        found = {"io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "client.region": self.region}
        if self.endpoint:
            found |= {"s3.endpoint": self.endpoint, "s3.path-style-access": "true"}
        return {name: value for name, value in found.items() if value}

    def _python_catalog(self) -> dict[str, str]:
        if self.where == GLUE:
            found = {"type": "glue", "glue.region": self.region, "glue.endpoint": self.endpoint}
        elif MYSQL.match(self.where):
            found = {"type": "sql", "uri": self._mysql_uri(), "pool_pre_ping": "true"}
        else:
            found = {"type": "sql", "uri": f"sqlite:///{self._sqlite}?timeout={BUSY}"}
        return {"warehouse": self.uri, **{name: value for name, value in found.items() if value}}

    def _python_files(self) -> dict[str, str]:
        found = {"s3.region": self.region, "s3.endpoint": self.endpoint} if self._on_aws else {}
        return {name: value for name, value in found.items() if value}

    def _mysql_uri(self) -> str:
        """As SQLAlchemy takes it. In Python alone: the connector's C extension and Arrow do not bear one another."""
        at = self._mysql
        user, password = quote(self.user or at.user, safe=""), quote(self.password or at.password, safe="")
        given = {"use_pure": True, **dict(at.tls_arguments), **({"ssl_ca": self.ca} if at.verifies else {})}
        query = urlencode({name: value for name, value in given.items() if value})  # "False" would count as true
        return f"mysql+mysqlconnector://{user}:{password}@{at.host}:{at.port}/{at.schema}?{query}"


def spark_name(table: str) -> str:
    """A table of the lakehouse as Spark SQL names it."""
    return ".".join(f"`{part}`" for part in (CATALOG, *re.split(r"\.", table)))
