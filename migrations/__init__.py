"""The schema of the service, step by step. `python -m migrations` brings a schema up to date.

Steps only add (tables, columns that may be NULL, indexes): old and new services, and all that read the tables, run on
during and after an upgrade. So there is no way down, and none is needed.
"""

from __future__ import annotations

from typing import Any, Final

import mysql.connector

from pipeline.mysql.location import MysqlLocation
from pipeline.runtime.errors import Fatal

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005")
"""In their order; the last is what this version of the service needs."""

COMMAND: Final = "python -m migrations"
NO_TABLE, NO_RIGHT = 1146, 1142


def upgrade(where: str | MysqlLocation) -> None:
    """Bring a schema up to date, whatever state it is in; a newer one stays as it is.

    `where`: mysql://user:password@host:port/schema, or the same as a `MysqlLocation`. Raises `Fatal`, SQLAlchemy's
    errors.
    """
    from migrations.runner import run  # Alembic is needed here only, not by the service that checks

    run(where)


def check(connection: Any) -> None:
    """Raise `Fatal` where the schema is older than this service; a newer one is fine, since steps only add.

    `connection`: an open one of mysql-connector. The transaction that this opens is the caller's.
    """
    current = revision(connection)
    if current is None or current in REVISIONS[:-1]:
        raise Fatal(f"the schema is at revision {current}, {REVISIONS[-1]} is needed: run `{COMMAND}`")


def revision(connection: Any) -> str | None:
    """The revision that a schema is at, None before the first. Raises `Fatal` where the user may not see it."""
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT MAX(version_num) FROM alembic_version")
        ((found,),) = cursor.fetchall()
    except mysql.connector.Error as error:
        if error.errno == NO_RIGHT:
            raise Fatal(f"no right to read alembic_version: run `{COMMAND}`, then GRANT SELECT on it") from None
        if error.errno != NO_TABLE:
            raise
        return None
    finally:
        cursor.close()
    return None if found is None else str(found)
