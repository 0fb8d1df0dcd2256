"""Training: a scorecard whose bins and points only go the way that a credit officer expects, and its challenger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xgboost
from msgspec.structs import replace
from optbinning import OptimalBinning  # type: ignore[import-untyped]
from scipy.optimize import minimize  # type: ignore[import-untyped]

from loan_scoring.features import FEATURES, OPTIONAL
from loan_scoring.model.evaluation import Evaluation, evaluated, probabilities
from loan_scoring.model.sample import Sample
from loan_scoring.scorecard import FORMAT, Feature, Scorecard, Spread

MOST_BINS: Final = 8
LEAST_SHARE: Final = 0.03
"""Of the loans in a bin."""
MOST_MISSING: Final = 2
"""Fields of an application that may be missing without people having to look."""
APPROVED: Final = 0.8
"""Share of the training's loans at or above the cutoff by which groups of people are compared."""
TENTHS: Final = 10
TREES: Final = {
    "objective": "binary:logistic",
    "eta": 0.08,
    "max_depth": 3,
    "min_child_weight": 20,
    "subsample": 0.8,
    "nthread": 2,
}
ROUNDS: Final = 120
HELD_OUT: Final = 0.3
"""Share of the loans that training never sees, and evaluation is about."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """`challenger`: its file. `held_out`: the loans that training has not seen."""

    scorecard: Scorecard
    challenger: str
    evaluation: Evaluation
    held_out: Sample


def train(sample: Sample, data: str, seed: int, say: Callable[[str], None]) -> Trained:
    """A version. `data`: where the loans come from, for people. Raises ValueError where they do not teach anything."""
    learn, held_out = sample.split(1 - HELD_OUT, seed)
    say(f"bins of {len(FEATURES)} features, from {len(learn):,} loans")
    binned = [Binned(name, learn.features[:, place], learn.paid) for place, name in enumerate(FEATURES)]
    say("points")
    base, weights = fitted(np.column_stack([one.woe for one in binned]), learn.paid)
    say(f"the challenger: {ROUNDS} trees")
    challenger = trees(learn, seed)
    card = Scorecard(
        format=FORMAT,
        base=base,
        features=[one.feature(float(weight)) for one, weight in zip(binned, weights, strict=True)],
        may_be_missing=list(OPTIONAL),
        most_missing=MOST_MISSING,
        scores=Spread([], [1.0]),
        cutoff=0.0,
        challenger=sha256(challenger.encode()).hexdigest(),
        trained={
            "data": data,
            "loans": f"{len(learn)}",
            "held_out": f"{len(held_out)}",
            "seed": str(seed),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        figures={},
    )
    card = _with_scores(card, learn)
    say(f"evaluation, by {len(held_out):,} loans that training has not seen")
    evaluation = evaluated(card, challenger, held_out)
    return Trained(replace(card, figures=evaluation.figures), challenger, evaluation, held_out)


class Binned:
    """A feature of the training's loans, cut into bins along which loans are paid back ever more or ever less often."""

    def __init__(self, name: str, values: Numbers, paid: npt.NDArray[np.bool_]) -> None:
        trend = "ascending" if FEATURES[name] > 0 else "descending"
        cut = OptimalBinning(
            name, dtype="numerical", monotonic_trend=trend, max_n_bins=MOST_BINS, min_bin_size=LEAST_SHARE
        )
        cut.fit(values, paid.astype(int))
        if cut.status not in ("OPTIMAL", "FEASIBLE"):
            raise ValueError(f"{name} cannot be cut into bins: {cut.status}")
        self._name = name
        self._splits = [float(split) for split in cut.splits]
        bins = np.where(np.isnan(values), len(self._splits) + 1, np.digitize(values, self._splits))
        number = len(self._splits) + 2
        self._count = np.bincount(bins, minlength=number)
        self._values = _woe(self._count, np.bincount(bins, weights=paid, minlength=number))
        self.woe: Numbers = self._values[bins]

    def feature(self, weight: float) -> Feature:
        """With points. `weight`: not below zero."""
        *points, missing = (float(weight * value) for value in self._values)
        ordered = np.maximum.accumulate if FEATURES[self._name] > 0 else np.minimum.accumulate
        shares = self._count / self._count.sum()
        return Feature(
            self._name,
            self._splits,
            [float(point) for point in ordered(points)],  # but for the last bits, they are in order
            missing if self._name in OPTIONAL else None,
            [float(share) for share in shares],
        )


def _woe(count: npt.NDArray[np.int64], paid: npt.NDArray[Any]) -> Numbers:
    """Weight of evidence: by how much the log-odds in a bin are above those of all; 0 in one without loans."""
    good, bad = paid + 0.5, count - paid + 0.5
    odds: Numbers = np.log(good / bad) - np.log(paid.sum() / (count.sum() - paid.sum()))
    return np.where(count > 0, odds, 0.0)


def fitted(woe: Numbers, paid: npt.NDArray[np.bool_]) -> tuple[float, Numbers]:
    """Base and weights of a logistic regression whose weights are not below zero, so that points keep their order."""
    inputs, sign = np.column_stack([np.ones(len(woe)), woe]), np.where(paid, 1.0, -1.0)

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        margin = sign * (inputs @ weights)
        pull = -sign / (1 + np.exp(margin))
        return float(np.logaddexp(0, -margin).mean()), inputs.T @ pull / len(sign)

    start = np.concatenate([[np.log(paid.mean() / (1 - paid.mean()))], np.ones(woe.shape[1])])
    bounds = [(None, None), *[(0.0, None)] * woe.shape[1]]
    found: Any = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 500})
    return float(found.x[0]), np.maximum(found.x[1:], 0.0)


def trees(learn: Sample, seed: int) -> str:
    """The challenger, as a file: bound to the same directions, and free in all else."""
    matrix = xgboost.DMatrix(learn.features, label=learn.paid)
    bound = {"monotone_constraints": tuple(FEATURES.values()), "seed": seed}
    booster = xgboost.train({**TREES, **bound}, matrix, num_boost_round=ROUNDS)
    return bytes(booster.save_raw("json")).decode()


def _with_scores(card: Scorecard, learn: Sample) -> Scorecard:
    scores = probabilities(card, learn.features)
    splits = sorted({round(float(split), 6) for split in np.quantile(scores, np.arange(1, TENTHS) / TENTHS)})
    shares = np.bincount(np.digitize(scores, splits), minlength=len(splits) + 1) / len(scores)
    cutoff = round(float(np.quantile(scores, 1 - APPROVED)), 3)
    return replace(card, scores=Spread(splits, [float(share) for share in shares]), cutoff=cutoff)
