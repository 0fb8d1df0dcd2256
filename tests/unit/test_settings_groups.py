"""Settings composed of groups: a service is asked for what it takes, and for nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from pipeline.settings.database import DatabaseSettings
from pipeline.settings.document import page
from pipeline.settings.errors import SettingsError
from pipeline.settings.group import SettingsGroup, setting
from pipeline.settings.kafka import KafkaSettings
from pipeline.settings.page import PageSettings
from pipeline.settings.spark import SparkSettings

LEAST = {"KAFKA_BROKERS": "127.0.0.1:9092", "CHECKPOINT_DIR": "/var/lib/clicks"}
LOGIN = {"KAFKA_SASL_MECHANISM": "scram-sha-512", "KAFKA_SASL_USERNAME": "ada", "KAFKA_SASL_PASSWORD": "hunter2"}


class Clicks(KafkaSettings, PageSettings, SparkSettings):
    """A service without a database."""

    title: ClassVar = "clicks"

    click_gap: int = setting("Pause that ends a visit", "60", "seconds", default=1200, ge=1)
    batch_length: float = setting("Interval of the batches", "10", "seconds", default=10.0, ge=1)


class Kept(DatabaseSettings, KafkaSettings):
    """A service whose database is not Amazon's."""

    title: ClassVar = "kept-clicks"


def problems(settings: type[SettingsGroup], environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        settings.read(environ)
    assert "hunter2" not in str(raised.value) + repr(raised.value)
    return [line.strip() for line in str(raised.value).splitlines()[1:]]


def test_a_service_without_a_database_asks_for_none() -> None:
    settings = Clicks.read({**LEAST, "MYSQL_LOC": "no URL at all", "AWS_DEFAULT_REGION": "nowhere"})
    assert (settings.kafka_brokers, settings.click_gap, settings.batch_length) == ("127.0.0.1:9092", 1200, 10.0)
    assert (settings.starting_offsets, settings.topic_partitions, settings.topic_replication) == ("earliest", 4, 1)
    assert KafkaSettings.read(LEAST).batch_length == 1.0


def test_a_service_with_a_database_of_its_own_needs_no_region_of_aws() -> None:
    assert [line.split()[0] for line in problems(Kept, LEAST)] == ["MYSQL_LOC", "MYSQL_USER", "MYSQL_PASS"]
    where = Kept.read({**LEAST, "MYSQL_LOC": "mysql://ada:hunter2@db/yt"}).mysql
    assert (where.user, where.password, where.credentials) == ("ada", "hunter2", None)


def test_only_variables_of_the_composition_are_hinted_at() -> None:
    lines = problems(Clicks, {"KAFKA_BROKER": "127.0.0.1:9092", "AWS_REGIO": "x", "MYSQL_LOK": "x"})
    assert [line for line in lines if "is no setting" in line] == [
        "KAFKA_BROKER is set, but is no setting: KAFKA_BROKERS?"
    ]


@pytest.mark.parametrize("brokers", ["kafka", "kafka:0", "kafka:65536", "a:9092,,b:9092", "a:9092 b:9092", "[::1:9092"])
def test_brokers_that_name_no_host_and_port_are_refused(brokers: str) -> None:
    (line,) = problems(KafkaSettings, {**LEAST, "KAFKA_BROKERS": brokers})
    assert line.startswith("KAFKA_BROKERS is not a list of host:port, separated by commas; for example ")


def test_brokers_may_be_written_with_blanks_and_as_ipv6_addresses() -> None:
    read = KafkaSettings.read({**LEAST, "KAFKA_BROKERS": " b-1.example.org:9092 , [::1]:9093 "})
    assert read.kafka_brokers == "b-1.example.org:9092,[::1]:9093"


def test_a_login_takes_sasl_and_sasl_takes_all_of_a_login() -> None:
    read = KafkaSettings.read({**LEAST, **LOGIN, "KAFKA_SECURITY_PROTOCOL": "sasl_ssl"})
    assert (read.kafka_security_protocol, read.kafka_sasl_mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
    assert "hunter2" not in f"{read} {read!r}"
    missing = problems(KafkaSettings, {**LEAST, "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"})
    assert [line.partition(":")[0] for line in missing] == [f"{name} is missing" for name in LOGIN]
    for protocol in ("PLAINTEXT", "SSL"):
        useless = problems(KafkaSettings, {**LEAST, **LOGIN, "KAFKA_SECURITY_PROTOCOL": protocol})
        assert [line.partition(":")[0] for line in useless] == [f"{name} is set" for name in LOGIN]


def test_certificates_of_the_brokers_take_tls(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    given = {**LEAST, "KAFKA_SSL_CA": str(authority)}
    assert KafkaSettings.read({**given, "KAFKA_SECURITY_PROTOCOL": "SSL"}).kafka_ssl_ca == str(authority)
    (line,) = problems(KafkaSettings, given)
    assert line.startswith("KAFKA_SSL_CA is set, but KAFKA_SECURITY_PROTOCOL is neither SSL nor SASL_SSL")
    (line,) = problems(KafkaSettings, {**LEAST, "KAFKA_SSL_CA": "/no/such", "KAFKA_SECURITY_PROTOCOL": "SSL"})
    assert line.startswith("KAFKA_SSL_CA is not the path of a file")


def test_the_page_has_a_part_per_service_and_each_group_once() -> None:
    parts = {part.splitlines()[0]: part for part in page([Clicks, Kept]).split("\n## ")[1:]}
    groups = ["Database", "Kafka", "Page, metrics and probes", "Reading of topics", "Spark"]
    assert list(parts) == ["clicks", "kept-clicks", *groups]
    takes = "Takes [Kafka](#kafka), [Page, metrics and probes](#page-metrics-and-probes), "
    assert f"{takes}[Reading of topics](#reading-of-topics), [Spark](#spark)." in parts["clicks"]
    assert [line.split("`")[1] for line in parts["clicks"].splitlines() if line.startswith("| `")] == [
        "CLICK_GAP",
        "BATCH_LENGTH",
    ]
    assert "| seconds, at least 1 | `1200` |" in parts["clicks"]
    assert "| `10.0` |" in parts["clicks"]
    assert "| `1.0` |" in parts["Reading of topics"]
