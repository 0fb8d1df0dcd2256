"""The migrations: of a new schema, an old one with rows, one that was left half-way, and one with a million rows."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import migrations
from migrations import steps
from migrations.steps import Steps
from pipeline.runtime.errors import Fatal
from tests.integration.server_defaults import changed
from tests.schema import Schema

WRITTEN = ("transactions", "card_transactions", "loan_payments", "stocks")
ROOT = Path(__file__).resolve().parent.parent.parent

# The tables as other services made them, a foreign key of theirs included.
OLD = (
    "CREATE TABLE accounts (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, users_id INT UNSIGNED NOT NULL,"
    " account_type VARCHAR(45) NOT NULL, balance DECIMAL(10,2) NOT NULL, payment_due DECIMAL(10,2) NOT NULL,"
    " due_date DATE, credit_limit INT, debt_interest DECIMAL(5,5) UNSIGNED NOT NULL, active TINYINT NOT NULL,"
    " approved TINYINT NOT NULL, confirmed TINYINT NOT NULL)",
    "CREATE TABLE cards (accounts_id INT UNSIGNED NOT NULL UNIQUE, card_num DECIMAL(16) UNSIGNED NOT NULL PRIMARY KEY,"
    " pin SMALLINT UNSIGNED, cvc1 SMALLINT UNSIGNED, cvc2 SMALLINT UNSIGNED, exp_date DATE NOT NULL,"
    " FOREIGN KEY (accounts_id) REFERENCES accounts (id))",
    "CREATE TABLE transactions (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, origin_account INT UNSIGNED"
    " NOT NULL, destination_account INT UNSIGNED NOT NULL, memo VARCHAR(55) NOT NULL, transfer_value DECIMAL(10,2)"
    " NOT NULL, time_stamp DATETIME NOT NULL, status TINYINT NOT NULL, INDEX (origin_account),"
    " INDEX (destination_account), FOREIGN KEY (origin_account) REFERENCES accounts (id))",
    "CREATE TABLE card_transactions (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, card_num DECIMAL(16) UNSIGNED"
    " NOT NULL, merchant_account_id INT UNSIGNED NOT NULL, memo VARCHAR(55) NOT NULL, transfer_value DECIMAL(10,2)"
    " NOT NULL, pin SMALLINT UNSIGNED, cvc1 SMALLINT UNSIGNED, cvc2 SMALLINT UNSIGNED, location CHAR(2),"
    " time_stamp DATETIME NOT NULL, status TINYINT NOT NULL, INDEX (card_num), INDEX (merchant_account_id))",
)
ROW = "(card_num, merchant_account_id, memo, transfer_value, pin, time_stamp, status)"


@pytest.fixture
def old(empty_schema: Schema) -> Schema:
    """A schema of before, with one row in each table but for two tables that it lacks."""
    for statement in OLD:
        empty_schema.execute(statement)
    empty_schema.execute("INSERT INTO accounts VALUES (7, 1, 'Checking', 10.50, 0, NULL, NULL, 0, 1, 1, 1)")
    empty_schema.execute("INSERT INTO cards VALUES (7, 4000000000000002, 1234, 111, 222, '2030-01-31')")
    empty_schema.execute("INSERT INTO transactions VALUES (5, 7, 8, 'rent', 1.25, '2021-10-06 11:28:47', 1)")
    empty_schema.execute(
        f"INSERT INTO card_transactions {ROW} VALUES (4000000000000002, 9, 'shoes', 2.50, 1234, '2021-10-06', 1)"
    )
    return empty_schema


def described(schema: Schema) -> dict[str, set[tuple[object, ...]]]:
    """Columns and indexes of every table, as the server says them, without the order of columns."""
    columns = schema.query(
        "SELECT table_name, 'column', column_name, column_type, is_nullable, column_default, extra"
        " FROM information_schema.columns WHERE table_schema = DATABASE()"
    )
    indexes = schema.query(
        "SELECT table_name, 'index', index_name, column_name, seq_in_index, non_unique, NULL"
        " FROM information_schema.statistics WHERE table_schema = DATABASE()"
    )
    found: dict[str, set[tuple[object, ...]]] = {}
    for table, *what in columns + indexes:
        found.setdefault(table, set()).add(tuple(what))
    return found


def checked(schema: Schema) -> None:
    with closing(schema.connect()) as connection:
        migrations.check(connection)


def test_a_new_schema_gets_every_table_and_passes_the_check(empty_schema: Schema) -> None:
    migrations.upgrade(empty_schema.url)
    checked(empty_schema)
    assert set(described(empty_schema)) == {
        *("users", "accounts", "cards", "loans", *WRITTEN, "fraud_alerts", "operations_log"),
        *("audits", "audit_balances", "audit_loan_balances", "bank_stream_revision"),
    }


@pytest.mark.parametrize("table", [*WRITTEN, "fraud_alerts"])
def test_an_event_counts_once_in_every_written_table(database: Schema, table: str) -> None:
    rows = database.query(
        "SELECT non_unique, column_name FROM information_schema.statistics"
        " WHERE table_schema = DATABASE() AND table_name = %s AND index_name = %s",
        (table, f"{table}_event_id"),
    )
    assert rows == [(0, "event_id")]


def test_only_the_columns_that_the_contract_names_may_be_null(database: Schema) -> None:
    nullable = database.query(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
        " AND is_nullable = 'YES' AND table_name NOT IN ('fraud_alerts', 'operations_log', 'audits')"
        " AND column_name NOT IN ('event_id', 'applied_at')"
    )
    secrets = {(table, column) for table in ("cards", "card_transactions") for column in ("pin", "cvc1", "cvc2")}
    free = {("stocks", "market_cap"), ("card_transactions", "location"), ("accounts", "credit_limit")}
    free.add(("card_transactions", "paying_account_id"))
    assert set(nullable) == secrets | free | {("accounts", "due_date"), ("loans", "due_date")}


def test_an_old_schema_keeps_its_rows_columns_and_keys(old: Schema) -> None:
    before = described(old)
    migrations.upgrade(old.url)
    checked(old)
    after = described(old)
    assert all(before[table] <= after[table] for table in before)
    assert old.query("SELECT * FROM transactions")[0][-2:] == (None, None)
    assert old.query("SELECT memo, pin, event_id FROM card_transactions") == [("shoes", 1234, None)]
    assert "fraud_alerts" in after and "stocks" in after


def test_an_old_schema_ends_with_the_same_additions_as_a_new_one(old: Schema, database: Schema) -> None:
    before = described(old)["card_transactions"]
    migrations.upgrade(old.url)
    added = described(old)["card_transactions"] - before
    assert added < described(database)["card_transactions"]
    assert {what[1] for what in added} == {
        *("event_id", "applied_at", "paying_account_id", "card_transactions_event_id", "card_transactions_history")
    }


def test_a_migration_that_died_between_any_two_statements_goes_on_from_there(
    database: Schema, empty_schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DiedError(Exception):
        pass

    run = Steps._run
    allowed = 0

    def dying(self: Steps, title: str, statement: str) -> None:
        nonlocal allowed
        if not allowed:
            raise DiedError
        run(self, title, statement)
        allowed -= 1

    monkeypatch.setattr(Steps, "_run", dying)
    runs, finished = 0, False
    while not finished:
        runs, allowed = runs + 1, 1
        try:
            migrations.upgrade(empty_schema.url)
            finished = True
        except DiedError:
            continue
    assert runs > 15
    assert described(empty_schema) == described(database)


def test_a_second_run_does_nothing(database: Schema, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "migrations"):
        migrations.upgrade(database.url)
    assert [record.getMessage() for record in caplog.records] == [f"schema {database.name} is at revision 0005"]


def test_a_schema_older_than_the_service_is_refused_with_the_command_that_mends_it(
    old: Schema, database: Schema
) -> None:
    with pytest.raises(Fatal, match="python -m migrations"):
        checked(old)
    database.execute("UPDATE bank_stream_revision SET version_num = '0001'")
    with pytest.raises(Fatal, match="revision 0001, 0005 is needed: run `python -m migrations`"):
        checked(database)


def test_a_newer_schema_is_accepted_and_left_alone(database: Schema) -> None:
    database.execute("UPDATE bank_stream_revision SET version_num = '9999'")
    before = described(database)
    checked(database)
    migrations.upgrade(database.url)
    assert database.query("SELECT version_num FROM bank_stream_revision") == [("9999",)]
    assert described(database) == before


@pytest.mark.parametrize("theirs", ["3f2a9c", "0001", "0005", "9999"])
def test_the_revision_of_another_team_in_a_shared_schema_is_not_taken_for_ours(old: Schema, theirs: str) -> None:
    old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    old.execute("INSERT INTO alembic_version VALUES (%s)", (theirs,))
    with pytest.raises(Fatal, match="no revision of this service"):
        checked(old)
    migrations.upgrade(old.url)
    checked(old)
    assert "fraud_alerts" in described(old)
    assert old.query("SELECT version_num FROM alembic_version") == [(theirs,)]


def test_a_schema_of_before_that_noted_its_revision_under_that_name_is_taken_over(database: Schema) -> None:
    before = described(database)
    database.execute("RENAME TABLE bank_stream_revision TO alembic_version")
    database.execute("UPDATE alembic_version SET version_num = '0004'")
    migrations.upgrade(database.url)
    checked(database)
    after = described(database)
    assert after.pop("alembic_version")
    assert after == before


def test_a_revision_that_nobody_knows_is_newer_only_where_our_columns_are(database: Schema) -> None:
    database.execute("ALTER TABLE stocks DROP COLUMN applied_at")
    database.execute("UPDATE bank_stream_revision SET version_num = '9999'")
    before = described(database)
    told = r"says 9999, which is neither .*: stocks.applied_at missing"
    with pytest.raises(Fatal, match=told):
        checked(database)
    with pytest.raises(Fatal, match=told):
        migrations.upgrade(database.url)
    assert described(database) == before


PARTITIONED = (
    "CREATE TABLE card_transactions (id INT UNSIGNED NOT NULL AUTO_INCREMENT, card_num DECIMAL(16) UNSIGNED NOT NULL,"
    " merchant_account_id INT UNSIGNED NOT NULL, memo VARCHAR(55) NOT NULL, transfer_value DECIMAL(10,2) NOT NULL, pin"
    " SMALLINT UNSIGNED, cvc1 SMALLINT UNSIGNED, cvc2 SMALLINT UNSIGNED, location CHAR(2),"
    " time_stamp DATETIME NOT NULL, status TINYINT NOT NULL, PRIMARY KEY (id, time_stamp))"
    " PARTITION BY RANGE COLUMNS (time_stamp)"
    " (PARTITION old VALUES LESS THAN ('2022-01-01'), PARTITION new VALUES LESS THAN (MAXVALUE))"
)


@pytest.mark.parametrize(
    "way_out",
    [
        "REMOVE PARTITIONING",
        "ADD COLUMN event_id BINARY(16), ADD UNIQUE INDEX card_transactions_event_id (event_id, time_stamp)",
    ],
)
def test_a_partitioned_table_is_refused_before_anything_is_changed_and_goes_through_as_the_manual_says(
    empty_schema: Schema, way_out: str
) -> None:
    empty_schema.execute(PARTITIONED)
    before = described(empty_schema)
    with pytest.raises(
        Fatal, match=r"card_transactions \(by `?time_stamp`?\).*docs/operations.md, A partitioned table"
    ):
        migrations.upgrade(empty_schema.url)
    assert described(empty_schema) == before
    empty_schema.execute(f"ALTER TABLE card_transactions {way_out}")
    migrations.upgrade(empty_schema.url)
    checked(empty_schema)


def test_a_view_in_the_place_of_a_table_is_refused_before_anything_is_changed(empty_schema: Schema) -> None:
    empty_schema.execute("CREATE VIEW stocks AS SELECT 1 AS id")
    with pytest.raises(Fatal, match="stocks: a view"):
        migrations.upgrade(empty_schema.url)
    assert set(described(empty_schema)) == {"stocks"}


def test_a_server_with_defaults_of_somebody_s_own_is_migrated_all_the_same(old: Schema, database: Schema) -> None:
    user = f"m_{old.name}"[:32]
    old.add_user(user, "secret")
    old.execute(f"GRANT ALL ON `{old.name}`.* TO {user}")
    with changed(old):
        migrations.upgrade(Schema(old.host, old.port, user, "secret", old.name).url)
    checked(old)
    assert set(described(old)) >= set(described(database)) - {"users", "loans"}
    old.execute(f"DROP USER {user}")


def test_a_table_that_holds_dates_which_are_none_is_migrated_where_the_server_is_strict(old: Schema) -> None:
    ((mode,),) = old.query("SELECT @@GLOBAL.sql_mode")
    with old._cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        cursor.execute("ALTER TABLE transactions MODIFY time_stamp DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00'")
        cursor.execute("INSERT INTO transactions VALUES (6, 7, 8, 'none', 1, '2021-02-31 00:00:00', 1)")
        cursor.execute("INSERT INTO transactions VALUES (8, 7, 8, 'none', 1, '0000-00-00 00:00:00', 1)")
        cursor.execute("ALTER TABLE transactions DROP FOREIGN KEY transactions_ibfk_1")
        cursor.execute("ALTER TABLE transactions ENGINE=MyISAM")  # so that the server copies it
    old.execute("SET GLOBAL sql_mode = 'TRADITIONAL'")
    try:
        migrations.upgrade(old.url)
    finally:
        old.execute("SET GLOBAL sql_mode = %s", (mode,))
    checked(old)
    kept = old.query("SELECT CAST(time_stamp AS CHAR) FROM transactions WHERE memo = 'none' ORDER BY id")
    assert kept == [("2021-02-31 00:00:00",), ("0000-00-00 00:00:00",)]


def test_the_revisions_that_the_check_knows_are_those_that_exist() -> None:
    scripts = ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini")))
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == migrations.REVISIONS


def test_a_user_with_rights_on_the_schema_alone_can_migrate(old: Schema) -> None:
    name = f"m_{old.name}"[:32]
    old.execute(f"CREATE USER {name}@'%' IDENTIFIED BY 'secret'")
    old.execute(f"GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX ON `{old.name}`.* TO {name}@'%'")
    try:
        migrations.upgrade(Schema(old.host, old.port, name, "secret", old.name).url)
    finally:
        old.execute(f"DROP USER {name}@'%'")
    checked(old)


def test_a_user_who_may_not_see_the_revision_is_told_so(database: Schema) -> None:
    name = f"r_{database.name}"[:32]
    database.execute(f"CREATE USER {name}@'%' IDENTIFIED BY 'secret'")
    database.execute(f"GRANT SELECT ON `{database.name}`.accounts TO {name}@'%'")
    try:
        with pytest.raises(Fatal, match="GRANT SELECT"):
            checked(Schema(database.host, database.port, name, "secret", database.name))
    finally:
        database.execute(f"DROP USER {name}@'%'")


def test_a_step_waits_for_an_open_transaction_without_queueing_the_others_for_long(
    old: Schema, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(steps, "LOCK_WAIT", 1)
    with closing(old.connect()) as holder, caplog.at_level("INFO", "migrations"):
        cursor = holder.cursor()
        cursor.execute("SELECT * FROM transactions FOR UPDATE")
        cursor.fetchall()
        thread = threading.Thread(target=migrations.upgrade, args=(old.url,))
        thread.start()
        while "waits for transactions" not in caplog.text:
            assert thread.is_alive()
            time.sleep(0.02)
        holder.rollback()
        thread.join()
    checked(old)


def test_a_table_that_refuses_online_changes_is_changed_all_the_same(
    old: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    old.execute("ALTER TABLE transactions DROP FOREIGN KEY transactions_ibfk_1")
    old.execute("ALTER TABLE transactions ENGINE=MyISAM")
    with caplog.at_level("INFO", "migrations"):
        migrations.upgrade(old.url)
    assert "cannot do this online" in caplog.text
    checked(old)


def started(schema: Schema) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "migrations"]
    environment = {**os.environ, **schema.environment}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_million_rows_are_migrated_online_also_when_the_command_is_killed(old: Schema) -> None:
    digits = "(SELECT 0 d" + "".join(f" UNION ALL SELECT {digit}" for digit in range(1, 10)) + ")"
    crossed = ", ".join(f"{digits} d{place}" for place in range(6))
    number = " + ".join(f"d{place}.d * {10**place}" for place in range(6))
    old.execute(
        f"INSERT INTO card_transactions {ROW} SELECT 4000000000000000 + n % 1000, 9, 'many', 1.25, NULL,"
        f" '2021-10-06' + INTERVAL n SECOND, 1 FROM (SELECT {number} n FROM {crossed}) numbers"
    )
    first = started(old)
    assert first.stderr is not None
    for line in first.stderr:
        if "card_transactions_event_id" in line:
            first.kill()
            break
    first.wait()
    second, slowest = started(old), 0.0
    while second.poll() is None:
        began = time.monotonic()
        old.execute(f"INSERT INTO card_transactions {ROW} VALUES (4000000000000000, 9, 'now', 1, NULL, NOW(), 1)")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.01)
    assert second.returncode == 0, second.communicate()[1]
    checked(old)
    ((many, now),) = old.query("SELECT SUM(memo = 'many'), SUM(memo = 'now') FROM card_transactions")
    assert many == 1_000_000 and now > 0
    assert slowest < 5


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"MYSQL_LOC": ""}, 2, "MYSQL_LOC"),
        ({"MYSQL_USER": ""}, 2, "MYSQL_USER is missing"),
        ({"MYSQL_LOC": "jdbc:mysql://127.0.0.1:1/bytecrunchers"}, 1, "Can't connect"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    empty_schema: Schema, change: dict[str, str], code: int, said: str
) -> None:
    environment = {**os.environ, **empty_schema.environment, **change}
    ended = subprocess.run(
        [sys.executable, "-m", "migrations"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (code, 1)
    assert said in ended.stderr
