"""The rules of a loan payment, in DOMAIN.md's order; the first that fails decides."""

from __future__ import annotations

from typing import Final

import msgspec

from bank.holdings import moved
from bank.ledger import Ledger
from bank.statuses import (
    ACCEPTED,
    INACTIVE,
    INSUFFICIENT_FUNDS,
    INVALID,
    INVALID_ACCOUNT_TYPE,
    PAYMENT_TOO_LARGE,
)
from bank.verdict import Verdict
from loans.messages import LoanPayment

PAYING_KINDS: Final = frozenset({"savings", "checking"})


def decide(payment: LoanPayment, ledger: Ledger) -> Verdict:
    """Raises `Rejected` where loan or account does not exist or a balance would overflow."""
    amount = payment.amount
    loan = ledger.loan(payment.loan_id, "loan_id")
    account = ledger.account(payment.account_id, "account_id")
    if amount <= 0:
        return Verdict(INVALID)
    if account.kind.lower() not in PAYING_KINDS:
        return Verdict(INVALID_ACCOUNT_TYPE)
    if account.balance < amount:
        return Verdict(INSUFFICIENT_FUNDS)
    if not (account.active and loan.active):
        return Verdict(INACTIVE)
    if amount > loan.owed:
        return Verdict(PAYMENT_TOO_LARGE)
    return Verdict(
        ACCEPTED,
        (
            msgspec.structs.replace(account, balance=moved(account.balance, -amount, "account_id")),
            msgspec.structs.replace(loan, balance=moved(loan.balance, amount, "loan_id")),
        ),
    )
