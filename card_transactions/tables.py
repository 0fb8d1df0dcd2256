"""The tables that card payments end in: their rows, and the outbox of mails about potential fraud."""

from __future__ import annotations

from card_transactions.messages import CardPayment
from pipeline.applying.domain import EventTable, Row
from pipeline.mysql.literals import moment, text, text_or_null

CARD_TRANSACTIONS = EventTable(
    "card_transactions",
    ("card_num", "merchant_account_id", "memo", "transfer_value", "location", "time_stamp", "status"),
    decided=("paying_account_id",),
)
"""`pin`, `cvc1` and `cvc2` are checked and then forgotten: their columns hold NULL (PCI DSS 3.3.1).

`paying_account_id`: whose card it was at that moment; NULL where there was none, and in rows older than the column.
"""

FRAUD_ALERTS = EventTable("fraud_alerts", ("accounts_id", "transfer_value", "memo", "time_stamp"))


def row(payment: CardPayment, status: int) -> Row:
    """In the order of `CARD_TRANSACTIONS.columns`."""
    return (
        payment.card_num,
        payment.merchant_account_id,
        payment.memo,
        payment.transfer_value,
        payment.location,
        payment.time_stamp,
        status,
    )


def said(payment: CardPayment, status: int) -> str:
    """What `row` holds up to the status, as SQL."""
    return (
        f"{payment.card_num},{payment.merchant_account_id},{text(payment.memo)},"
        f"{payment.transfer_value!s},{text_or_null(payment.location)},{moment(payment.time_stamp)}"
    )


def alert(payment: CardPayment, account_id: int) -> Row:
    """In the order of `FRAUD_ALERTS.columns`."""
    return account_id, payment.transfer_value, payment.memo, payment.time_stamp
