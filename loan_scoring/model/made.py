"""Loans that are made up, with a truth that is known: the same for the same seed.

Fields lie, and hang together, much as in the public data of a lender between people: who has a good record has more
credit open and uses less of it, pays lower rates, and earns somewhat more; long terms go with large loans. Whether a
loan was paid back is drawn by a chance that is known, so that a model can be held against the best that there could be.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from loan_scoring.features import FEATURES
from loan_scoring.model.sample import Sample

GROUPS: Final = ("under 30", "30 to 49", "50 and over")
"""Of people, as the field `applicant_group` tells it."""

Numbers = npt.NDArray[np.float64]


def made(rows: int, seed: int, *, drift: float = 0.0) -> Sample:
    """So many loans. `drift`: by how much people are worse off than those of 0: 1.0 is a recession."""
    rng = np.random.default_rng([seed, 16])
    quality = rng.normal(-0.4 * drift, 1.0, rows)
    group = rng.choice(len(GROUPS), rows, p=[0.3, 0.45, 0.25])
    income = _lognormal(rng, 65_000, 0.45, rows) * np.exp(0.18 * quality + np.array([-0.12, 0.05, 0.02])[group])
    income = np.round(np.clip(income * (1 - 0.1 * drift), 6_000, 1_200_000), -1)
    loan = np.clip(_lognormal(rng, 12_500, 0.55, rows) * (income / 65_000) ** 0.45, 1_000, 40_000)
    loan = np.round(loan / 25) * 25
    long = rng.random(rows) < _chance(-1.7 + (loan - 12_500) / 9_000 - 0.2 * quality)
    rate = 12.9 - 3.4 * quality + 3.2 * long + rng.normal(0, 1.6, rows) + 1.2 * drift
    util = np.clip(57 - 15 * quality + rng.normal(0, 19, rows) + 6 * drift, 0, 130)
    limit = _lognormal(rng, 17_000, 0.75, rows) * np.exp(0.25 * quality) * (income / 65_000) ** 0.6
    columns = {
        "bc_open_to_buy": np.round(limit * np.clip(1 - util / 100, 0.0, 1.0)),
        "total_il_high_credit_limit": np.round(_lognormal(rng, 33_000, 0.9, rows) * (income / 65_000) ** 0.4),
        "dti": np.round(np.clip(rng.gamma(5.2, 3.5, rows) - 1.2 * quality + 2 * drift, 0, 60), 2),
        "annual_inc": income,
        "bc_util": np.round(util, 1),
        "int_rate": np.round(np.clip(rate, 5.31, 30.99), 2) / 100,
        "term": np.where(long, 60.0, 36.0),
        "loan_amnt": loan,
        "funded_amnt": np.where(rng.random(rows) < 0.03, np.round(loan * 0.8 / 25) * 25, loan),
    }
    _lose(columns, rng, rows)
    fund_rate = np.where(rng.random(rows) < 0.12, np.nan, np.round(rng.beta(20, 1, rows), 4))
    features = np.column_stack([columns[name] for name in FEATURES])
    truth = _chance(log_odds(features))
    paid = rng.random(rows) < truth
    return Sample(features, paid, np.array(GROUPS)[group], fund_rate, truth)


def log_odds(features: Numbers) -> Numbers:
    """The truth: of being paid back, by what an application says of these features, in their order."""
    known = dict(zip(FEATURES, features.T, strict=True))
    effects = (
        0.34 * np.minimum(np.log1p(known["bc_open_to_buy"] / 4_000), 2.2) - 0.33,
        0.22 * np.tanh(known["total_il_high_credit_limit"] / 50_000) - 0.1,
        -0.034 * (np.minimum(known["dti"], 40) - 18),
        0.55 * np.log(known["annual_inc"] / 65_000),
        -0.006 * (known["bc_util"] - 57),
        -11.5 * (known["int_rate"] - 0.135),
        np.where(known["term"] == 60, -0.40, 0.10),
        -0.022 * (known["loan_amnt"] / 1_000 - 14),
        -0.004 * (known["funded_amnt"] / 1_000 - 14),
    )
    found: Numbers = 1.72 + np.sum([np.nan_to_num(effect, nan=-0.12) for effect in effects], axis=0)
    return found


def _lose(columns: dict[str, Numbers], rng: np.random.Generator, rows: int) -> None:
    """Who has no card has neither of its fields; others lack one by chance."""
    no_card = rng.random(rows) < 0.035
    columns["bc_open_to_buy"][no_card] = columns["bc_util"][no_card] = np.nan
    for name, share in (("bc_util", 0.006), ("total_il_high_credit_limit", 0.05), ("dti", 0.012)):
        columns[name][rng.random(rows) < share] = np.nan


def _lognormal(rng: np.random.Generator, median: float, spread: float, rows: int) -> Numbers:
    return median * np.exp(rng.normal(0, spread, rows))


def _chance(odds: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-odds))
