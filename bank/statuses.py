"""The codes of DOMAIN.md's table "Statuses", as they stand in the `status` columns."""

from __future__ import annotations

from typing import Final

ACCEPTED: Final = 1
INSUFFICIENT_FUNDS: Final = -1
INACTIVE: Final = -2
ILLEGAL_NEGATIVE: Final = -2
"""What -2 means for a stock."""
EXPIRED: Final = -3
INVALID: Final = -4
INVALID_ACCOUNT_TYPE: Final = -5
PAYMENT_TOO_LARGE: Final = -6
NO_CARD: Final = -7
POTENTIAL_FRAUD: Final = -8

NO_ACCOUNT: Final = "no_account"
NO_MERCHANT: Final = "no_merchant"
NO_LOAN: Final = "no_loan"
BALANCE_OVERFLOW: Final = "balance_overflow"
"""Reasons of dead letters that only a look at the bank can give."""
