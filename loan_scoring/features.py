"""What the model knows of an application, in the order in which it is computed with, and what may be missing.

Not among them: `fund_rate`, which nobody knows when someone applies. `int_rate` and `funded_amnt` are, and are
decisions of the lender already: a score for a rate and a sum that the lender has in mind.
"""

from __future__ import annotations

from typing import Final

FEATURES: Final = {
    "bc_open_to_buy": 1,
    "total_il_high_credit_limit": 1,
    "dti": -1,
    "annual_inc": 1,
    "bc_util": -1,
    "int_rate": -1,
    "term": -1,
    "loan_amnt": -1,
    "funded_amnt": -1,
}
"""Name → the direction in which a credit officer expects it to move the chance that the loan is paid back."""
OPTIONAL: Final = ("bc_open_to_buy", "total_il_high_credit_limit", "bc_util", "dti", "fund_rate")
"""Fields that an application may lack."""
SCORE_PLACES: Final = 3
"""Decimal places of a score."""
REASONS: Final = 3
"""Most features that are named as those that lowered a score."""
