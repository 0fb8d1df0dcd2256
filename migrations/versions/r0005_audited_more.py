"""What an audit of money cannot know afterwards: whose card it was; and the loans' balances that it goes on from."""

from __future__ import annotations

from alembic import op

from migrations.steps import Steps

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """`paying_account_id`: of the card at that moment; NULL where there was none, and in rows older than this step.

    `audit_loan_balances`: as `audit_balances`, of loans: `account` is the loan's id.
    """
    steps = Steps(op.get_bind())
    steps.add_columns("card_transactions", {"paying_account_id": "INT UNSIGNED NULL"})
    steps.create_table(
        "audit_loan_balances",
        "account INT UNSIGNED NOT NULL PRIMARY KEY",
        "opening DECIMAL(14,2) NOT NULL",
        "marked_at BIGINT UNSIGNED NOT NULL",
    )
