"""What the accepted rows of each table moved: whose balance, and the amount (negative: out), for audits.

Stocks move nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bank.statuses import ACCEPTED

_PAYER: Final = "COALESCE(t.paying_account_id, (SELECT c.accounts_id FROM cards AS c WHERE c.card_num = t.card_num))"
"""Where a row does not say, it is older than the column, and the cards do, as they are now."""
_ACCEPTED: Final = f"t.id > {{after}} AND t.id <= {{through}} AND t.status = {ACCEPTED}"

MOVED_ACCOUNTS: Final[Mapping[str, str]] = {
    "transactions": (
        f"SELECT origin_account AS account, -transfer_value AS amount FROM transactions AS t WHERE {_ACCEPTED} "
        f"UNION ALL SELECT destination_account, transfer_value FROM transactions AS t WHERE {_ACCEPTED}"
    ),
    "card_transactions": (
        f"SELECT {_PAYER} AS account, -t.transfer_value AS amount FROM card_transactions AS t WHERE {_ACCEPTED} "
        f"UNION ALL SELECT merchant_account_id, transfer_value FROM card_transactions AS t WHERE {_ACCEPTED}"
    ),
    "loan_payments": f"SELECT account_id AS account, -amount AS amount FROM loan_payments AS t WHERE {_ACCEPTED}",
}
MOVED_LOANS: Final[Mapping[str, str]] = {
    "loan_payments": f"SELECT loan_id AS account, amount FROM loan_payments AS t WHERE {_ACCEPTED}",
}
