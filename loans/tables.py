"""The table that loan payments end in."""

from __future__ import annotations

from loans.messages import LoanPayment
from pipeline.applying.domain import EventTable, Row
from pipeline.mysql.literals import moment

LOAN_PAYMENTS = EventTable("loan_payments", ("loan_id", "account_id", "amount", "time_stamp", "status"))


def row(payment: LoanPayment, status: int) -> Row:
    """In the order of `LOAN_PAYMENTS.columns`."""
    return payment.loan_id, payment.account_id, payment.amount, payment.time_stamp, status


def said(payment: LoanPayment, status: int) -> str:
    """What `row` holds up to the status, as SQL."""
    return f"{payment.loan_id},{payment.account_id},{payment.amount!s},{moment(payment.time_stamp)}"
