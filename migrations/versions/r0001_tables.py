"""The tables of the bank, where they are missing: those that are read, and those that the service writes.

In production they exist, and nothing happens here; a new schema (development, tests) gets them all.
"""

from __future__ import annotations

from alembic import op

from migrations.steps import Steps

revision = "0001"
down_revision = None

FLAGS = tuple(f"{name} TINYINT NOT NULL" for name in ("active", "approved", "confirmed"))
SECRETS = tuple(f"{name} SMALLINT UNSIGNED NULL" for name in ("pin", "cvc1", "cvc2"))
ID = "id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"
WHEN = ("time_stamp DATETIME NOT NULL", "status TINYINT NOT NULL")


def upgrade() -> None:
    steps = Steps(op.get_bind())
    create_read_tables(steps)
    create_written_tables(steps)


def create_read_tables(steps: Steps) -> None:
    """users, accounts, cards, loans: owned by other services."""
    names = ("username", "email", "first_name", "last_name")
    steps.create_table(
        "users", "id INT UNSIGNED NOT NULL PRIMARY KEY", *(f"{name} VARCHAR(50) NOT NULL" for name in names)
    )
    steps.create_table(
        "accounts",
        "id INT UNSIGNED NOT NULL PRIMARY KEY",
        "users_id INT UNSIGNED NOT NULL",
        "account_type VARCHAR(45) NOT NULL",
        "balance DECIMAL(10,2) NOT NULL",
        "payment_due DECIMAL(10,2) NOT NULL",
        "due_date DATE NULL",
        "credit_limit INT NULL",
        "debt_interest DECIMAL(5,5) UNSIGNED NOT NULL",
        *FLAGS,
    )
    steps.create_table(
        "cards",
        "accounts_id INT UNSIGNED NOT NULL UNIQUE",
        "card_num DECIMAL(16) UNSIGNED NOT NULL PRIMARY KEY",
        *SECRETS,
        "exp_date DATE NOT NULL",
    )
    steps.create_table(
        "loans",
        "id INT UNSIGNED NOT NULL PRIMARY KEY",
        "users_id INT UNSIGNED NOT NULL",
        "balance DECIMAL(10,2) NOT NULL",
        "interest_rate DECIMAL(5,5) UNSIGNED NOT NULL",
        "due_date DATETIME NULL",
        "payment_due DECIMAL(8,2) NOT NULL",
        "loan_type VARCHAR(45) NOT NULL",
        "monthly_payment DECIMAL(7,2) NOT NULL",
        *FLAGS,
    )


def create_written_tables(steps: Steps) -> None:
    """transactions, card_transactions, loan_payments, stocks: written by this service."""
    steps.create_table(
        "transactions",
        ID,
        "origin_account INT UNSIGNED NOT NULL",
        "destination_account INT UNSIGNED NOT NULL",
        "memo VARCHAR(55) NOT NULL",
        "transfer_value DECIMAL(10,2) NOT NULL",
        *WHEN,
        "INDEX origin_account (origin_account)",
        "INDEX destination_account (destination_account)",
    )
    steps.create_table(
        "card_transactions",
        ID,
        "card_num DECIMAL(16) UNSIGNED NOT NULL",
        "merchant_account_id INT UNSIGNED NOT NULL",
        "memo VARCHAR(55) NOT NULL",
        "transfer_value DECIMAL(10,2) NOT NULL",
        *SECRETS,
        "location CHAR(2) NULL",
        *WHEN,
        "INDEX card_num (card_num)",
        "INDEX merchant_account_id (merchant_account_id)",
    )
    steps.create_table(
        "loan_payments",
        ID,
        "loan_id INT UNSIGNED NOT NULL",
        "account_id INT UNSIGNED NOT NULL",
        "amount DECIMAL(10,2) NOT NULL",
        *WHEN,
    )
    steps.create_table(
        "stocks",
        ID,
        "ticker VARCHAR(6) NOT NULL",
        "name VARCHAR(256) NOT NULL",
        "price DECIMAL(13,6) NOT NULL",
        "market_cap DECIMAL(15,2) NULL",
        "volume BIGINT NOT NULL",
        "high DECIMAL(13,6) NOT NULL",
        "low DECIMAL(13,6) NOT NULL",
        "`timestamp` DATETIME NOT NULL",
        "status TINYINT NOT NULL",
    )
