"""What Alembic runs: the connection is the runner's, or leads to where the environment says."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from migrations import BANK
from migrations.history import History
from migrations.runner import connected, located
from pipeline.runtime.errors import Fatal


def _run(connection: Connection, history: History) -> None:
    history.require(connection)
    connection.commit()  # else Alembic would leave its own transactions to whoever began this one
    context.configure(connection=connection, transaction_per_migration=True, version_table=history.table)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise Fatal("the steps look at the schema that they find: there is no --sql")
if (given := context.config.attributes.get("connection")) is not None:
    _run(given, context.config.attributes["history"])
else:
    with connected(located(os.environ)) as found:
        _run(found, BANK)
