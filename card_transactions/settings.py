"""The settings of the fraud score, named as in DOMAIN.md."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.settings.group import SettingsGroup, setting

if TYPE_CHECKING:
    from card_transactions.fraud import FraudWeights

Weight = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class FraudSettings(SettingsGroup):
    """What weighs how much in the fraud score of a card payment, and from which score on it is fraud."""

    title: ClassVar = "Fraud score"

    threshold_fraud: Weight = setting("Fraud score above which a payment is fraud", "1", "score", default=Decimal(1))
    threshold_velocity: Weight = setting(
        "Fraud score above which the card's spending history is looked at", "0.3", "score", default=Decimal("0.3")
    )
    weighting_cvc: Weight = setting(
        "Fraud score of a payment without cvc1 and cvc2", "0.2", "score", default=Decimal("0.2")
    )
    weighting_amount: Weight = setting(
        "Fraud score of a payment of all available funds", "1", "score", default=Decimal(1)
    )
    weighting_location: Weight = setting(
        "Fraud score of a payment outside the US", "0.6", "score", default=Decimal("0.6")
    )
    weighting_velocity: Weight = setting(
        "Factor of the velocity term of the fraud score", "1", "factor", default=Decimal(1)
    )
    fraud_sample_chance: Annotated[Decimal, Field(ge=0, le=1)] = setting(
        "Share of payments whose spending history is looked at whatever their score",
        "0.1",
        "share",
        default=Decimal("0.1"),
    )

    def fraud_weights(self) -> FraudWeights:
        """The same for the rules."""
        from card_transactions.fraud import FraudWeights

        return FraudWeights(
            threshold_fraud=self.threshold_fraud,
            threshold_velocity=self.threshold_velocity,
            cvc=self.weighting_cvc,
            amount=self.weighting_amount,
            location=self.weighting_location,
            velocity=self.weighting_velocity,
            sample_chance=self.fraud_sample_chance,
        )
