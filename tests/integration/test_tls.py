"""TLS to a real server with a certificate authority of its own, as RDS has one: who is let in, who is refused."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import migrations
from bank_stream.settings import Settings
from pipeline.mysql.database import Database
from pipeline.mysql.location import Tls, parse_mysql_location
from pipeline.runtime.errors import Fatal, Halted, PipelineError, Transient
from pipeline.runtime.starting import wait_for
from pipeline.runtime.stopping import StopSignal
from tests import servers
from tests.certificates import Authority
from tests.schema import Schema

HOST = "localhost"
"""What the server's certificate says; its address, 127.0.0.1, is another name for the same server."""


@dataclass(frozen=True)
class Secured:
    server: Schema
    ca: Path
    stranger: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    ours, stranger = Authority(folder, "ours"), Authority(folder, "stranger")
    certificate, key = ours.server(HOST)
    options = (f"--ssl-ca={ours.ca}", f"--ssl-cert={certificate}", f"--ssl-key={key}")
    with servers.database(folder / "database", options=options) as server:
        yield Secured(server, ours.ca, stranger.ca)


def database(server: Schema, mode: str, ca: Path | None = None, host: str = HOST) -> Database:
    """The database as the service finds it by its settings."""
    environ = {
        "MYSQL_LOC": f"jdbc:mysql://{host}:{server.port}/{server.name}?sslMode={mode}",
        "MYSQL_USER": server.user,
        "MYSQL_PASS": server.password,
        "AWS_DEFAULT_REGION": "us-east-1",
        **({"MYSQL_SSL_CA": str(ca)} if ca else {}),
    }
    return Database.at(Settings.read(environ).mysql)


def cipher(where: Database) -> str:
    """What the connection is encrypted with; empty where it is not. Raises what the service would."""
    connection = where.connect()
    cursor = connection.cursor()
    cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    ((_, found),) = cursor.fetchall()
    cursor.close()
    connection.close()
    return str(found)


@pytest.mark.parametrize("mode", ["VERIFY_CA", "VERIFY_IDENTITY"])
def test_a_server_with_a_certificate_of_the_right_authority_is_trusted(secured: Secured, mode: str) -> None:
    assert cipher(database(secured.server, mode, secured.ca))


@pytest.mark.parametrize("mode", ["VERIFY_CA", "VERIFY_IDENTITY", "REQUIRED", "PREFERRED"])
def test_a_certificate_of_another_authority_is_refused_wherever_a_ca_is_given(secured: Secured, mode: str) -> None:
    with pytest.raises(PipelineError, match=r"2026.*MYSQL_SSL_CA"):
        database(secured.server, mode, secured.stranger).connect()


def test_another_name_than_the_certificates_is_refused_where_identity_is_verified(secured: Secured) -> None:
    with pytest.raises(PipelineError, match="2026"):
        database(secured.server, "VERIFY_IDENTITY", secured.ca, servers.HERE).connect()
    assert cipher(database(secured.server, "VERIFY_CA", secured.ca, servers.HERE))


def test_required_is_encrypted_and_disabled_is_not(secured: Secured) -> None:
    assert cipher(database(secured.server, "REQUIRED"))
    assert not cipher(database(secured.server, "DISABLED"))


def test_a_server_without_tls_is_refused_where_tls_is_asked_for(without_tls: Schema, secured: Secured) -> None:
    assert not cipher(database(without_tls, "PREFERRED"))
    for mode, ca in (("REQUIRED", None), ("VERIFY_CA", secured.ca)):
        with pytest.raises(Halted, match="not encrypted, though sslMode"):
            database(without_tls, mode, ca).connect()
    with pytest.raises(Transient, match="2026"):
        database(without_tls, "VERIFY_IDENTITY", secured.ca).connect()


def test_mysql_lets_nobody_in_without_tls_whom_it_has_not_seen_since_its_start_and_the_error_says_so(
    without_tls: Schema,
) -> None:
    """It asks again after each restart, so a service that has worked without TLS would find the door closed."""
    if without_tls.is_mariadb:
        pytest.skip("MariaDB's passwords take no TLS")
    stranger = f"u{uuid.uuid4().hex[:12]}"
    without_tls.execute(f"CREATE USER {stranger} IDENTIFIED BY 'test'")
    without_tls.execute(f"GRANT SELECT ON `{without_tls.name}`.* TO {stranger}")
    where = replace(database(without_tls, "PREFERRED"), user=stranger)
    with pytest.raises(Transient, match=r"2061.*sslMode"):
        where.connect()
    without_tls.execute(f"DROP USER {stranger}")


@pytest.mark.parametrize("mode", ["REQUIRED", "VERIFY_CA"])
def test_migrations_refuse_a_server_without_tls_as_the_service_does(
    without_tls: Schema, secured: Secured, mode: Tls
) -> None:
    where = replace(parse_mysql_location(without_tls.url), tls=mode, ca=str(secured.ca))
    with pytest.raises(Fatal, match="not encrypted"):
        migrations.upgrade(where)


def test_a_service_that_may_not_trust_the_database_ends_with_a_line_that_names_the_setting(secured: Secured) -> None:
    where = database(secured.server, "VERIFY_IDENTITY", secured.stranger)
    with pytest.raises(Fatal, match=r"the database is not reachable.*MYSQL_SSL_CA"):
        wait_for("the database", where.connect, StopSignal(), seconds=1.5)
