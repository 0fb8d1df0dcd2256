"""Who changed what by the operators' command line, and when."""

from __future__ import annotations

from alembic import op

from migrations.steps import Steps

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """`operations_log`: a row per changing command, written before it begins; `ended_at` NULL: it died, or runs."""
    Steps(op.get_bind()).create_table(
        "operations_log",
        "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
        "began_at DATETIME(6) NOT NULL",
        "ended_at DATETIME(6) NULL",
        "who VARCHAR(128) NOT NULL",
        "command VARCHAR(32) NOT NULL",
        "arguments TEXT NOT NULL",
        "counts TEXT NULL",
    )
