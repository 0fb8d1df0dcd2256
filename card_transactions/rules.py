"""The rules of a card payment, in DOMAIN.md's order; the first that fails decides."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bank.holdings import Card, moved
from bank.ledger import Ledger
from bank.statuses import (
    ACCEPTED,
    EXPIRED,
    INACTIVE,
    INSUFFICIENT_FUNDS,
    INVALID,
    NO_CARD,
    NO_MERCHANT,
    POTENTIAL_FRAUD,
)
from bank.verdict import Spending, Verdict
from card_transactions.fraud import FraudWeights, score
from card_transactions.messages import CardPayment


def decide(payment: CardPayment, now: datetime, identity: bytes, weights: FraudWeights, ledger: Ledger) -> Verdict:
    """`now`: arrival in the stream, naive UTC.

    Raises `Rejected` where merchant or account does not exist or a balance would overflow, `MoreNeeded` where the
    score needs the card's spending.
    """
    card = ledger.card(payment.card_num)
    if card is None:
        return Verdict(NO_CARD)
    amount = payment.transfer_value
    merchant = ledger.account(payment.merchant_account_id, "merchant_account_id", NO_MERCHANT)
    payer = ledger.account(card.account_id, "card_num")
    if amount <= 0 or merchant.id == payer.id:
        return Verdict(INVALID)
    if not (payer.active and merchant.active):
        return Verdict(INACTIVE)
    if payer.funds < amount:
        return Verdict(INSUFFICIENT_FUNDS)
    if card.expires is None or now.date() > card.expires:  # no day is its last valid one: nothing moves
        return Verdict(EXPIRED)
    if not _verified(payment, card):
        return Verdict(INVALID)
    if score(payment, payer.funds, now, identity, weights, ledger) > weights.threshold_fraud:
        return Verdict(POTENTIAL_FRAUD, (msgspec.structs.replace(payer, active=False),))
    return Verdict(
        ACCEPTED,
        (
            msgspec.structs.replace(payer, balance=moved(payer.balance, -amount, "card_num")),
            msgspec.structs.replace(merchant, balance=moved(merchant.balance, amount, "merchant_account_id")),
            Spending(payment.card_num, payment.time_stamp, amount),
        ),
    )


def _verified(payment: CardPayment, card: Card) -> bool:
    """In person (cvc1) the magnetic stripe and the PIN have to match, at a distance (cvc2) the printed code."""
    if payment.cvc1 is not None:
        return payment.cvc1 == card.cvc1 and card.pin in (None, payment.pin)
    return payment.cvc2 is None or payment.cvc2 == card.cvc2
