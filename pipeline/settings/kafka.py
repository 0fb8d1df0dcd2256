"""The brokers, how to get in, and how a service of the analytics reads and writes topics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

from pipeline.settings.group import Count, SettingsGroup, setting

_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})")


def _brokers(text: str) -> str:
    """The list, without blanks. Raises `ValueError`."""
    brokers = [broker.strip() for broker in text.split(",")]
    found = [_BROKER.fullmatch(broker) for broker in brokers]
    if not all(match and 0 < int(match[2]) < 65536 for match in found):
        raise ValueError("is not a list of host:port, separated by commas")
    return ",".join(brokers)


def _capitals(given: object) -> object:
    return given.strip().upper() if isinstance(given, str) else given


def _small(given: object) -> object:
    return given.strip().lower() if isinstance(given, str) else given


Security = Annotated[Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], BeforeValidator(_capitals)]
Mechanism = Annotated[Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "AWS_MSK_IAM"], BeforeValidator(_capitals)]
IAM: Final = "AWS_MSK_IAM"
_MSK: Final = re.compile(r"\.kafka(?:-serverless)?\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.amazonaws\.com")


class BrokerSettings(SettingsGroup):
    """The brokers, how to get in, and how topics are made."""

    title: ClassVar = "Kafka"

    kafka_brokers: Annotated[str, AfterValidator(_brokers)] = setting(
        "Brokers to ask for the others first", "b-1.example.org:9092,b-2.example.org:9092", "host:port, by commas"
    )
    kafka_security_protocol: Security = setting(
        "How the brokers are spoken to", "SASL_SSL", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", default="PLAINTEXT"
    )
    kafka_ssl_ca: str | None = setting(
        "Certificates that the brokers' own must descend from, where those that the system trusts do not do; only "
        "with SSL or SASL_SSL",
        "/etc/ssl/kafka/ca.pem",
        "path of a PEM file",
        default=None,
    )
    kafka_sasl_mechanism: Mechanism | None = setting(
        "How the user logs in; with SASL_PLAINTEXT and SASL_SSL only, and needed there. AWS_MSK_IAM: to Amazon MSK, as "
        "the role that AWS has attached",
        "SCRAM-SHA-512",
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or AWS_MSK_IAM",
        default=None,
        validate_default=True,
    )
    kafka_sasl_username: str | None = setting(
        "User of the brokers; goes with KAFKA_SASL_MECHANISM but for AWS_MSK_IAM",
        "analytics",
        "name",
        default=None,
        validate_default=True,
    )
    kafka_sasl_password: SecretStr | None = setting(
        "Password of that user; goes with KAFKA_SASL_MECHANISM but for AWS_MSK_IAM",
        "(secret)",
        "secret",
        default=None,
        validate_default=True,
    )
    topic_partitions: Annotated[Count, Field(le=10_000)] = setting(
        "Partitions of a topic that the service makes because it is missing", "4", "partitions", default=4
    )
    topic_replication: Annotated[Count, Field(le=100)] = setting(
        "Brokers that keep a topic that the service makes", "3", "brokers", default=1
    )

    @field_validator("kafka_ssl_ca")
    @classmethod
    def _ca_of_a_file(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is not None and "SSL" not in str(info.data.get("kafka_security_protocol", "SSL")).split("_"):
            raise ValueError("is set, but KAFKA_SECURITY_PROTOCOL is neither SSL nor SASL_SSL")
        if path is not None and not Path(path).is_file():
            raise ValueError("is not the path of a file")
        return path

    @field_validator("kafka_sasl_mechanism")
    @classmethod
    def _tokens_go_to_aws_in_secret(cls, mechanism: str | None, info: ValidationInfo) -> str | None:
        if mechanism == IAM and info.data.get("kafka_security_protocol", "SASL_SSL") != "SASL_SSL":
            raise ValueError(f"is {IAM}, which takes KAFKA_SECURITY_PROTOCOL=SASL_SSL")
        if mechanism == IAM and not _MSK.search(info.data.get("kafka_brokers", "")):
            raise ValueError(f"is {IAM}, but KAFKA_BROKERS are none of Amazon MSK")
        return mechanism

    @field_validator("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _with_sasl_only(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        protocol = info.data.get("kafka_security_protocol")
        if info.data.get("kafka_sasl_mechanism") == IAM:
            if value is not None:
                raise ValueError(f"is set, but KAFKA_SASL_MECHANISM is {IAM}: the attached role says who it is")
            return None
        if protocol is not None and protocol.startswith("SASL") != (value is not None):
            needs = "is missing" if value is None else "is set"
            raise ValueError(f"{needs}: KAFKA_SECURITY_PROTOCOL is {protocol}")
        return value

    @property
    def msk_region(self) -> str | None:
        """The region of the brokers where a role of AWS logs in; None where a user does."""
        found = _MSK.search(self.kafka_brokers)
        return found[1] if found and self.kafka_sasl_mechanism == IAM else None


class KafkaSettings(BrokerSettings):
    """How topics are read: the checkpoint, where to begin without one, and how often."""

    title: ClassVar = "Reading of topics"

    checkpoint_dir: str = setting(
        "Where the service keeps how far it has come; it keeps to a part of its own",
        "s3a://bank-analytics/checkpoints",
        "folder or URI",
    )
    starting_offsets: Annotated[Literal["earliest", "latest"], BeforeValidator(_small)] = setting(
        "Where to begin in a topic: counts only where there is no checkpoint",
        "latest",
        "earliest or latest",
        default="earliest",
    )
    batch_length: float = setting(
        "Interval of the batches", "10", "seconds", default=1.0, ge=0.1, le=3600, allow_inf_nan=False
    )
