"""How the brokers are reached: the same settings for Kafka's client and for Spark."""

from __future__ import annotations

import base64
import pickle
import time
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from pipeline.kafka.client import client_options
from pipeline.kafka.msk import MskToken
from pipeline.settings.analytics import AnalyticsSettings
from pipeline.settings.errors import SettingsError
from pipeline.structured.source import kafka_options

LEAST = {"KAFKA_BROKERS": "127.0.0.1:9092", "CHECKPOINT_DIR": "/tmp/none"}
LOGIN = {"KAFKA_SASL_USERNAME": "analytics", "KAFKA_SASL_PASSWORD": 'a "quoted\\ secret'}
SECURE = {**LEAST, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}
BROKER = "b-1.demo.a1b2c3.c2.kafka.eu-west-1.amazonaws.com:9098"
MSK = {**SECURE, "KAFKA_BROKERS": BROKER, "KAFKA_SASL_MECHANISM": "AWS_MSK_IAM"}


def test_without_security_only_the_brokers_are_named() -> None:
    settings = AnalyticsSettings.read(LEAST)
    given = client_options(settings)
    assert {name for name in given if name != "log_level"} == {"bootstrap.servers", "security.protocol"}
    assert kafka_options(settings) == {
        "kafka.bootstrap.servers": "127.0.0.1:9092",
        "kafka.security.protocol": "PLAINTEXT",
    }


def test_certificates_go_by_their_text_and_passwords_are_quoted(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n")
    given = {**SECURE, **LOGIN, "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SSL_CA": str(authority)}
    settings = AnalyticsSettings.read(given)
    client, spark = client_options(settings), kafka_options(settings)
    assert client["ssl.ca.pem"] == spark["kafka.ssl.truststore.certificates"] == "-----BEGIN CERTIFICATE-----\n"
    assert client["sasl.password"] == 'a "quoted\\ secret'
    assert spark["kafka.sasl.jaas.config"] == (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="analytics" password="a \\"quoted\\\\ secret";'
    )


def test_a_role_of_aws_logs_in_by_a_token_for_the_region_of_the_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = AnalyticsSettings.read(MSK)
    client, spark = client_options(settings), kafka_options(settings)
    assert client["sasl.mechanism"] == "OAUTHBEARER"
    assert spark["kafka.sasl.mechanism"] == "AWS_MSK_IAM"
    assert spark["kafka.sasl.jaas.config"] == "software.amazon.msk.auth.iam.IAMLoginModule required;"
    make = pickle.loads(pickle.dumps(client["oauth_cb"]))
    assert make == MskToken("eu-west-1")
    token, expires = make("")
    asked = urlparse(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    assert asked.hostname == "kafka.eu-west-1.amazonaws.com"
    assert parse_qs(asked.query)["Action"] == ["kafka-cluster:Connect"]
    assert 0 < expires - time.time() <= 900


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "takes KAFKA_SECURITY_PROTOCOL=SASL_SSL"),
        ({"KAFKA_BROKERS": "kafka.example.org:9092"}, "none of Amazon MSK"),
        ({"KAFKA_SASL_USERNAME": "ada"}, "the attached role says who it is"),
    ],
)
def test_a_role_of_aws_takes_brokers_of_aws_and_no_user(wrong: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        AnalyticsSettings.read({**MSK, **wrong})
