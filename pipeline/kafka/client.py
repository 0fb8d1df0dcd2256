"""How to reach the brokers, as Kafka's client for Python takes it."""

from __future__ import annotations

from pathlib import Path

from pipeline.kafka.msk import MskToken
from pipeline.settings.kafka import BrokerSettings

LOG_LEVEL = 2
"""Only what is critical: what ails the client is told by its errors, and the service says what it waits for."""


def client_options(settings: BrokerSettings) -> dict[str, object]:
    """Options of any producer, consumer or administrator; certificates by their text, so that tasks need no file."""
    ca, region = settings.kafka_ssl_ca, settings.msk_region
    password = settings.kafka_sasl_password
    given = {
        "bootstrap.servers": settings.kafka_brokers,
        "security.protocol": settings.kafka_security_protocol,
        "ssl.ca.pem": Path(ca).read_text() if ca else None,
        "sasl.mechanism": "OAUTHBEARER" if region else settings.kafka_sasl_mechanism,
        "oauth_cb": MskToken(region) if region else None,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": password.get_secret_value() if password else None,
    }
    return {"log_level": LOG_LEVEL, **{name: value for name, value in given.items() if value is not None}}
