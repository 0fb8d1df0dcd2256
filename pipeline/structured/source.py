"""Kafka's topics as a frame that streams."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from pipeline.kafka.places import Place
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.structured.checkpoint import as_text
from pipeline.structured.service import RECORD

COLUMNS = ("key", "value", "topic", "partition", "offset", "timestamp", "headers")
"""Of `service.RECORD`."""
IAM_LOGIN = "software.amazon.msk.auth.iam.IAMLoginModule"
IAM_HANDLER = "software.amazon.msk.auth.iam.IAMClientCallbackHandler"
EARLIEST = -2
"""As an offset, what a topic still holds first."""


def records(session: SparkSession, settings: AnalyticsSettings, topics: Collection[str]) -> DataFrame:
    """All records of the topics (columns `service.RECORD`), without those of aborted transactions."""
    options = {
        **kafka_options(settings),
        "kafka.isolation.level": "read_committed",
        "failOnDataLoss": "true",
        "includeHeaders": "true",
        "maxOffsetsPerTrigger": str(settings.max_records_per_batch),
        "startingOffsets": settings.starting_offsets,
        "subscribe": ",".join(sorted(topics)),
    }
    return session.readStream.format("kafka").options(**options).load().select(*COLUMNS)


def batch_again(
    session: SparkSession, settings: AnalyticsSettings, since: Mapping[Place, int], through: Mapping[Place, int]
) -> DataFrame:
    """The records of a batch, as a frame that does not stream. A partition without a `since` had none before."""
    begins = {place: since.get(place, EARLIEST) for place, end in through.items() if since.get(place, EARLIEST) < end}
    if not begins:
        return session.createDataFrame([], RECORD)
    options = {
        **kafka_options(settings),
        "kafka.isolation.level": "read_committed",
        "failOnDataLoss": "true",
        "includeHeaders": "true",
        "assign": json.dumps({topic: [number for name, number in begins if name == topic] for topic, _ in begins}),
        "startingOffsets": as_text(begins),
        "endingOffsets": as_text({place: through[place] for place in begins}),
    }
    return session.read.format("kafka").options(**options).load().select(*COLUMNS)


def kafka_options(settings: AnalyticsSettings) -> dict[str, str]:
    """How to reach the brokers, as Spark takes it; certificates by their text, so that executors need no file."""
    ca = settings.kafka_ssl_ca
    given: Mapping[str, str | None] = {
        "bootstrap.servers": settings.kafka_brokers,
        "security.protocol": settings.kafka_security_protocol,
        "ssl.truststore.type": "PEM" if ca else None,
        "ssl.truststore.certificates": Path(ca).read_text() if ca else None,
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.jaas.config": _login(settings),
        "sasl.client.callback.handler.class": IAM_HANDLER if settings.msk_region else None,
    }
    return {f"kafka.{name}": value for name, value in given.items() if value is not None}


def _login(settings: AnalyticsSettings) -> str | None:
    mechanism, password = settings.kafka_sasl_mechanism, settings.kafka_sasl_password
    if settings.msk_region:
        return f"{IAM_LOGIN} required;"
    if mechanism is None or password is None:
        return None
    module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    user, secret = _quoted(str(settings.kafka_sasl_username)), _quoted(password.get_secret_value())
    return f"org.apache.kafka.common.security.{module} required username={user} password={secret};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
