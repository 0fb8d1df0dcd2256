"""The settings of the service: environment variables, read and checked once, before anything else is loaded.

Nothing here imports Spark or an AWS library, so that wrong settings end the process within a second.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core.core_schema import ValidationInfo

from pipeline.mysql.location import Credentials, MysqlLocation
from pipeline.settings.environment import ENDPOINTS, completed, location_of, position_of
from pipeline.settings.errors import SettingsError, described

if TYPE_CHECKING:
    from pipeline.aws import Aws


def _setting(what: str, example: str, unit: str = "", **kwargs: Any) -> Any:
    """A field with everything that the documentation and an error say of it."""
    return Field(description=what, examples=[example], json_schema_extra={"unit": unit}, **kwargs)


Weight = Annotated[Decimal, Field(ge=0, le=1_000_000)]
Count = Annotated[int, Field(ge=1)]
TableName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{3,255}$")]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[mg]$")]


class Settings(BaseModel):
    """Every setting: a field is an environment variable, in capitals. Frozen, picklable; shows no secret."""

    model_config = ConfigDict(
        frozen=True, alias_generator=str.upper, str_strip_whitespace=True, hide_input_in_errors=True
    )

    mysql_loc: Annotated[MysqlLocation, PlainValidator(location_of)] = _setting(
        "Where the database is: a JDBC or mysql:// URL; port 3306 and schema bytecrunchers unless it says otherwise",
        "jdbc:mysql://db.example.org:3306/bytecrunchers?sslMode=VERIFY_IDENTITY",
        "URL",
    )
    mysql_user: str = _setting(
        "User of the database; wins over a user within MYSQL_LOC; not needed with MYSQL_SECRET_ID",
        "stream",
        "name",
        max_length=80,
    )
    mysql_pass: SecretStr = _setting(
        "Password of that user; wins over one within MYSQL_LOC; not needed with MYSQL_SECRET_ID or MYSQL_IAM",
        "(secret)",
        "secret",
    )
    mysql_secret_id: str | None = _setting(
        "Secret of AWS Secrets Manager with username and password in JSON, as RDS keeps and rotates it; wins over "
        "MYSQL_USER and MYSQL_PASS; read again where the database refuses what it said",
        "bank/stream",
        "name or ARN",
        default=None,
    )
    mysql_ssl_ca: str | None = _setting(
        "Certificates that the database's own must descend from (Amazon RDS: its global bundle); "
        "given, the server is verified unless sslMode is DISABLED",
        "/etc/ssl/rds/global-bundle.pem",
        "path of a PEM file",
        default=None,
        validate_default=True,
    )
    mysql_iam: bool = _setting(
        "Whether MYSQL_USER authenticates to RDS by a token of IAM, without a password; takes sslMode=VERIFY_IDENTITY",
        "true",
        "true or false",
        default=False,
        validate_default=True,
    )
    aws_default_region: str = _setting(
        "Region of stream, tables and mails; AWS_REGION where it is absent",
        "us-east-1",
        "region",
        pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$",
    )
    access_key: str | None = _setting(
        "AWS access key id, where no role is attached; only together with SECRET_KEY",
        "(secret)",
        "secret",
        default=None,
        repr=False,
    )
    secret_key: SecretStr | None = _setting(
        "AWS secret access key; only together with ACCESS_KEY",
        "(secret)",
        "secret",
        default=None,
        validate_default=True,
    )
    aws_endpoint_urls: tuple[tuple[str, str], ...] = _setting(
        "Other addresses than AWS's own, for all services (AWS_ENDPOINT_URL) or one (AWS_ENDPOINT_URL_KINESIS); "
        "not looked at where AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true",
        "http://127.0.0.1:5000",
        "URL",
        default=(),
        alias=f"{ENDPOINTS}*",
    )
    stream_name: str = _setting(
        "Kinesis stream to consume", "byte-henry", "name", default="byte-henry", pattern=r"^[a-zA-Z0-9_.-]{1,128}$"
    )
    consumer_name: TableName = _setting(
        "DynamoDB table of leases and checkpoints", "cloud-consumer", "name", default="cloud-consumer"
    )
    failover_table: TableName = _setting(
        "DynamoDB table of dead letters",
        "utopia-failover-HA-DynamoDB",
        "name",
        default="utopia-failover-HA-DynamoDB",
        validate_default=True,
    )
    initial_position: Annotated[Literal["TRIM_HORIZON", "LATEST"] | datetime, BeforeValidator(position_of)] = _setting(
        "Where to begin in a shard that has no lease yet: TRIM_HORIZON, LATEST or a time of arrival (UTC)",
        "2021-10-06T11:28:47Z",
        "position",
        default="TRIM_HORIZON",
    )
    batch_length: float = _setting(
        "Interval of the stream's ticks", "0.5", "seconds", default=5.0, ge=0.1, le=3600, allow_inf_nan=False
    )
    partitions: Count = _setting("Partitions that a batch is spread over", "4", "partitions", default=4, le=1000)
    max_threads: Count = _setting(
        "Threads of one task, and so its connections to the database", "4", "threads", default=4, le=100
    )
    max_records_per_shard: Count = _setting(
        "Most records that one batch reads of one shard", "20000", "records", default=20_000, le=1_000_000
    )
    chunk_size: Count = _setting("Most messages of one database transaction", "1000", "messages", default=1000, le=5000)
    spark_master: str | None = _setting(
        "Spark's cluster; local[*] where neither this nor spark-submit names one",
        "k8s://https://kubernetes.default.svc:443",
        "URL, or local[threads]",
        default=None,
    )
    max_executors: Annotated[int, Field(ge=1, le=1000)] | None = _setting(
        "Most executors: from 1 up to so many while the stream is ahead, and down again while there is little to do; "
        "without it what the cluster gives",
        "4",
        "executors",
        default=None,
    )
    scaling_interval: Annotated[int, Field(ge=1, le=3600)] = _setting(
        "How often the number of executors is thought over, by one up or down; several intervals of BATCH_LENGTH",
        "60",
        "seconds",
        default=60,
    )
    num_cores: Annotated[int, Field(ge=1, le=64)] | None = _setting(
        "Cores, so tasks at once, of one executor; without it what the cluster gives", "2", "cores", default=None
    )
    executor_memory: Memory | None = _setting(
        "Heap of an executor's JVM; its Python workers take 140 MiB each beside it", "1g", "m or g", default=None
    )
    driver_memory: Memory | None = _setting("Heap of the driver's JVM", "768m", "m or g", default=None)
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = _setting(
        "Port of the driver's page, /status, /metrics and probes; 0: none. One that is taken is done without",
        "8080",
        "port",
        default=8080,
    )
    metrics_address: str = _setting(
        "Address of that port: 0.0.0.0 (or ::) in a container, whose probes come from outside; it takes no password, "
        "and tells of no message",
        "127.0.0.1",
        "IP address",
        default="0.0.0.0",  # noqa: S104
    )
    threshold_fraud: Weight = _setting("Fraud score above which a payment is fraud", "1", "score", default=Decimal(1))
    threshold_velocity: Weight = _setting(
        "Fraud score above which the card's spending history is looked at", "0.3", "score", default=Decimal("0.3")
    )
    weighting_cvc: Weight = _setting(
        "Fraud score of a payment without cvc1 and cvc2", "0.2", "score", default=Decimal("0.2")
    )
    weighting_amount: Weight = _setting(
        "Fraud score of a payment of all available funds", "1", "score", default=Decimal(1)
    )
    weighting_location: Weight = _setting(
        "Fraud score of a payment outside the US", "0.6", "score", default=Decimal("0.6")
    )
    weighting_velocity: Weight = _setting(
        "Factor of the velocity term of the fraud score", "1", "factor", default=Decimal(1)
    )
    fraud_sample_chance: Annotated[Decimal, Field(ge=0, le=1)] = _setting(
        "Share of payments whose spending history is looked at whatever their score",
        "0.1",
        "share",
        default=Decimal("0.1"),
    )

    @field_validator("mysql_ssl_ca")
    @classmethod
    def _ca_where_needed(cls, path: str | None, info: ValidationInfo) -> str | None:
        location = info.data.get("mysql_loc")
        if path is None and location is not None and location.verifies:
            raise ValueError("is missing: the sslMode in MYSQL_LOC verifies the server's certificate")
        if path is not None and not Path(path).is_file():
            raise ValueError("is not the path of a file")
        return path

    @field_validator("mysql_iam")
    @classmethod
    def _token_to_a_verified_server(cls, iam: bool, info: ValidationInfo) -> bool:
        location = info.data.get("mysql_loc")
        if iam and info.data.get("mysql_secret_id") is not None:
            raise ValueError("is set, and so is MYSQL_SECRET_ID: one of them says how to log in")
        if iam and location is not None and location.tls != "VERIFY_IDENTITY":
            raise ValueError("sends its token as it is: MYSQL_LOC has to say sslMode=VERIFY_IDENTITY")
        return iam

    @field_validator("secret_key")
    @classmethod
    def _both_keys_or_none(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (secret is None) != (info.data.get("access_key") is None):
            raise ValueError("and ACCESS_KEY: only one of them is set; set both, or none to use the attached role")
        return secret

    @field_validator("failover_table")
    @classmethod
    def _table_of_its_own(cls, table: str, info: ValidationInfo) -> str:
        if table == info.data.get("consumer_name"):
            raise ValueError("is CONSUMER_NAME: leases share their table with nothing")
        return table

    @field_validator("aws_endpoint_urls")
    @classmethod
    def _http(cls, endpoints: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        wrong = [name for name, url in endpoints if not re.fullmatch(r"https?://[^\s/]+\S*", url)]
        if wrong:
            raise ValueError(f"({', '.join(wrong)}) is not an http:// or https:// URL")
        return endpoints

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """The settings in `environ`; an empty variable is absent. Raises `SettingsError`, naming all problems."""
        try:
            return cls.model_validate(completed(environ))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            raise SettingsError(described(problems, cls.model_fields, environ)) from None

    @property
    def mysql(self) -> MysqlLocation:
        """Where and how to connect, credentials and TLS included."""
        tls = self.mysql_loc.tls
        where = dataclasses.replace(
            self.mysql_loc,
            user=self.mysql_user,
            password=self.mysql_pass.get_secret_value(),
            ca=self.mysql_ssl_ca,
            tls="VERIFY_CA" if self.mysql_ssl_ca and tls in ("PREFERRED", "REQUIRED") else tls,
        )
        return dataclasses.replace(where, credentials=self._credentials(where))

    def _credentials(self, where: MysqlLocation) -> Credentials | None:
        if self.mysql_secret_id is None and not self.mysql_iam:
            return None
        from pipeline.mysql.credentials import IamToken, RotatedSecret

        if self.mysql_secret_id is not None:
            return RotatedSecret(self.aws(), self.mysql_secret_id)
        return IamToken(self.aws(), where.host, where.port, where.user)

    def aws(self) -> Aws:
        """How to reach AWS, with the endpoints of the environment that was read."""
        from pipeline.aws import Aws

        secret = self.secret_key.get_secret_value() if self.secret_key else None
        return Aws(self.aws_default_region, self.access_key, secret, self.aws_endpoint_urls)
