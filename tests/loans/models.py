"""Models as small as they can be, for tests that train nothing: made by hand, and right."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import numpy as np
import xgboost

from loan_scoring.features import FEATURES, OPTIONAL
from loan_scoring.registry import Registry
from loan_scoring.scorecard import FORMAT, Feature, Scorecard, Spread

SPLITS = {
    "bc_open_to_buy": [1_000.0, 5_000.0],
    "total_il_high_credit_limit": [20_000.0],
    "dti": [12.0, 25.5],
    "annual_inc": [40_000.0, 90_000.0],
    "bc_util": [33.3, 80.0],
    "int_rate": [0.08, 0.135, 0.2],
    "term": [48.0],
    "loan_amnt": [10_000.0],
    "funded_amnt": [12_345.5],
}


def scorecard(base: float = 1.2, step: float = 0.31, **changes: object) -> Scorecard:
    """Points go in equal steps. `changes`: fields that are otherwise."""
    features = [_feature(name, step * (1 + place / 10)) for place, name in enumerate(FEATURES)]
    made: dict[str, object] = {
        "format": FORMAT,
        "base": base,
        "features": features,
        "may_be_missing": list(OPTIONAL),
        "most_missing": 2,
        "scores": Spread([0.5, 0.75], [0.2, 0.3, 0.5]),
        "cutoff": 0.6,
        "challenger": sha256(challenger().encode()).hexdigest(),
        "trained": {"data": "by hand"},
        "figures": {"auc": 0.7},
        **changes,
    }
    return Scorecard(**made)  # type: ignore[arg-type]


def _feature(name: str, step: float) -> Feature:
    splits = SPLITS[name]
    number = len(splits) + 1
    points = [FEATURES[name] * step * (place - (number - 1) / 2) for place in range(number)]
    missing = -0.05 if name in OPTIONAL else None
    shares = [1 / (number + (missing is not None))] * (number + 1)
    return Feature(name, splits, points, missing, shares if missing is not None else [*shares[:-1], 0.0])


@cache
def challenger() -> str:
    """A few trees, bound to the directions that the scorecard has."""
    rng = np.random.default_rng(1)
    rows = rng.uniform(0, 1, (400, len(FEATURES))) * np.array([9e3, 5e4, 40, 1.2e5, 100, 0.3, 60, 4e4, 4e4])
    paid = rng.random(400) < 0.9 - rows[:, 5] * 2
    matrix = xgboost.DMatrix(rows, label=paid)
    told = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "seed": 1}
    return bytes(xgboost.train(told, matrix, 5).save_raw("json")).decode()


def promoted(registry: Registry, base: float = 1.2) -> str:
    """A version that is the champion now."""
    version = registry.add(scorecard(base), challenger(), "# A scorecard for loans\n")
    registry.promote(version)
    return version
