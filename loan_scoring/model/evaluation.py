"""How good a model is, by loans that it has not seen: order, size, and the same for each kind of people and loans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve  # type: ignore[import-untyped]

from loan_scoring import challenger
from loan_scoring.features import FEATURES
from loan_scoring.model.sample import Sample
from loan_scoring.scorecard import Scorecard

TENTHS: Final = 10
LEAST: Final = 50
"""Loans of a segment below which nothing is said of it."""

Numbers = npt.NDArray[np.float64]


class Tenth(NamedTuple):
    """Loans with scores that lie together: what was foretold on average, and the share that was paid back."""

    loans: int
    foretold: float
    paid: float


class Segment(NamedTuple):
    """Some of the loans. `auc`: None where all ended alike. `above`: share at or above the cutoff."""

    name: str
    loans: int
    auc: float | None
    foretold: float
    paid: float
    above: float


@dataclass(frozen=True)
class Evaluation:
    """`figures`: name → value, for model, challenger and, where it is known, truth. `curve`: of the model's ROC."""

    figures: dict[str, float]
    tenths: list[Tenth]
    segments: list[Segment]
    curve: tuple[Numbers, Numbers]


def probabilities(card: Scorecard, features: Numbers) -> Numbers:
    """As `Scorecard.probability`, of many."""
    total = np.full(len(features), card.base)
    for place, feature in enumerate(card.features):
        values = features[:, place]
        missing = np.nan if feature.missing is None else feature.missing
        total += np.where(np.isnan(values), missing, np.array(feature.points)[np.digitize(values, feature.splits)])
    found: Numbers = 1.0 / (1.0 + np.exp(-total))
    return found


def evaluated(card: Scorecard, challenger_file: str, loans: Sample) -> Evaluation:
    """Both models held against how loans ended. Raises ValueError where all ended alike."""
    scores = probabilities(card, loans.features)
    beside = challenger.scores(challenger_file, loans.features.tolist())
    rates = roc_curve(loans.paid, scores)
    tenths = _tenths(scores, loans.paid)
    figures = {
        "auc": float(roc_auc_score(loans.paid, scores)),
        "ks": float(np.max(rates[1] - rates[0])),
        "brier": float(brier_score_loss(loans.paid, scores)),
        "calibration_error": sum(one.loans * abs(one.foretold - one.paid) for one in tenths) / len(loans),
        "challenger_auc": float(roc_auc_score(loans.paid, beside)),
        "challenger_brier": float(brier_score_loss(loans.paid, beside)),
        "paid": float(loans.paid.mean()),
        "loans": float(len(loans)),
    }
    if loans.truth is not None:
        figures["best_auc"] = float(roc_auc_score(loans.paid, loans.truth))
        figures["best_brier"] = float(brier_score_loss(loans.paid, loans.truth))
    return Evaluation(figures, tenths, list(_segments(card, scores, loans)), (rates[0], rates[1]))


def _tenths(scores: Numbers, paid: npt.NDArray[np.bool_]) -> list[Tenth]:
    parts = np.array_split(np.argsort(scores, kind="stable"), TENTHS)
    return [Tenth(len(part), float(scores[part].mean()), float(paid[part].mean())) for part in parts if len(part)]


def _segments(card: Scorecard, scores: Numbers, loans: Sample) -> Iterator[Segment]:
    for name, chosen in _named(loans):
        if chosen.sum() >= LEAST:
            some, paid = scores[chosen], loans.paid[chosen]
            auc = float(roc_auc_score(paid, some)) if 0 < paid.sum() < len(paid) else None
            above = float((some >= card.cutoff).mean())
            yield Segment(name, len(paid), auc, float(some.mean()), float(paid.mean()), above)


def _named(loans: Sample) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    known = dict(zip(FEATURES, loans.features.T, strict=True))
    for term in (36, 60):
        yield f"{term} months", known["term"] == term
    yield from _thirds("income", known["annual_inc"])
    yield from _thirds("loan", known["loan_amnt"])
    yield "something is missing", np.isnan(loans.features).sum(axis=1) > 0
    for group in sorted(set(loans.group.tolist()) - {""}):
        yield f"group {group}", loans.group == group


def _thirds(what: str, values: Numbers) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    yield f"{what} below {low:,.0f}", values < low
    yield f"{what} {low:,.0f} to {high:,.0f}", (values >= low) & (values < high)
    yield f"{what} from {high:,.0f}", values >= high


def least_impact(segments: Sequence[Segment]) -> float | None:
    """Disparate impact: the lowest share of a group above the cutoff, as a part of the highest. None without groups."""
    shares = [one.above for one in segments if one.name.startswith("group ")]
    return min(shares) / max(shares) if shares and max(shares) > 0 else None
