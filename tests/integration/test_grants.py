"""docs/grants.sql: the job runs end to end with just these rights, over verified TLS, and may do nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mysql.connector
import pytest

import migrations
from pipeline.mysql.location import MysqlLocation
from tests import servers
from tests.certificates import Authority
from tests.faults.trial import Trial
from tests.schema import Schema

GRANTS = Path(__file__).resolve().parents[2] / "docs" / "grants.sql"
PASSWORDS = {"stream": "replace-me-stream", "stream_operator": "replace-me-operator"}
TABLES = ("transactions", "card_transactions", "loan_payments", "stocks", "fraud_alerts")


class Secured(Schema):
    """The schema of a server with TLS, as one of its users; jobs are told to verify the server."""

    def __init__(self, server: Schema, ca: Path, user: str, password: str) -> None:
        super().__init__(server.host, server.port, user, password, server.name)
        self.ca = ca

    @property
    def environment(self) -> dict[str, str]:
        location = f"jdbc:mysql://localhost:{self.port}/{self.name}?sslMode=VERIFY_IDENTITY"
        return {
            "MYSQL_LOC": location,
            "MYSQL_USER": self.user,
            "MYSQL_PASS": self.password,
            "MYSQL_SSL_CA": str(self.ca),
        }

    @property
    def migration(self) -> MysqlLocation:
        """Where the user for migrations gets in."""
        user, password = "stream_migration", "replace-me-migration"
        return MysqlLocation("localhost", self.port, self.name, "VERIFY_IDENTITY", user, password, str(self.ca))

    def user_named(self, name: str) -> Secured:
        return Secured(self, self.ca, name, PASSWORDS[name])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A server with tables and grants as its administrator sees it, made in the order that the file says."""
    folder = tmp_path_factory.mktemp("grants")
    authority = Authority(folder, "ours")
    certificate, key = authority.server("localhost")
    options = (f"--ssl-ca={authority.ca}", f"--ssl-cert={certificate}", f"--ssl-key={key}")
    with servers.database(folder / "database", options=options) as started:
        admin = Secured(started, authority.ca, started.user, started.password)
        before, after = GRANTS.read_text().split("-- Part 2. The service and its operators.\n")
        run(admin, before)
        migrations.upgrade(admin.migration)
        run(admin, after)
        yield admin


def run(admin: Schema, script: str) -> None:
    lines = (line for line in script.splitlines() if not line.startswith("--"))
    for statement in "\n".join(lines).split(";"):
        if statement.strip():
            admin.execute(statement)


def test_the_job_runs_end_to_end_with_the_rights_of_its_user(server: Secured, moto: str, tmp_path: Path) -> None:
    with Trial(server, moto, tmp_path, seed=5) as trial:
        trial.send(1000)
        job = trial.start("--until-caught-up", through=server.user_named("stream"))
        job.wait_for("batch")
        trial.look()
        assert job.exit_code() == 0, job.tail
        assert trial.check().outcomes["card_transaction", "-8"], "no fraud: no outbox row was written"
        assert not job.lines("fraud mails wait"), "the sender of mails lacks a right"
        assert not job.lines("not looked up"), "what the metrics look at lacks a right"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE transactions ADD COLUMN more INT",
        "CREATE TABLE more (id INT)",
        "DROP TABLE stocks",
        "TRUNCATE TABLE stocks",
        "CREATE INDEX more ON stocks (name)",
        "UPDATE accounts SET users_id = 1",
        "UPDATE cards SET pin = 1",
        "UPDATE loans SET active = 1",
        "UPDATE users SET email = ''",
        "UPDATE transactions SET status = 1",
        "SELECT last_name FROM users",
        "GRANT SELECT ON bytecrunchers.users TO 'stream'@'%'",
        *(f"DELETE FROM {table}" for table in TABLES),
    ],
)
def test_the_service_may_do_nothing_else(server: Secured, statement: str) -> None:
    with pytest.raises(mysql.connector.Error) as refused:
        server.user_named("stream").execute(statement)
    assert refused.value.errno in (1044, 1142, 1143)


@pytest.mark.parametrize(
    "statement", ["DROP TABLE stocks", "DELETE FROM transactions", "UPDATE card_transactions SET memo = ''"]
)
def test_an_operator_may_not_take_anything_away(server: Secured, statement: str) -> None:
    with pytest.raises(mysql.connector.Error) as refused:
        server.user_named("stream_operator").execute(statement)
    assert refused.value.errno in (1142, 1143)


def test_an_operator_may_scrub_and_note_it(server: Secured) -> None:
    operator = server.user_named("stream_operator")
    operator.execute("UPDATE card_transactions SET pin = NULL WHERE id = 0")
    operator.execute("UPDATE operations_log SET counts = NULL WHERE id = 0")


def test_nobody_gets_in_without_tls(server: Secured) -> None:
    for user in PASSWORDS:
        with pytest.raises(mysql.connector.Error) as refused:
            server.user_named(user).connect(ssl_disabled=True)
        assert refused.value.errno == 1045


def test_the_migration_user_brings_a_schema_up_to_date_and_may_take_nothing_away(server: Secured) -> None:
    """The empty one was brought up to date for all of these tests."""
    server.execute("DROP INDEX stocks_event_id ON stocks")
    server.execute("UPDATE bank_stream_revision SET version_num = '0001'")
    migrations.upgrade(server.migration)
    migrator = Secured(server, server.ca, server.migration.user, server.migration.password)
    assert migrator.query("SHOW INDEX FROM stocks WHERE Key_name = 'stocks_event_id'")
    for statement in ("DROP TABLE stocks", "DELETE FROM stocks", "UPDATE accounts SET balance = 0"):
        with pytest.raises(mysql.connector.Error) as refused:
            migrator.execute(statement)
        assert refused.value.errno == 1142
