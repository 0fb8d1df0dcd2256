"""Where the database is and how to get in: by a password, or as Amazon RDS lets in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import PlainValidator, SecretStr, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from pipeline.mysql.location import DEFAULT_SCHEMA, Credentials, MysqlLocation, parse_mysql_location
from pipeline.settings.aws import AwsSettings
from pipeline.settings.group import SettingsGroup, setting

_YES: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
"""What pydantic reads as true."""


def location_of(given: object, schema: str = DEFAULT_SCHEMA) -> MysqlLocation:
    """The location that a URL says; `schema`: unless it names one. Raises `ValueError`."""
    return given if isinstance(given, MysqlLocation) else parse_mysql_location(str(given), schema)


class DatabaseSettings(SettingsGroup):
    """A MySQL or MariaDB server, and a user of it with a password."""

    title: ClassVar = "Database"

    mysql_loc: Annotated[MysqlLocation, PlainValidator(location_of)] = setting(
        "Where the database is: a JDBC or mysql:// URL; port 3306 and schema bytecrunchers unless it says otherwise",
        "jdbc:mysql://db.example.org:3306/bytecrunchers?sslMode=VERIFY_IDENTITY",
        "URL",
    )
    mysql_user: str = setting(
        "User of the database; wins over a user within MYSQL_LOC; not needed with MYSQL_SECRET_ID",
        "stream",
        "name",
        max_length=80,
    )
    mysql_pass: SecretStr = setting(
        "Password of that user; wins over one within MYSQL_LOC; not needed with MYSQL_SECRET_ID or MYSQL_IAM",
        "(secret)",
        "secret",
    )
    mysql_ssl_ca: str | None = setting(
        "Certificates that the database's own must descend from (Amazon RDS: its global bundle); "
        "given, the server is verified unless sslMode is DISABLED",
        "/etc/ssl/rds/global-bundle.pem",
        "path of a PEM file",
        default=None,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _user_within_the_url(cls, environ: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(environ)
        try:
            place = parse_mysql_location(str(given.get("MYSQL_LOC", "")))
        except ValueError:
            return given  # the field's own validation says so, with the rest
        if place.user and given.get("MYSQL_USER", place.user) == place.user:
            given.setdefault("MYSQL_USER", place.user)
            if place.password:
                given.setdefault("MYSQL_PASS", place.password)
        return given

    @field_validator("mysql_ssl_ca")
    @classmethod
    def _ca_where_needed(cls, path: str | None, info: ValidationInfo) -> str | None:
        location = info.data.get("mysql_loc")
        if path is None and location is not None and location.verifies:
            raise ValueError("is missing: the sslMode in MYSQL_LOC verifies the server's certificate")
        if path is not None and not Path(path).is_file():
            raise ValueError("is not the path of a file")
        return path

    @property
    def mysql(self) -> MysqlLocation:
        """Where and how to connect, credentials and TLS included."""
        tls = self.mysql_loc.tls
        return dataclasses.replace(
            self.mysql_loc,
            user=self.mysql_user,
            password=self.mysql_pass.get_secret_value(),
            ca=self.mysql_ssl_ca,
            tls="VERIFY_CA" if self.mysql_ssl_ca and tls in ("PREFERRED", "REQUIRED") else tls,
        )


class RdsSettings(AwsSettings, DatabaseSettings):
    """The same on Amazon RDS, which lets in by a secret that AWS rotates, or by a token instead of a password."""

    title: ClassVar = "Database on Amazon RDS"

    mysql_secret_id: str | None = setting(
        "Secret of AWS Secrets Manager with username and password in JSON, as RDS keeps and rotates it; wins over "
        "MYSQL_USER and MYSQL_PASS; read again where the database refuses what it said",
        "bank/stream",
        "name or ARN",
        default=None,
    )
    mysql_iam: bool = setting(
        "Whether MYSQL_USER authenticates to RDS by a token of IAM, without a password; takes sslMode=VERIFY_IDENTITY",
        "true",
        "true or false",
        default=False,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_a_password(cls, environ: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(environ)
        iam = str(given.get("MYSQL_IAM", "")).strip().lower() in _YES
        absent = ("MYSQL_USER", "MYSQL_PASS") if "MYSQL_SECRET_ID" in given else ("MYSQL_PASS",) if iam else ()
        for name in absent:
            given.setdefault(name, "")
        return given

    @field_validator("mysql_iam")
    @classmethod
    def _token_to_a_verified_server(cls, iam: bool, info: ValidationInfo) -> bool:
        location = info.data.get("mysql_loc")
        if iam and info.data.get("mysql_secret_id") is not None:
            raise ValueError("is set, and so is MYSQL_SECRET_ID: one of them says how to log in")
        if iam and location is not None and location.tls != "VERIFY_IDENTITY":
            raise ValueError("sends its token as it is: MYSQL_LOC has to say sslMode=VERIFY_IDENTITY")
        return iam

    @property
    def mysql(self) -> MysqlLocation:
        """Where and how to connect, credentials and TLS included."""
        where = super().mysql
        return dataclasses.replace(where, credentials=self._credentials(where))

    def _credentials(self, where: MysqlLocation) -> Credentials | None:
        if self.mysql_secret_id is None and not self.mysql_iam:
            return None
        from pipeline.mysql.credentials import IamToken, RotatedSecret

        if self.mysql_secret_id is not None:
            return RotatedSecret(self.aws(), self.mysql_secret_id)
        return IamToken(self.aws(), where.host, where.port, where.user)
