"""`check`, as somebody meets it who sets the service up: one thing wrong after the other, and all of it right."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mysql.connector
import pytest

from card_transactions.alerts import SENDER
from tests.integration.operated import Operated
from tests.schema import Schema

Findings = dict[str, dict[str, Any]]


@pytest.fixture
def bank(database: Schema, moto: str) -> Operated:
    return Operated(database, moto)


def check(bank: Operated, *arguments: str, code: int = 0, **settings: str) -> Findings:
    """What `check` finds, by what it looked at; of several the worst."""
    worst = ("ok", "warn", "FAIL")
    found: Findings = {}
    for one in sorted(
        bank.json("check", *arguments, code=code, settings=settings), key=lambda one: worst.index(one["state"])
    ):
        found[one["what"]] = one
    return found


@contextmanager
def user(schema: Schema, *grants: str) -> Iterator[dict[str, str]]:
    """The settings of a user who may do just that."""
    name = f"u{uuid.uuid4().hex[:12]}"
    schema.execute(f"CREATE USER {name}@'%' IDENTIFIED BY 'secret'")
    for grant in grants:
        schema.execute(f"GRANT {grant} TO {name}@'%'")
    try:
        yield {"MYSQL_USER": name, "MYSQL_PASS": "secret"}
    finally:
        schema.execute(f"DROP USER {name}@'%'")


def test_a_good_set_up_is_ok_before_anything_has_run(without_tls: Schema, moto: str) -> None:
    bank = Operated(without_tls, moto)
    bank.bench.aws.client("ses").verify_email_identity(EmailAddress=SENDER)
    found = check(bank)
    assert {what for what, one in found.items() if one["state"] == "warn"} == {
        *("encryption", "retention", "stream encryption")
    }
    assert "is not there yet: it is made at the start" in found["lease table"]["text"]
    assert found["mail"]["text"] == f"{SENDER} is verified"
    assert "at revision" in found["schema"]["text"]
    assert bank.schema.query("SELECT COUNT(*) FROM operations_log") == [(0,)]


def test_people_get_a_table_with_a_line_for_each(bank: Operated) -> None:
    result = bank.run("check")
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if " database " in line]
    assert line.strip().startswith("ok") and "READ COMMITTED" in line


def test_wrong_settings_end_with_2_and_a_line_for_each_as_the_service_says_them(bank: Operated) -> None:
    result = bank.run("check", settings={"MYSQL_LOC": None, "BATCH_LENGTH": "soon"})
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0] == "the settings are wrong:"
    assert [line.split()[0].rstrip(":") for line in lines[1:]] == ["MYSQL_LOC", "BATCH_LENGTH"]


@pytest.mark.parametrize(
    ("settings", "text", "remedy"),
    [
        ({"MYSQL_LOC": "jdbc:mysql://127.0.0.1:1/bytecrunchers"}, "2003", "host and port"),
        ({"MYSQL_PASS": "wrong"}, "1045", "MYSQL_USER and MYSQL_PASS"),
        ({"MYSQL_LOC": "{url}/nowhere"}, "1049", "create it"),
    ],
)
def test_a_database_that_does_not_let_in_is_one_failure_and_the_rest_is_looked_at(
    bank: Operated, settings: dict[str, str], text: str, remedy: str
) -> None:
    here = {"url": f"jdbc:mysql://{bank.schema.host}:{bank.schema.port}", "name": bank.schema.name}
    found = check(bank, code=1, **{name: value.format(**here) for name, value in settings.items()})
    assert found["database"]["state"] == "FAIL"
    assert text in found["database"]["text"] and remedy in found["database"]["remedy"]
    assert found["stream"]["state"] == "ok"


def test_a_database_without_tls_is_a_failure_where_tls_is_asked_for(without_tls: Schema, moto: str) -> None:
    bank = Operated(without_tls, moto)
    found = check(bank, code=1, MYSQL_LOC=f"{bank.environment['MYSQL_LOC']}?sslMode=REQUIRED")
    assert found["database"]["state"] == "FAIL"
    assert "not encrypted" in found["database"]["text"] and "turn TLS on" in found["database"]["remedy"]


def test_variables_that_somebody_has_changed_at_the_server_are_named(bank: Operated) -> None:
    assert check(bank)["session variables"]["state"] == "ok"
    bank.schema.execute("SET GLOBAL unique_checks = 0")
    bank.schema.execute("SET GLOBAL sql_select_limit = 1000")
    try:
        found = check(bank)["session variables"]
    finally:
        bank.schema.execute("SET GLOBAL unique_checks = 1")
        bank.schema.execute("SET GLOBAL sql_select_limit = 18446744073709551615")
    assert found["state"] == "warn"
    assert found["text"] == "changed at the server: sql_select_limit=1000, unique_checks=OFF"


def test_packets_are_held_against_the_widest_row_and_the_chunk(bank: Operated) -> None:
    ((before,),) = bank.schema.query("SELECT @@GLOBAL.max_allowed_packet")
    found = {}
    try:
        for size in (1024, 16 * 1024, 1024 * 1024):
            bank.schema.execute(f"SET GLOBAL max_allowed_packet = {size}")
            found[size] = check(bank, code=int(size == 1024), CHUNK_SIZE="1000")["packets"]
    finally:
        bank.schema.execute(f"SET GLOBAL max_allowed_packet = {before}")
    assert [one["state"] for one in found.values()] == ["FAIL", "warn", "ok"]
    assert "raise max_allowed_packet" in found[1024]["remedy"] and "CHUNK_SIZE" in found[16384]["remedy"]
    assert found[1024 * 1024]["text"].startswith(
        "1,024 KiB; a row of stocks has up to 1,427 bytes, CHUNK_SIZE is 1,000"
    )
    assert found[1024 * 1024]["text"].endswith("at most 2 INSERTs a chunk")


def test_a_connector_without_its_c_extension_fails(bank: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "with its C extension" in check(bank)["connector"]["text"]
    monkeypatch.setattr(mysql.connector, "HAVE_CEXT", False)
    found = check(bank, code=1)["database"]
    assert (found["state"], "C extension" in found["text"]) == ("FAIL", True)
    assert "requirements.txt" in found["remedy"]


def test_rights_are_tried_and_the_missing_ones_named(bank: Operated) -> None:
    schema = bank.schema
    grants = [f"SELECT ON `{schema.name}`.*", f"INSERT, UPDATE ON `{schema.name}`.stocks"]
    with user(schema, *grants) as settings:
        found = check(bank, code=1, **settings)
    failed = {what for what, one in found.items() if one["state"] == "FAIL"}
    tables = ("accounts", "loans", "transactions", "card_transactions", "loan_payments", "fraud_alerts")
    assert failed >= {f"rights on {table}" for table in tables}
    assert found["rights on operations_log"]["state"] == "warn", "the service itself does not need it"
    assert found["rights on stocks"]["state"] == found["rights on users"]["state"] == "ok"
    assert found["rights on transactions"]["remedy"].startswith(f"GRANT SELECT, INSERT ON {schema.name}.transactions")


def test_the_rights_that_it_asks_for_are_enough(bank: Operated) -> None:
    schema = bank.schema
    asked = {
        "LOCK TABLES": ("*",),
        "SELECT, UPDATE": ("accounts", "loans"),
        "SELECT": ("users", "cards", "bank_stream_revision"),
        "SELECT, INSERT": ("transactions", "card_transactions", "loan_payments", "stocks"),
        "SELECT, INSERT, UPDATE": ("fraud_alerts",),
    }
    grants = [f"{rights} ON `{schema.name}`.{table}" for rights, tables in asked.items() for table in tables]
    with user(schema, *grants) as settings:
        found = check(bank, code=0, **settings)
        assert bank.run("scrub", "--yes", settings=settings).exit_code == 1
    operators = {what for what, one in found.items() if "for operators" in one["remedy"]}
    tables = ("operations_log", "card_transactions", "audits", "audit_balances", "audit_loan_balances")
    assert operators == {f"rights on {table}" for table in tables}


def test_an_older_schema_fails_with_the_command_that_mends_it(bank: Operated) -> None:
    bank.schema.execute("UPDATE bank_stream_revision SET version_num = '0001'")
    found = check(bank, code=1)["schema"]
    assert (found["state"], "python -m migrations" in found["text"]) == ("FAIL", True)
    refused = bank.run("redrive")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [f"redrive: {found['text']}"]


def test_ids_that_run_out_are_told_in_rows_and_days(bank: Operated) -> None:
    assert "left" in check(bank)["ids of stocks"]["text"]
    quote = "INSERT INTO stocks (ticker, name, price, volume, high, low, `timestamp`, status, event_id, applied_at)"
    for number in range(20):
        age = 36 - number
        bank.schema.execute(
            f"{quote} VALUES ('A', 'A', 1, 1, 1, 1, NOW(), 1, %s, UTC_TIMESTAMP(6) - INTERVAL {age} HOUR)",
            (number.to_bytes(16, "big"),),
        )
    bank.schema.execute("ALTER TABLE stocks AUTO_INCREMENT = 4294967270")
    bank.schema.execute("UPDATE stocks SET id = id + 4294967249 ORDER BY id DESC")
    found = check(bank, code=1)["ids of stocks"]
    assert (found["state"], found["text"]) == ("FAIL", "26 left, 4 days at the last day's 7")


def test_more_connections_than_the_server_allows_fail(bank: Operated) -> None:
    found = check(bank, "--executors", "50", "--cores", "4", code=1, MAX_THREADS="4")["connections"]
    assert found["text"].startswith("803 needed (200 tasks at once × MAX_THREADS 4, and 3), 151 allowed")
    with user(bank.schema, f"ALL ON `{bank.schema.name}`.*") as settings:
        bank.schema.execute(f"ALTER USER {settings['MYSQL_USER']}@'%' WITH MAX_USER_CONNECTIONS 4")
        assert "4 allowed" in check(bank, code=1, **settings)["connections"]["text"]


def test_a_missing_stream_fails_with_the_command_that_makes_it(bank: Operated) -> None:
    found = check(bank, code=1, STREAM_NAME="nowhere")["stream"]
    assert "aws kinesis create-stream --region us-east-1 --stream-name nowhere" in found["text"]


def test_a_table_with_another_key_fails_and_names_the_setting(bank: Operated) -> None:
    client, name = bank.bench.aws.client("dynamodb"), f"other-{uuid.uuid4()}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert check(bank, code=1, CONSUMER_NAME=name)["lease table"]["remedy"] == "name another CONSUMER_NAME"
    assert check(bank, code=1, FAILOVER_TABLE=name)["dead-letter table"]["remedy"] == "name another FAILOVER_TABLE"


def test_an_unreadable_certificate_file_fails(bank: Operated, tmp_path: Any) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    found = check(bank, code=1, MYSQL_SSL_CA=str(path))["certificates"]
    assert (found["state"], str(path) in found["text"]) == ("FAIL", True)


def test_aws_that_is_away_fails_for_each_part_and_keeps_the_database(bank: Operated) -> None:
    settings = {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"}
    found = check(bank, code=1, **settings)
    assert found["tables"]["state"] == "FAIL"
    assert found["stream"]["state"] == found["schema"]["state"] == "ok"
