"""The fraud score, by the contract's chapter of that name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.model.bank import Bank, funds

Sampled = Callable[[bytes], bool]
"""Identity of an event → whether velocity is looked at whatever the score. The hash is the service's own."""


@dataclass(frozen=True)
class Settings:
    """The fraud settings, with the deployed values."""

    threshold_fraud: Decimal = Decimal("1")
    threshold_velocity: Decimal = Decimal("0.3")
    weighting_cvc: Decimal = Decimal("0.2")
    weighting_amount: Decimal = Decimal("1")
    weighting_location: Decimal = Decimal("0.6")
    weighting_velocity: Decimal = Decimal("1")


DEPLOYED = Settings()


def is_fraud(values: dict[str, Any], now: datetime, bank: Bank, chosen: bool, settings: Settings) -> bool:
    """Whether the score of a card transaction that passed every other rule is above the threshold.

    `now`: arrival, UTC, without a zone. `chosen`: whether the sample chose this message.
    """
    account = bank.accounts[bank.cards[values["card_num"]]["accounts_id"]]
    amount: Decimal = values["transfer_value"]
    score = settings.weighting_amount * amount / funds(account)
    if values["cvc1"] is None and values["cvc2"] is None:
        score += settings.weighting_cvc
    if (values["location"] or "").upper() != "US":
        score += settings.weighting_location
    if score > settings.threshold_velocity or chosen:
        score += velocity(values["card_num"], now, bank, settings)
    return score > settings.threshold_fraud


def velocity(card: int, now: datetime, bank: Bank, settings: Settings) -> Decimal:
    """How much faster the card spends than before: three days against the thirty before them. May be negative."""
    recent = _spent(bank, card, now - timedelta(days=3), now)
    history = _spent(bank, card, now - timedelta(days=33), now - timedelta(days=3))
    if recent < 10:
        return Decimal(0)
    if history < 100:
        return settings.weighting_velocity / 2
    return (10 * recent / history - 1) * settings.weighting_velocity


def _spent(bank: Bank, card: int, after: datetime, until: datetime) -> Decimal:
    return sum((amount for stamp, amount in bank.spending[card] if after < stamp <= until), Decimal(0))
