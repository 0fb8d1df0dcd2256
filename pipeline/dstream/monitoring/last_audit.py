"""What the last audit of the money came to, as the table `audits` has it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC
from typing import Any, Final

from pipeline.dstream.monitoring.polled_metrics import Audited
from pipeline.mysql.database import translated

_LAST: Final = "SELECT findings, ended_at FROM audits ORDER BY id DESC LIMIT 1"


def last_audit(connection: Any) -> Audited | None:
    """None before the first. Raises `Transient`, `Halted`."""
    with translated(), closing(connection.cursor()) as cursor:
        cursor.execute(_LAST)
        rows = cursor.fetchall()
    return Audited(int(rows[0][0]), rows[0][1].replace(tzinfo=UTC).timestamp()) if rows else None
