"""What a schema has to be before a step changes anything: better one line now than half a migration."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from pipeline.runtime.errors import Fatal

WRITTEN: Final = ("transactions", "card_transactions", "loan_payments", "stocks")
_OURS: Final = f"table_schema = DATABASE() AND table_name IN ({', '.join(map(repr, WRITTEN))})"
_VIEWS: Final = f"SELECT table_name FROM information_schema.views WHERE {_OURS} ORDER BY 1"
_PARTITIONED: Final = (
    "SELECT DISTINCT table_name, partition_expression FROM information_schema.partitions"
    f" WHERE {_OURS} AND partition_name IS NOT NULL ORDER BY 1"
)
_INDEXED: Final = (
    f"SELECT table_name FROM information_schema.statistics WHERE {_OURS} AND seq_in_index = 1 AND non_unique = 0"
    " AND column_name = 'event_id' AND index_name = CONCAT(table_name, '_event_id')"
)


def require(connection: Connection) -> None:
    """Raise `Fatal`, saying what to do, where the steps could not go through."""
    views = [name for (name,) in connection.execute(text(_VIEWS))]
    if views:
        raise Fatal(f"{', '.join(views)}: a view, where this service needs a table; nothing was changed")
    indexed = {name for (name,) in connection.execute(text(_INDEXED))}
    split = {name: by for name, by in connection.execute(text(_PARTITIONED)) if name not in indexed}
    if split:
        named = ", ".join(f"{name} (by {by})" for name, by in split.items())
        raise Fatal(
            f"partitioned: {named}; a unique index there has to hold the partition's column, so an event would not be "
            "unique by its id: see docs/operations.md, A partitioned table; nothing was changed"
        )
