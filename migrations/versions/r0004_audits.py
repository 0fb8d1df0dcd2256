"""The audits: what each found and where the next one goes on, and the balances that it goes on from."""

from __future__ import annotations

from alembic import op

from migrations.steps import Steps

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """`audits`: a row per audit that ended; `marks` NULL: it did not hold, so the next one begins where it began.

    `audit_balances`: of each audited account, the balance without what rows behind the marks moved. `marked_at`: whose
    marks these are, in milliseconds since the epoch.
    """
    steps = Steps(op.get_bind())
    steps.create_table(
        "audits",
        "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
        "began_at DATETIME(6) NOT NULL",
        "ended_at DATETIME(6) NOT NULL",
        "who VARCHAR(128) NOT NULL",
        "accepted TINYINT NOT NULL",
        "findings INT UNSIGNED NOT NULL",
        "counts TEXT NOT NULL",
        "marks MEDIUMTEXT NULL",
    )
    steps.create_table(
        "audit_balances",
        "account INT UNSIGNED NOT NULL PRIMARY KEY",
        "opening DECIMAL(14,2) NOT NULL",
        "marked_at BIGINT UNSIGNED NOT NULL",
    )
