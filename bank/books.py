"""What the accepted rows of each table moved: account and amount (negative: out), for audits. Stocks move nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bank.statuses import ACCEPTED

_ACCEPTED: Final = f"t.id > {{after}} AND t.id <= {{through}} AND t.status = {ACCEPTED}"

MOVEMENTS: Final[Mapping[str, str]] = {
    "transactions": (
        f"SELECT origin_account AS account, -transfer_value AS amount FROM transactions AS t WHERE {_ACCEPTED} "
        f"UNION ALL SELECT destination_account, transfer_value FROM transactions AS t WHERE {_ACCEPTED}"
    ),
    "card_transactions": (
        "SELECT c.accounts_id AS account, -t.transfer_value AS amount FROM card_transactions AS t "
        f"JOIN cards AS c ON c.card_num = t.card_num WHERE {_ACCEPTED} "
        f"UNION ALL SELECT merchant_account_id, transfer_value FROM card_transactions AS t WHERE {_ACCEPTED}"
    ),
    "loan_payments": f"SELECT account_id AS account, -amount AS amount FROM loan_payments AS t WHERE {_ACCEPTED}",
}
