"""What a connection keeps, whatever the defaults of its server are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.mysql import session_settings
from pipeline.mysql.database import Database
from pipeline.mysql.session_settings import changed_at_the_server
from pipeline.runtime.errors import Halted
from tests.integration.server_defaults import changed
from tests.schema import Schema

KEPT = {
    "unique_checks": "ON",
    "foreign_key_checks": "ON",
    "sql_select_limit": "18446744073709551615",
    "max_join_size": "18446744073709551615",
    "sql_big_selects": "ON",
    "sql_safe_updates": "OFF",
    "sql_auto_is_null": "OFF",
    "sql_quote_show_create": "ON",
    "completion_type": "NO_CHAIN",
    "lc_messages": "en_US",
    "transaction_read_only": "OFF",
    "transaction_isolation": "READ-COMMITTED",
    "autocommit": "OFF",
    "time_zone": "+00:00",
    "character_set_client": "utf8mb4",
    "character_set_connection": "utf8mb4",
    "character_set_results": "utf8mb4",
    "wait_timeout": "30",
    "innodb_lock_wait_timeout": "5",
}
CHANGED = {
    "unique_checks": "OFF",
    "foreign_key_checks": "OFF",
    "sql_select_limit": "1",
    "max_join_size": "1",
    "sql_big_selects": "OFF",
    "sql_safe_updates": "ON",
    "sql_auto_is_null": "ON",
    "completion_type": "RELEASE",
    "lc_messages": "de_DE",
    "transaction_read_only": "ON",
}
"""A variable, and what somebody has made it on the server, as SHOW VARIABLES says it."""


@pytest.fixture
def clerk(database: Schema) -> Iterator[Database]:
    """A user without special rights, for whom `init_connect` runs."""
    user = f"clerk_{database.name}"
    database.add_user(user, "secret")
    database.execute(f"GRANT SELECT, INSERT, UPDATE ON `{database.name}`.* TO `{user}`")
    yield Database(database.host, database.port, user, "secret", database.name)
    database.execute(f"DROP USER `{user}`")


def kept(where: Database) -> dict[str, str]:
    """The session variables of a new connection."""
    with closing(where.connect()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SHOW SESSION VARIABLES")
        found = {str(name): str(value) for name, value in cursor.fetchall()}
    for old in ("read_only", "isolation"):
        found.setdefault(f"transaction_{old}", found.get(f"tx_{old}", ""))
    return found


def test_a_connection_keeps_its_variables_whatever_the_server_s_defaults_are(database: Schema, clerk: Database) -> None:
    with changed(database):
        found = kept(clerk)
    assert {name: found[name] for name in KEPT} == KEPT
    assert "STRICT_ALL_TABLES" in found["sql_mode"] and "ANSI_QUOTES" not in found["sql_mode"]


def test_every_row_is_found_and_may_be_changed_where_the_server_limits_both(database: Schema, clerk: Database) -> None:
    accounts = ", ".join(f"({number}, 1, 'Checking', 0, 0, 0, 1, 1, 1)" for number in range(5))
    columns = "id, users_id, account_type, balance, payment_due, debt_interest, active, approved, confirmed"
    database.execute(f"INSERT INTO accounts ({columns}) VALUES {accounts}")
    with changed(database), closing(clerk.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT a.id FROM accounts a JOIN accounts b ON b.users_id = a.users_id")
        assert len(cursor.fetchall()) == 25
        cursor.execute("UPDATE accounts SET balance = 1 WHERE users_id = 1")
        connection.commit()
        assert connection.is_connected()
    assert database.query("SELECT SUM(balance) FROM accounts") == [(5,)]


def test_a_server_that_does_not_take_a_setting_is_refused(clerk: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk.connect().close()
    monkeypatch.setattr(session_settings, "_set", lambda *_: "DO 0")
    with pytest.raises(Halted, match=r"transaction_isolation is REPEATABLE-READ, sql_mode is .*, wait_timeout is"):
        clerk.connect()


def test_what_somebody_has_changed_at_the_server_is_named(database: Schema, clerk: Database) -> None:
    with closing(clerk.connect()) as connection, closing(connection.cursor()) as cursor:
        assert changed_at_the_server(cursor) == {}
        with changed(database):
            assert changed_at_the_server(cursor) == CHANGED
