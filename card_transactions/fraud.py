"""The fraud score of a card payment (DOMAIN.md, "Fraud score"), in Decimal throughout."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Final

from bank.ledger import Ledger
from bank.needs import Spent, Window
from card_transactions.messages import CardPayment

ENOUGH_RECENT: Final = Decimal(10)
ENOUGH_HISTORY: Final = Decimal(100)
UNKNOWN_HISTORY: Final = Decimal("0.5")
NOTHING: Final = Decimal(0)
DAYS: Final = 10
"""The history covers ten times the days of the recent window."""


@dataclass(frozen=True, slots=True)
class FraudWeights:
    """The settings of the score, named as in DOMAIN.md."""

    threshold_fraud: Decimal = Decimal(1)
    threshold_velocity: Decimal = Decimal("0.3")
    cvc: Decimal = Decimal("0.2")
    amount: Decimal = Decimal(1)
    location: Decimal = Decimal("0.6")
    velocity: Decimal = Decimal(1)
    sample_chance: Decimal = Decimal("0.1")


def sampled(identity: bytes, chance: Decimal) -> bool:
    """Whether this event is one of the share that always gets a velocity; a replay chooses alike."""
    return _drawn(identity) < _share(chance)


@lru_cache(8192)
def _drawn(identity: bytes) -> int:
    """64 bits. Cached, since an event is looked at before its card is locked, and again when it is decided."""
    return int.from_bytes(hashlib.blake2b(identity, digest_size=8, person=b"fraud").digest(), "big")


@cache
def _share(chance: Decimal) -> int:
    """Of 64 bits: as many numbers lie below it as below the exact product."""
    return math.ceil(chance * 2**64)


def velocity(spent: Spent, weight: Decimal) -> Decimal:
    """How much faster the card is spent than before; negative where slower."""
    if spent.recent is None or spent.recent < ENOUGH_RECENT:
        return Decimal(0)
    if spent.history is None or spent.history < ENOUGH_HISTORY:
        return UNKNOWN_HISTORY * weight
    return (DAYS * spent.recent / spent.history - 1) * weight


def suspicion(payment: CardPayment, weights: FraudWeights) -> Decimal:
    """The part of the score that the message alone tells."""
    total = weights.cvc if payment.cvc1 is None and payment.cvc2 is None else NOTHING
    if payment.location is None or payment.location.upper() != "US":
        total += weights.location
    return total


def needs_velocity(total: Decimal, identity: bytes, weights: FraudWeights) -> bool:
    """Whether the card's spending is looked at, with that score so far."""
    return total > weights.threshold_velocity or sampled(identity, weights.sample_chance)


def score(
    payment: CardPayment, funds: Decimal, now: datetime, identity: bytes, weights: FraudWeights, ledger: Ledger
) -> Decimal:
    """`funds`: available funds, at least the amount and above zero. Raises `MoreNeeded`."""
    total = suspicion(payment, weights) + weights.amount * payment.transfer_value / funds
    if needs_velocity(total, identity, weights):
        total += velocity(ledger.spent(Window(payment.card_num, now)), weights.velocity)
    return total
