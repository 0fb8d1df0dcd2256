"""The rules of a transfer, in DOMAIN.md's order; the first that fails decides."""

from __future__ import annotations

import msgspec

from bank.holdings import moved
from bank.ledger import Ledger
from bank.statuses import ACCEPTED, INACTIVE, INSUFFICIENT_FUNDS, INVALID
from bank.verdict import Verdict
from transactions.messages import Transfer


def decide(transfer: Transfer, ledger: Ledger) -> Verdict:
    """Raises `Rejected` where an account does not exist or a balance would overflow."""
    amount = transfer.transfer_value
    origin = ledger.account(transfer.origin_account, "origin_accounts_id")
    destination = ledger.account(transfer.destination_account, "destination_accounts_id")
    if amount <= 0 or origin.id == destination.id:
        return Verdict(INVALID)
    if not (origin.active and destination.active):
        return Verdict(INACTIVE)
    if origin.funds < amount:
        return Verdict(INSUFFICIENT_FUNDS)
    return Verdict(
        ACCEPTED,
        (
            msgspec.structs.replace(origin, balance=moved(origin.balance, -amount, "origin_accounts_id")),
            msgspec.structs.replace(destination, balance=moved(destination.balance, amount, "destination_accounts_id")),
        ),
    )
