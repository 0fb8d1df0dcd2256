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
Mechanism = Annotated[Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], BeforeValidator(_capitals)]


class KafkaSettings(SettingsGroup):
    """The brokers, the checkpoint, and where to begin without one."""

    title: ClassVar = "Kafka"

    kafka_brokers: Annotated[str, AfterValidator(_brokers)] = setting(
        "Brokers to ask for the others first", "b-1.example.org:9092,b-2.example.org:9092", "host:port, by commas"
    )
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
        "How the user logs in; with SASL_PLAINTEXT and SASL_SSL only, and needed there",
        "SCRAM-SHA-512",
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        default=None,
        validate_default=True,
    )
    kafka_sasl_username: str | None = setting(
        "User of the brokers; goes with KAFKA_SASL_MECHANISM", "analytics", "name", default=None, validate_default=True
    )
    kafka_sasl_password: SecretStr | None = setting(
        "Password of that user; goes with KAFKA_SASL_MECHANISM",
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

    @field_validator("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _with_sasl_only(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        protocol = info.data.get("kafka_security_protocol")
        if protocol is not None and protocol.startswith("SASL") != (value is not None):
            needs = "is missing" if value is None else "is set"
            raise ValueError(f"{needs}: KAFKA_SECURITY_PROTOCOL is {protocol}")
        return value
