"""The schema of the service, step by step. `python -m migrations` brings a schema up to date.

Steps only add (tables, columns that may be NULL, indexes): old and new services, and all that read the tables, run on
during and after an upgrade. So there is no way down, and none is needed.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any, Final

import mysql.connector

from migrations.history import History
from migrations.preconditions import require
from pipeline.mysql.location import MysqlLocation
from pipeline.runtime.errors import Fatal

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005")
"""In their order; the last is what this version of the service needs."""

COMMAND: Final = "python -m migrations"
REVISION_TABLE: Final = "bank_stream_revision"
"""Where the revision is noted. Alembic's own name for it, `alembic_version`, is anybody's in a schema that is shared:
what it says is not looked at, and where it was ours the steps find what they made."""

NEEDED: Final = {
    "transactions": ("event_id", "applied_at"),
    "card_transactions": ("event_id", "applied_at", "paying_account_id"),
    "loan_payments": ("event_id", "applied_at"),
    "stocks": ("event_id", "applied_at"),
}
"""What the steps up to the last one have added to each table, and so what a newer schema has as well."""

BANK: Final = History(REVISIONS, "versions", REVISION_TABLE, COMMAND, NEEDED, require)

NO_TABLE, NO_RIGHT = 1146, 1142


def upgrade(where: str | MysqlLocation, history: History = BANK) -> None:
    """Bring a schema up to date, whatever state it is in; a newer one stays as it is.

    `where`: mysql://user:password@host:port/schema, or the same as a `MysqlLocation`. Raises `Fatal`, SQLAlchemy's
    errors.
    """
    from migrations.runner import run  # Alembic is needed here only, not by the service that checks

    run(where, history)


def check(connection: Any, history: History = BANK) -> str:
    """The schema's revision. Raises `Fatal` where it is older than this service; a newer one is fine: steps only add.

    `connection`: an open one of mysql-connector. The transaction that this opens is the caller's.
    """
    current, newest = revision(connection, history), history.revisions[-1]
    if current is None:
        raise Fatal(f"the schema is at no revision of this service, {newest} is needed: run `{history.command}`")
    if current in history.revisions[:-1]:
        raise Fatal(f"the schema is at revision {current}, {newest} is needed: run `{history.command}`")
    if current != newest:
        require_newer(connection, current, history)
    return current


def require_newer(connection: Any, current: str, history: History) -> None:
    """Raise `Fatal` where an unknown revision is none of a newer service: what all newer ones have is not there."""
    marks = ", ".join(["%s"] * len(history.needed))
    with closing(connection.cursor()) as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            f" WHERE table_schema = DATABASE() AND table_name IN ({marks})",
            tuple(history.needed),
        )
        found = {(str(table), str(column)) for table, column in cursor.fetchall()}
    missing = [
        f"{table}.{name}" for table, names in history.needed.items() for name in names if (table, name) not in found
    ]
    if missing:
        raise Fatal(
            f"{history.table} says {current}, which is neither a revision of this service nor a newer one:"
            f" {', '.join(missing)} missing; drop that table, and `{history.command}` begins anew"
        )


def revision(connection: Any, history: History = BANK) -> str | None:
    """The revision that a schema is at, None before the first. Raises `Fatal` where the user may not see it."""
    cursor = connection.cursor()
    try:
        cursor.execute(f"SELECT MAX(version_num) FROM {history.table}")
        ((found,),) = cursor.fetchall()
    except mysql.connector.Error as error:
        if error.errno == NO_RIGHT:
            raise Fatal(f"no right to read {history.table}: run `{history.command}`, then GRANT SELECT on it") from None
        if error.errno != NO_TABLE:
            raise
        return None
    finally:
        cursor.close()
    return None if found is None else str(found)
