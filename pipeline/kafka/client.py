"""How to reach the brokers, as Kafka's client for Python takes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from pipeline.settings.kafka import KafkaSettings

LOG_LEVEL = 2
"""Only what is critical: what ails the client is told by its errors, and the service says what it waits for."""


def client_options(settings: KafkaSettings) -> dict[str, object]:
    """Options of any producer, consumer or administrator; certificates by their text, so that tasks need no file."""
    ca = settings.kafka_ssl_ca
    password = settings.kafka_sasl_password
    given = {
        "bootstrap.servers": settings.kafka_brokers,
        "security.protocol": settings.kafka_security_protocol,
        "ssl.ca.pem": Path(ca).read_text() if ca else None,
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": password.get_secret_value() if password else None,
    }
    return {"log_level": LOG_LEVEL, **{name: value for name, value in given.items() if value is not None}}


def administrator(client: Mapping[str, object]) -> AdminClient:
    """The one administrator of this process with these options.

    It is never let go: where its own thread, which still holds it after an answer, is the last to do so, the process
    crashes.
    """
    return _administrator(tuple(sorted(client.items())))


@cache
def _administrator(options: tuple[tuple[str, Any], ...]) -> AdminClient:
    return AdminClient(dict(options))
