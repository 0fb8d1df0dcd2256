"""What makes a message count once: its identity beside its row; and the outbox of the fraud mails.

`event_id` is NULL in rows from before; `applied_at` is the database's clock when the row's locks were held.
"""

from __future__ import annotations

from alembic import op

from migrations.steps import Steps

revision = "0002"
down_revision = "0001"

WRITTEN = ("transactions", "card_transactions", "loan_payments", "stocks")
EVENT = {"event_id": "BINARY(16) NULL", "applied_at": "DATETIME(6) NULL"}


def upgrade() -> None:
    steps = Steps(op.get_bind())
    create_outbox(steps)
    for table in WRITTEN:
        add_identity(steps, table)
    spending = ("card_num", "time_stamp", "status", "transfer_value")
    steps.add_index("card_transactions", "card_transactions_history", spending)


def add_identity(steps: Steps, table: str) -> None:
    """The identity of an event, unique in its table."""
    steps.add_columns(table, EVENT)
    steps.add_index(table, f"{table}_event_id", ("event_id",), unique=True)


def create_outbox(steps: Steps) -> None:
    """`fraud_alerts`: one row per fraudulent message, waiting until `sent_at` or `parked_at` is set."""
    steps.create_table(
        "fraud_alerts",
        "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
        "accounts_id INT UNSIGNED NOT NULL",
        "transfer_value DECIMAL(10,2) NOT NULL",
        "memo VARCHAR(55) NOT NULL",
        "time_stamp DATETIME NOT NULL",
        "event_id BINARY(16) NOT NULL",
        "applied_at DATETIME(6) NULL",
        "attempts INT NOT NULL DEFAULT 0",
        "last_attempt_at DATETIME(6) NULL",
        "sent_at DATETIME(6) NULL",
        "parked_at DATETIME(6) NULL",
        "UNIQUE INDEX fraud_alerts_event_id (event_id)",
        "INDEX fraud_alerts_waiting (sent_at, parked_at, id)",
    )
